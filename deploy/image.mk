# SPDX-License-Identifier: Apache-2.0
# The container image, from scratch: `make image TLS=bearssl` (small, TLS 1.2) or TLS=openssl
# (TLS 1.3), for this machine's architecture or ARCH=arm64; `make image-index` builds it for both and
# makes one name of them. deploy/image/README.md says how, and what the small one trades.
TLS ?= bearssl
INDEX_ARCHS ?= amd64 arm64


.PHONY: image
image:
	@tests/setup.sh image $(if $(SYSROOT),$(ARCH))
	@ARCH=$(ARCH) deploy/image/build.sh $(TLS) $(VERSION) $(BUILD)/image/$(TLS)

# The machine's own image lies where `make image` has it.
index_build = $(BUILD)$(if $(filter-out $(shell dpkg --print-architecture),$(1)),/$(1))
.PHONY: image-index
image-index:
	@set -e; $(foreach arch,$(INDEX_ARCHS),\
	  $(MAKE) --no-print-directory image TLS=$(TLS) ARCH=$(arch) BUILD=$(call index_build,$(arch));)
	@deploy/image/index.sh localhost/tally:$(VERSION)-$(TLS) $(BUILD)/image/$(TLS)-index \
	  $(foreach arch,$(INDEX_ARCHS),$(call index_build,$(arch))/image/$(TLS))
