# SPDX-License-Identifier: Apache-2.0
# tally: build, test, install. `make help` lists the main targets.
#
# Variables: BUILD (folder, default build), PREFIX, DESTDIR, CC, CFLAGS, LDFLAGS,
# WERROR=1 (warnings are errors), SANITIZE=address,undefined (a sanitizer build), ARCH=arm64 (a cross
# build, in build/arm64; deploy/cross.mk).

# The one place of the version; tests/versions.py finds other ones.
VERSION := 0.2.0
SOVERSION := 0

include deploy/cross.mk

BUILD ?= build
ifdef V
Q :=
say = :
else
Q := @
say = @printf '  %-4s %s\n'
endif
PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
PKG_CONFIG ?= pkg-config
CC ?= cc
AR ?= ar
LD ?= ld
OBJCOPY ?= objcopy
INSTALL ?= install

# ---- flags ------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
  -Wconversion -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef \
  -Wimplicit-fallthrough -Wold-style-definition -Wdouble-promotion
ifdef WERROR
WARNINGS += -Werror
endif
HARDENING := -fstack-protector-strong -fPIE
HARDENING_LD := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed
ifdef SANITIZE
OPTIMIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
HARDENING_LD += -fsanitize=$(SANITIZE)
else
OPTIMIZE := -O2 -g
HARDENING += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
CFLAGS ?= $(OPTIMIZE)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DTALLY_VERSION='"$(VERSION)"' -I. $(WARNINGS) $(HARDENING) \
  -ffunction-sections -fdata-sections -MMD -MP $(CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = $(HARDENING_LD) -Wl,--gc-sections $(LDFLAGS)

# Third-party libraries, named once. BearSSL is linked statically: the caller
# allocates its contexts, so a shared library could not keep its ABI stable.
AGENT_PACKAGES := libcurl libuv yaml-0.1 jansson expat msgpack
CLI_PACKAGES := jansson msgpack
AGENT_LIBS = $(LOOKED_UP_FIRST) -l:libbearssl.a $(shell $(PKG_CONFIG) --libs $(AGENT_PACKAGES)) -lm
# The dynamic linker looks for each name in one library after another. Of the names that Debian's
# libcurl brings, half are OpenSSL's own: with it in front a start takes a fifth fewer instructions.
OPENSSL = $(if $(filter -lcrypto,$(shell $(PKG_CONFIG) --static --libs libcurl)),\
  $(wildcard $(shell $(PKG_CONFIG) --variable=libdir libcurl)/libcrypto.so.3))
LOOKED_UP_FIRST = $(if $(OPENSSL),-Wl$(comma)--push-state$(comma)--no-as-needed $(OPENSSL) -Wl$(comma)--pop-state)
BRIDGE_PACKAGES := libnghttp2 openssl libuv jansson msgpack
CLI_LIBS = $(shell $(PKG_CONFIG) --libs $(CLI_PACKAGES)) -lm
BRIDGE_LIBS = $(shell $(PKG_CONFIG) --libs $(BRIDGE_PACKAGES)) -lm
# Of the program that compiles the filter, which runs on this machine.
SECCOMP_LIBS = $(shell pkg-config --libs libseccomp)
CLIENT_LIBS = $(shell $(PKG_CONFIG) --libs msgpack)

# Quotes its argument as one word for the shell.
shell_quoted = '$(subst ','\'',$(1))'

