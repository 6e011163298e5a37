#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the unit tests of a build, several at a time: tests/unit.sh BUILD
# TALLY_WRAP: a command that runs each program, such as valgrind.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

build=$1
export limit=60
[ -z "${TALLY_WRAP:-}" ] || limit=600
export UBSAN_OPTIONS=print_stacktrace=1

# A program passes if it exits with status 0 and prints its result: a crash or an early exit fails.
run_one() {
  local program=$1 output status=0
  # shellcheck disable=SC2086 # words are wanted
  output=$(timeout "$limit" ${TALLY_WRAP:-} "$program" 2>&1 </dev/null) || status=$?
  if [ "$status" -eq 0 ] && [[ ${output##*$'\n'} =~ ^([0-9]+)\ passed$ ]]; then
    printf 'ok %s\n' "${BASH_REMATCH[1]}"
  else
    printf '%s: exit %s\n%s\nnot-ok\n' "$program" "$status" "$(tail -n 25 <<<"$output")"
  fi
}
export -f run_one

# shellcheck disable=SC2016 # the inner shell expands it
# Only programs whose source exists; an old build folder may contain others.
for source in tests/unit/test_*.c; do
  printf '%s\0' "$build/unit/$(basename "$source" .c)"
done | xargs -0 -n 1 -P "$(nproc)" bash -c 'run_one "$1"' _ |
  awk '/^ok / { passed += $2; next } /^not-ok$/ { failed++; next } { print }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }'
