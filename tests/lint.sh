#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Static checks.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# shellcheck source=tests/steps.sh
. tests/steps.sh

mapfile -t c_files < <(git ls-files -co --exclude-standard '*.c' '*.h' | sort -u)
mapfile -t c_sources < <(printf '%s\n' "${c_files[@]}" | grep '\.c$')
mapfile -t shell_files < <(git ls-files -co --exclude-standard '*.sh' .ci/run deploy/kubectl-tally \
  deploy/debian/tallyd.postrm \
  'deploy/debian/tests/*' ':!deploy/debian/tests/control' | sort -u)
mapfile -t python_files < <(git ls-files -co --exclude-standard '*.py' | sort -u)
jobs=$(nproc)

each() { printf '%s\0' "$@"; }

# An example includes it.
GLIB_CFLAGS=$(pkg-config --cflags glib-2.0)
export GLIB_CFLAGS

# One file for each process, because the run times differ. TALLY_TIDY=programs leaves out the tests,
# which are half of the files (make test; make lint and make check-deep read all).
tidied=("${c_sources[@]}")
if [ "${TALLY_TIDY:-}" = programs ]; then
  mapfile -t tidied < <(printf '%s\n' "${c_sources[@]}" | grep -v '^tests/')
fi
# shellcheck disable=SC2016 # the inner shell expands it
tidy() {
  each "${tidied[@]}" | xargs -0 -n 1 -P "$jobs" sh -c \
    'printf . >>"$STEP_PROGRESS"
    clang-tidy --quiet "$1" -- -std=c11 -D_GNU_SOURCE -DTALLY_VERSION="\"0\"" -I. -Iclient $GLIB_CFLAGS 2>&1 |
      grep -vE "^[0-9]+ warnings? (generated|treated)|^Suppressed |^Use -header-filter" |
      grep . && exit 1; exit 0' _
}

# unknownEvaluationOrder mistakes two compound literals among arguments for side effects.
cpp_check() {
  cppcheck -q -j "$jobs" --std=c11 --language=c --enable=warning,performance,portability \
    --inline-suppr --suppress=unknownEvaluationOrder --error-exitcode=1 -D_GNU_SOURCE -I. \
    "${c_sources[@]}"
}

compile_python() {
  /usr/bin/python3 -c '
import sys
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        compile(file.read(), name, "exec")' "${python_files[@]}"
}

# Each source has its licence line; the examples are free to copy without one.
licence_lines() {
  local missing
  missing=$(each "${c_files[@]}" "${shell_files[@]}" "${python_files[@]}" Makefile |
    xargs -0 grep -L '^[/#].*SPDX-License-Identifier: Apache-2.0' | grep -v '^client/examples/')
  [ -z "$missing" ] || { printf 'no SPDX-License-Identifier:\n%s\n' "$missing"; return 1; }
}

step "lint: clang-format" clang-format --dry-run -Werror "${c_files[@]}"
step "lint: licence lines" licence_lines
step "lint: directions of includes" /usr/bin/python3 tests/includes.py
step "lint: banned functions" /usr/bin/python3 tests/banned.py
step "lint: declarations" /usr/bin/python3 tests/declarations.py
step "lint: vectors of the protocol" /usr/bin/python3 tests/vectors.py
step "lint: one version" /usr/bin/python3 tests/versions.py
step "lint: shellcheck" shellcheck -x "${shell_files[@]}"
step "lint: python compiles" compile_python
step "lint: cppcheck" cpp_check
step "lint: clang-tidy" tidy
steps_finish
