# SPDX-License-Identifier: Apache-2.0
"""Everything that makes tally's tests real."""
