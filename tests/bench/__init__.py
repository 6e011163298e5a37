# SPDX-License-Identifier: Apache-2.0
"""tally held against what else there is: `make bench`."""
