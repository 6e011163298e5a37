# SPDX-License-Identifier: Apache-2.0
# `make ARCH=arm64`: tallyd, tally, tally-bridge and libtally for another architecture, with Debian's
# cross compiler and Debian's libraries of that architecture (`make deps ARCH=arm64`), in a build
# folder of its own. Read before the Makefile's own settings, which it leaves as they are where ARCH
# is the machine's.
#
# One more architecture is one more line in each of these two; tallyd's filter of system calls needs
# what agent/sandbox.c says.
CROSS_TRIPLET_amd64 := x86_64-linux-gnu
CROSS_TRIPLET_arm64 := aarch64-linux-gnu
SECCOMP_ARCH_amd64 := x86_64
SECCOMP_ARCH_arm64 := aarch64

HOSTCC ?= cc
ifneq ($(ARCH),)
ifneq ($(ARCH),$(shell dpkg --print-architecture))
TRIPLET := $(CROSS_TRIPLET_$(ARCH))
ifeq ($(TRIPLET),)
$(error ARCH is amd64 or arm64, not '$(ARCH)')
endif
SYSROOT ?= $(CURDIR)/.deps/sysroot/$(ARCH)
BUILD ?= build/$(ARCH)
# What make itself calls cc, ar and ld is not what somebody chose.
ifeq ($(origin CC),default)
CC := $(TRIPLET)-gcc --sysroot=$(SYSROOT)
endif
ifeq ($(origin AR),default)
AR := $(TRIPLET)-ar
endif
ifeq ($(origin LD),default)
LD := $(TRIPLET)-ld
endif
OBJCOPY ?= $(TRIPLET)-objcopy
PKG_CONFIG ?= PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) \
  PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(TRIPLET)/pkgconfig:$(SYSROOT)/usr/share/pkgconfig pkg-config
SECCOMP_ARCH := $(SECCOMP_ARCH_$(ARCH))
endif
endif
