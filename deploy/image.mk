# SPDX-License-Identifier: Apache-2.0
# The container image, from scratch: `make image TLS=bearssl` (small, TLS 1.2) or TLS=openssl
# (TLS 1.3). deploy/image/README.md describes the build and the limits of the small one.
TLS ?= bearssl

.PHONY: image
image:
	@tests/setup.sh image
	@deploy/image/build.sh $(TLS) $(VERSION) $(BUILD)/image/$(TLS)