# ---- sources: a new file in a folder is found automatically -----------------
comma := ,
PROTO_SRC := $(wildcard proto/*.c)
AGENT_SRC := $(filter-out agent/main.c agent/sandbox_compile.c,$(wildcard agent/*.c agent/*/*.c))
CLIENT_SRC := $(wildcard client/*.c)
CLI_SRC := $(wildcard client/cli/*.c)
BRIDGE_TLS ?= openssl
BRIDGE_OTHER_TLS := client/bridge/$(if $(filter none,$(BRIDGE_TLS)),peer_tls,peer_tls_none).c
BRIDGE_SRC := $(filter-out $(BRIDGE_OTHER_TLS),$(wildcard client/bridge/*.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c)
FAKE_SRC := $(wildcard tests/fake/*.c)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PROTO_OBJ := $(call obj,$(PROTO_SRC))
AGENT_OBJ := $(call obj,$(AGENT_SRC)) $(BUILD)/obj/sandbox_filter.o
CLIENT_OBJ := $(call obj,$(CLIENT_SRC))
CLI_OBJ := $(call obj,$(filter-out client/cli/tally.c,$(CLI_SRC)))
BRIDGE_OBJ := $(call obj,$(filter-out client/bridge/bridge.c,$(BRIDGE_SRC)))
# The shared library needs position-independent code and exports only tally_*.
CLIENT_PIC := $(patsubst %.c,$(BUILD)/pic/%.o,$(CLIENT_SRC) $(PROTO_SRC))
UNIT_BIN := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))

BINARIES := $(BUILD)/tallyd $(BUILD)/tally $(BUILD)/tally-bridge $(BUILD)/libtally.a $(BUILD)/libtally.so.$(SOVERSION)

.PHONY: all
all: need-libraries $(BINARIES)

.PHONY: need-libraries
need-libraries:
	@{ $(PKG_CONFIG) --exists $(AGENT_PACKAGES) $(BRIDGE_PACKAGES) && pkg-config --exists libseccomp; } \
	  2>/dev/null && test -e $(SYSROOT)/usr/include/bearssl.h || { \
	  echo "tally: libraries are missing; 'make deps$(if $(SYSROOT), ARCH=$(ARCH))' brings them (Debian packages)" >&2; exit 1; }

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/pic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(say) CC "$< (pic)"
	$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -fvisibility=hidden -c $< -o $@

# The system call filter is compiled here, once, and not at each start. The compiling program runs on
# the build machine, so it gets no sanitizer, no coverage and no other architecture.
$(BUILD)/sandbox-compile: agent/sandbox_compile.c agent/sandbox_filter.h Makefile
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(HOSTCC) -std=c11 -D_GNU_SOURCE -I. $(WARNINGS) -fPIE -o $@ $< $(SECCOMP_LIBS)

$(BUILD)/sandbox_filter.c: $(BUILD)/sandbox-compile
	$(say) GEN $@
	$(Q)$< tallyd $(SECCOMP_ARCH) >$@.new && mv $@.new $@

$(BUILD)/bridge_filter.c: $(BUILD)/sandbox-compile
	$(say) GEN $@
	$(Q)$< tally-bridge $(SECCOMP_ARCH) >$@.new && mv $@.new $@

$(BUILD)/obj/%_filter.o: $(BUILD)/%_filter.c
	$(say) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/libagent.a: $(AGENT_OBJ) $(PROTO_OBJ)
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcs $@ $^

# For the command and the tests, which also use internal functions.
$(BUILD)/libclient.a: $(CLIENT_OBJ) $(PROTO_OBJ)
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/libcli.a: $(CLI_OBJ)
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/libbridge.a: $(BRIDGE_OBJ)
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcs $@ $^

# For programs: one object that exports only tally_*, so that internal names cannot collide with the
# program's names.
$(BUILD)/libtally.a: $(CLIENT_PIC)
	@rm -f $@
	$(say) AR $@
	$(Q)$(LD) -r -o $(BUILD)/tally-all.o $^
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='tally_*' $(BUILD)/tally-all.o $(BUILD)/tally.o
	$(Q)$(AR) rcs $@ $(BUILD)/tally.o

$(BUILD)/libtally.so.$(SOVERSION): $(CLIENT_PIC) client/tally.map
	$(say) LD $@
	$(Q)$(CC) $(filter-out -pie,$(ALL_LDFLAGS)) -shared -Wl,-soname,libtally.so.$(SOVERSION) \
	  -Wl,--version-script=client/tally.map -Wl,-z,defs -o $@ $(CLIENT_PIC) $(CLIENT_LIBS)

# Debian's ld exports symbols that a shared library references automatically; other linkers do not.
$(BUILD)/tallyd: $(call obj,agent/main.c) $(BUILD)/libagent.a
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--export-dynamic-symbol=_gnutls_global_init_skip \
	  -o $@ $^ $(AGENT_LIBS)

$(BUILD)/tally: $(call obj,client/cli/tally.c) $(BUILD)/libcli.a $(BUILD)/libclient.a
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CLI_LIBS)

# Its own filter comes before libagent.a, from which tallyd's is not taken then.
$(BUILD)/tally-bridge: $(call obj,client/bridge/bridge.c) $(BUILD)/obj/bridge_filter.o \
  $(BUILD)/libbridge.a $(BUILD)/libcli.a $(BUILD)/libagent.a $(BUILD)/libclient.a
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(BRIDGE_LIBS)

# ---- unit tests: one program per unit, linked with everything but main -------
# A TEST without its RUN is an unused function: it would never run.
$(BUILD)/obj/tests/unit/%.o: WARNINGS += -Werror=unused-function

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(FAKE_SRC)) \
  $(BUILD)/libbridge.a $(BUILD)/libagent.a $(BUILD)/libcli.a $(BUILD)/libclient.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(AGENT_LIBS) $(BRIDGE_LIBS)

.PHONY: unit-programs
unit-programs: need-libraries $(UNIT_BIN)

# To run one program: build/unit/test_sigv4; one of its tests: build/unit/test_sigv4 NAME
.PHONY: unit
unit: unit-programs
	@tests/unit.sh $(BUILD)

# The part of `make test` that takes less than a minute.
.PHONY: check
check: unit
	@git ls-files -co --exclude-standard '*.c' '*.h' | sort -u | xargs clang-format --dry-run -Werror
	@/usr/bin/python3 tests/includes.py
	@/usr/bin/python3 tests/banned.py
	@/usr/bin/python3 tests/declarations.py
	@/usr/bin/python3 tests/vectors.py
	@/usr/bin/python3 tests/versions.py

# For clangd and other tools that parse C with the compiler's options.
COMMAND_SRC = $(PROTO_SRC) $(AGENT_SRC) agent/main.c $(CLIENT_SRC) $(CLI_SRC) $(BRIDGE_SRC) $(UNIT_SRC) $(FAKE_SRC)
compile_commands.json: Makefile
	@{ printf '['; separator=; for source in $(COMMAND_SRC); do \
	  printf '%s\n {"directory": "%s", "file": "%s", "command": "%s"}' "$$separator" "$(CURDIR)" \
	    "$$source" "$$(printf '%s' $(call shell_quoted,$(CC) $(ALL_CFLAGS)) | sed 's/[\\"]/\\&/g') -c $$source"; \
	  separator=,; done; printf '\n]\n'; } >$@

# ---- helper programs that the integration tests compare with independent implementations ----
HELPER_BIN := $(patsubst tests/helpers/%.c,$(BUILD)/helpers/%,$(wildcard tests/helpers/*.c))

$(BUILD)/helpers/%: $(BUILD)/obj/tests/helpers/%.o $(BUILD)/libagent.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(AGENT_LIBS)

.PHONY: helpers
helpers: need-libraries $(HELPER_BIN)

# ---- fuzzing: libFuzzer with clang; other compilers only replay the seeds ----
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(patsubst %,$(BUILD)/fuzz/%,$(FUZZ_NAMES))
FUZZ_REPLAY := $(patsubst %,$(BUILD)/fuzz/replay_%,$(FUZZ_NAMES))
TIME ?= 60

$(BUILD)/fuzz/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o \
  $(call obj,$(FAKE_SRC)) $(BUILD)/libbridge.a $(BUILD)/libcli.a $(BUILD)/libagent.a \
  $(BUILD)/libclient.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(AGENT_LIBS) $(CLI_LIBS) $(BRIDGE_LIBS)

# Needs CC=clang, and SANITIZE=fuzzer-no-link,… to be useful (tests/fuzz/run.sh).
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(call obj,$(FAKE_SRC)) $(BUILD)/libbridge.a \
  $(BUILD)/libcli.a $(BUILD)/libagent.a $(BUILD)/libclient.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(AGENT_LIBS) $(CLI_LIBS) $(BRIDGE_LIBS)

.PHONY: fuzz-programs
fuzz-programs: need-libraries $(FUZZ_BIN)

.PHONY: fuzz-replay
fuzz-replay: need-libraries $(FUZZ_REPLAY)
	@set -e; for name in $(FUZZ_NAMES); do \
	  echo "  SEED $$name"; $(BUILD)/fuzz/replay_$$name tests/fuzz/seeds/$$name/*; done

# Runs each target for TIME seconds, with ASan and UBSan; new inputs are kept below build/fuzzing.
.PHONY: fuzz
fuzz:
	@tests/fuzz/run.sh $(TIME) $(FUZZ_NAMES)

# ---- torture: the programs with a failing allocator; parsers are linked statically so that their
# allocations fail, too ----
TORTURE_WRAP := malloc calloc realloc reallocarray strdup strndup
TORTURE_LD = $(ALL_LDFLAGS) $(patsubst %,-Wl$(comma)--wrap=%,$(TORTURE_WRAP))
# Expanded when used: on a new machine pkg-config is not installed yet.
TORTURE_LIBS = -Wl,-Bstatic -lyaml -ljansson -lexpat -lmsgpackc -lbearssl -lnghttp2 -Wl,-Bdynamic \
  $(shell $(PKG_CONFIG) --libs libcurl libuv openssl) -lm

$(BUILD)/torture/%.o: $(BUILD)/obj/%.o
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) --redefine-sym main=tortured_main $< $@

$(BUILD)/torture/tallyd: $(BUILD)/torture/agent/main.o $(BUILD)/libagent.a
$(BUILD)/torture/tally: $(BUILD)/torture/client/cli/tally.o $(BUILD)/libcli.a $(BUILD)/libclient.a
$(BUILD)/torture/tally-bridge: $(BUILD)/torture/client/bridge/bridge.o \
  $(BUILD)/obj/bridge_filter.o $(BUILD)/libbridge.a $(BUILD)/libcli.a $(BUILD)/libagent.a \
  $(BUILD)/libclient.a
TORTURE_BIN := $(addprefix $(BUILD)/torture/,tallyd tally tally-bridge)
$(TORTURE_BIN): $(BUILD)/obj/tests/torture/failing.o
	$(say) LD $@
	$(Q)$(CC) $(TORTURE_LD) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(TORTURE_LIBS)

.PHONY: torture-programs
torture-programs: need-libraries $(BUILD)/tallyd $(TORTURE_BIN)

.PHONY: torture
torture:
	@tests/setup.sh test
	@$(MAKE) --no-print-directory -j$$(nproc) BUILD=build/sanitized SANITIZE=address,undefined \
	  torture-programs
	@TALLY_BUILD=build/sanitized /usr/bin/python3 tests/torture/torture.py $(PROGRAM)

# Load, faults, rotation and churn for MINUTES minutes.
MINUTES ?= 5

.PHONY: soak
soak:
	@tests/setup.sh test
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@TALLY_BUILD=$(BUILD) /usr/bin/python3 tests/soak.py $(MINUTES)

# tally-bridge, with restarts of tallyd and broken connections.
.PHONY: soak-bridge
soak-bridge:
	@tests/setup.sh test
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@TALLY_BUILD=$(BUILD) /usr/bin/python3 tests/soak_bridge.py $(MINUTES)

-include $(shell find $(BUILD) -path $(BUILD)/deb -prune -o -type f -name '*.d' -print 2>/dev/null)

.SECONDARY: # objects of tests are kept for the next build

# ---- main targets ----
.PHONY: demo
demo:
	@tests/setup.sh demo
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@KEEP=$(KEEP) tests/demo.sh

.PHONY: test
test:
	@tests/run.sh

.PHONY: lint
lint:
	@tests/lint.sh

# ---- the benchmark: tallyd compared with other programs, as ratios; JSON and a plot in $(BUILD)/bench ----
BENCH_BIN := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
BENCH_BIN := $(filter-out $(BUILD)/bench/malloc_count,$(BENCH_BIN))

$(BUILD)/bench/call_cost: LDLIBS = $(BUILD)/libtally.so.$(SOVERSION)
$(BUILD)/bench/query_floor: LDLIBS = $(shell $(PKG_CONFIG) --libs libcurl)
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/libtally.so.$(SOVERSION)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LDLIBS)

.PHONY: bench-programs
bench-programs: need-libraries $(BENCH_BIN)

.PHONY: bench
bench:
	@tests/setup.sh bench
	@$(MAKE) --no-print-directory -j$$(nproc) all bench-programs
	@TALLY_BUILD=$(BUILD) BEFORE=$(BEFORE) /usr/bin/python3 -m tests.bench $(SUITES)

# The cost of a count as numbers: pages, calls, connections, system calls, allocations.
.PHONY: numbers
numbers:
	@tests/setup.sh test
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@/usr/bin/python3 -m pytest -q -s -n0 -p no:cacheprovider tests/integration/test_numbers.py

.PHONY: check-deep
check-deep:
	@tests/deep.sh

include deploy/debian.mk deploy/image.mk deploy/systemd.mk

# Without it programs find libtally only after the next ldconfig. It may fail: a user who installs
# below his own folder sets LD_LIBRARY_PATH.
refresh_libraries = [ -n "$(DESTDIR)" ] || PATH="$$PATH:/usr/sbin:/sbin" ldconfig 2>/dev/null || :

# Each function of the library has a manual page, which is libtally(3).
LIBTALLY_PAGES := $(shell sed -n 's/^ *\(tally_[a-z_]*\);$$/\1.3/p' client/tally.map)

.PHONY: install
install: all
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig \
	  $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 755 $(BUILD)/tallyd $(DESTDIR)$(SBINDIR)/tallyd
	$(INSTALL) -m 755 $(BUILD)/tally-bridge $(DESTDIR)$(SBINDIR)/tally-bridge
	$(INSTALL) -m 755 $(BUILD)/tally $(DESTDIR)$(BINDIR)/tally
	$(INSTALL) -m 755 deploy/kubectl-tally $(DESTDIR)$(BINDIR)/kubectl-tally
	$(INSTALL) -m 644 $(BUILD)/libtally.a $(DESTDIR)$(LIBDIR)/libtally.a
	$(INSTALL) -m 755 $(BUILD)/libtally.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libtally.so.$(SOVERSION)
	ln -sf libtally.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libtally.so
	$(INSTALL) -m 644 client/tally.h $(DESTDIR)$(INCLUDEDIR)/tally.h
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' \
	  client/tally.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/tally.pc
	for page in $(wildcard deploy/man/*.[1-8]); do \
	  section=$${page##*.}; $(INSTALL) -D -m 644 $$page \
	  $(DESTDIR)$(MANDIR)/man$$section/$$(basename $$page) || exit 1; done
	for page in $(LIBTALLY_PAGES); do \
	  echo '.so man3/libtally.3' >$(DESTDIR)$(MANDIR)/man3/$$page || exit 1; done
	$(INSTALL) -D -m 644 deploy/completions/tally.bash $(DESTDIR)$(BASHCOMPDIR)/tally
	$(INSTALL) -D -m 644 deploy/completions/_tally $(DESTDIR)$(ZSHCOMPDIR)/_tally
	$(INSTALL) -D -m 644 deploy/completions/tally-bridge.bash $(DESTDIR)$(BASHCOMPDIR)/tally-bridge
	$(INSTALL) -D -m 644 deploy/completions/_tally-bridge $(DESTDIR)$(ZSHCOMPDIR)/_tally-bridge
	$(Q)$(refresh_libraries)

.PHONY: remove-files
remove-files:
	rm -f $(DESTDIR)$(SBINDIR)/tallyd $(DESTDIR)$(SBINDIR)/tally-bridge \
	  $(DESTDIR)$(BINDIR)/tally $(DESTDIR)$(BINDIR)/kubectl-tally $(DESTDIR)$(LIBDIR)/libtally.a \
	  $(DESTDIR)$(LIBDIR)/libtally.so $(DESTDIR)$(LIBDIR)/libtally.so.$(SOVERSION) \
	  $(DESTDIR)$(INCLUDEDIR)/tally.h $(DESTDIR)$(LIBDIR)/pkgconfig/tally.pc \
	  $(addprefix $(DESTDIR)$(BASHCOMPDIR)/,tally tally-bridge) \
	  $(addprefix $(DESTDIR)$(ZSHCOMPDIR)/,_tally _tally-bridge) \
	  $(addprefix $(DESTDIR)$(MANDIR)/man3/,$(LIBTALLY_PAGES)) \
	  $(foreach page,$(wildcard deploy/man/*.[1-8]),$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page)))

# Folders below the standard ones of a prefix are removed, too, unless they hold other files.
OWN_FOLDERS += $(LIBDIR)/pkgconfig $(addprefix $(MANDIR)/man,1 2 3 4 5 6 7 8) \
  $(BASHCOMPDIR) $(dir $(BASHCOMPDIR)) $(ZSHCOMPDIR) $(dir $(ZSHCOMPDIR))

.PHONY: uninstall
uninstall: remove-files
	@for folder in $(addprefix $(DESTDIR),$(OWN_FOLDERS)); do \
	  [ ! -d "$$folder" ] || rmdir --ignore-fail-on-non-empty "$$folder" || exit 1; done
	$(Q)$(refresh_libraries)

.PHONY: help
help:
	@echo "make            build tallyd, tally, tally-bridge and libtally below $(BUILD)/"
	@echo "make ARCH=arm64 the same for arm64, below build/arm64 (make deps ARCH=arm64 first)"
	@echo "make demo       install what is needed, and show the main job (KEEP=1: leave it up)"
	@echo "make test       install what is needed, and run every test"
	@echo "make check-deep the long checks: valgrind, gcc -fanalyzer, ..."
	@echo "make soak       load, faults and rotation on one agent for MINUTES=5"
	@echo "make soak-bridge  the same for tally-bridge, with restarts of tallyd"
	@echo "make torture    fail every allocation of the programs, one in each run"
	@echo "make bench      tallyd beside a floor, redis, memcached, the Go SDK, boto3 (SUITES=socket: one)"
	@echo "make numbers    what the main job costs: pages, calls, connections, system calls"
	@echo "make fuzz       fuzz every parser for TIME=60 seconds each"
	@echo "make check      unit tests, formatting, includes: in less than a minute"
	@echo "make unit       the unit tests alone"
	@echo "make lint       formatting, static analysis, directions of includes"
	@echo "make format     format all C files"
	@echo "make deps       install the Debian packages that the build needs"
	@echo "make image      the container image, TLS=bearssl (small) or TLS=openssl"
	@echo "make deb        Debian packages of the agent, the command and the library"
	@echo "make image-index  the image for amd64 and arm64 under one name"
	@echo "make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); also: make uninstall"
	@echo "make clean      remove $(BUILD)/"

.PHONY: deps
deps:
	@tests/setup.sh $(if $(SYSROOT),cross $(ARCH) $(SYSROOT),build)

.PHONY: format
format:
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

.PHONY: clean
clean:
	rm -rf $(BUILD)
