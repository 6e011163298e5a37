# SPDX-License-Identifier: Apache-2.0
"""The real programs tallyd and tally against the gateway."""
