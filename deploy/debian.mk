# SPDX-License-Identifier: Apache-2.0
# The Debian packages: `make deb` makes tallyd, tally, tally-bridge, libtally0 and libtally-dev below
# $(BUILD)/deb.
.PHONY: deb
deb:
	@tests/setup.sh packages
	@deploy/packages.sh $(VERSION) $(BUILD)/deb
