# SPDX-License-Identifier: Apache-2.0
# The container image, from scratch: `make image TLS=bearssl` (small, TLS 1.2) or TLS=openssl
# (TLS 1.3). deploy/image/README.md says how, and what the small one trades.
TLS ?= bearssl


.PHONY: image
image:
	@tests/setup.sh image $(if $(SYSROOT),$(ARCH))
	@ARCH=$(ARCH) deploy/image/build.sh $(TLS) $(VERSION) $(BUILD)/image/$(TLS)
