# SPDX-License-Identifier: Apache-2.0
"""The real tallyd and tally against the gateway."""
