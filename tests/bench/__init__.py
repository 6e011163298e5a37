# SPDX-License-Identifier: Apache-2.0
"""tally compared with other programs: `make bench`."""
