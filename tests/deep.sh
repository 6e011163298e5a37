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

step "build with gcc" "${make[@]}" WERROR=1 BUILD=build all unit-programs helpers
step "gcc -fanalyzer" analyzer
step "unit tests under valgrind" unit_memcheck
step "integration tests under valgrind" integration_memcheck
step "attacks, long and sanitized" long_attacks
step "torture: failing allocations" "${make[@]}" torture
step "the units under systemd" tests/systemd.sh
tests/image/run.sh
step "fuzzing" "${make[@]}" fuzz TIME="${FUZZ:-60}"
steps_finish
