#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The checks that take too long for every change: `make check-deep`, before a larger change lands.
# FUZZ=seconds for each fuzz target (60).
set -uo pipefail
cd "$(dirname "$0")/.." || exit
unset MAKEFLAGS MAKELEVEL

tests/setup.sh deep || exit 1
export TALLY_LOGS=${TALLY_LOGS:-build/logs/deep}
# shellcheck source=tests/steps.sh
. tests/steps.sh

make=(make --no-print-directory -j"$(nproc)")
memcheck="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,possible
  --errors-for-leak-kinds=definite,possible --suppressions=$PWD/tests/valgrind.supp"

# Warnings of gcc's analyzer that tests/analyzer.known does not list.
analyzer() {
  rm -rf build/analyzer # gcc warns only about files that it compiles
  "${make[@]}" BUILD=build/analyzer CFLAGS='-O1 -g -fanalyzer -Wno-analyzer-malloc-leak' \
    all >build/analyzer.log 2>&1 || {
    tail -n 20 build/analyzer.log
    return 1
  }
  sed -nE 's/^([^:]+):[0-9]+:[0-9]+: warning: .*\[(-Wanalyzer-[a-z-]+)\]$/\1 \2/p' \
    build/analyzer.log | sort -u |
    grep -vxF -f <(sed -e "/^#/d" -e "s/  .*//" tests/analyzer.known) && return 1
  return 0
}

unit_memcheck() { TALLY_WRAP=$memcheck tests/unit.sh build; }

integration_memcheck() {
  local skipped
  mapfile -t skipped < <(sed -e '/^#/d' -e 's/  .*//' -e 's/^/--ignore=/' tests/valgrind.skipped)
  TALLY_BUILD=build TALLY_WRAP=$memcheck /usr/bin/python3 -m pytest -q --tb=short --reruns 1 \
    -n "$(nproc)" -m "not timing" "${skipped[@]}" tests/integration
}

# The attacks of `make test` with more cases (tests that read TALLY_LONG).
long_attacks() {
  "${make[@]}" BUILD=build/sanitized SANITIZE=address,undefined all helpers &&
    TALLY_LONG=1 TALLY_BUILD=build/sanitized /usr/bin/python3 -m pytest -q --tb=short --reruns 1 \
      -n "$(nproc)" tests/integration -k attack
}

# make test has no rustc.
rust_example() {
  "${make[@]}" BUILD=build all &&
    TALLY_BUILD=build /usr/bin/python3 -m pytest -q --tb=short tests/integration/test_examples.py -k count.rs
}

arm64_build() {
  "${make[@]}" deps ARCH=arm64 && "${make[@]}" WERROR=1 ARCH=arm64 all unit-programs helpers
}
arm64_unit() { TALLY_WRAP="qemu-aarch64 -L $PWD/.deps/sysroot/arm64" tests/unit.sh build/arm64; }
# With its filter of system calls, which qemu-aarch64 does not have, on Debian's kernel.
arm64_machine() {
  tests/setup.sh machine &&
    TALLY_BUILD=build/arm64 /usr/bin/python3 -m pytest -q --tb=short tests/arm64
}

step "build with gcc" "${make[@]}" WERROR=1 BUILD=build all unit-programs helpers
step "gcc -fanalyzer" analyzer
tests/lint.sh
step "unit tests under valgrind" unit_memcheck
step "integration tests under valgrind" integration_memcheck
step "attacks, long and sanitized" long_attacks
step "the example in Rust" rust_example
step "torture: failing allocations" "${make[@]}" torture
step "the model of a fleet" /usr/bin/python3 -m pytest -q --tb=short tests/bench
step "the units under systemd" tests/systemd.sh
step "Debian packages in a minimal Debian" tests/debs.sh
step "arm64: build" arm64_build
step "arm64: unit tests under qemu" arm64_unit
step "arm64: tallyd on an arm64 kernel" arm64_machine
tests/image/run.sh
step "fuzzing" "${make[@]}" fuzz TIME="${FUZZ:-60}"
steps_finish
