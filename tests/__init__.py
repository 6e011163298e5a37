# SPDX-License-Identifier: Apache-2.0
"""tally's tests: gateway, integration tests, benchmarks and tools."""
