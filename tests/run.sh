#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs all tests, on a fresh Debian 12 or in an existing checkout: `make test`. The last line is
# "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# The calling make must not pass its flags to the calls of make below.
unset MAKEFLAGS MAKELEVEL

tests/setup.sh test || exit 1
tests/setup.sh manifests || exit 1
# shellcheck source=tests/steps.sh
. tests/steps.sh

# The integration tests inspect processes as root, change file owners and use other users' ids, so a
# user runs them through sudo. No file in the tree becomes owned by root.
privileged=()
if [ "$(id -u)" -ne 0 ]; then
  privileged=(sudo -n env "PATH=$PATH" "HOME=$HOME" PYTHONDONTWRITEBYTECODE=1
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$PWD")
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || sudo -v; }; then
    # Keeps sudo's password valid until the end.
    (while sleep 50 && kill -0 $$ 2>/dev/null; do sudo -n -v 2>/dev/null; done) &
  else
    privileged=(no_root)
  fi
fi

# Replaces the tests that need root: prints their number, and why they are skipped.
no_root() {
  local count
  count=$(/usr/bin/python3 -m pytest -q --collect-only "${@: -1}" 2>/dev/null | grep -c '::')
  echo "SKIPPED [$count] ${*: -1}: needs root or sudo"
  echo "0 passed, $count skipped"
}

plain=build clang=build/clang sanitized=build/sanitized
make=(make --no-print-directory -j"$(nproc)" WERROR=1)
make_sanitized=("${make[@]}" BUILD="$sanitized" "SANITIZE=address,undefined")
# The tests mostly wait, so several run at a time, each process with its own gateway. A failed test is
# run once more, because a deadline may pass on a busy machine, and is reported as "rerun". A test that
# hangs fails after five minutes (pytest-timeout), with a traceback that shows where.
python_tests=(/usr/bin/python3 -m pytest -q -rs -p no:cacheprovider --tb=short --reruns 1 --timeout 300
  -n "$((3 * $(nproc)))")

step "build with gcc" "${make[@]}" BUILD="$plain" all unit-programs helpers
step "build with clang" "${make[@]}" BUILD="$clang" CC=clang all unit-programs helpers \
  fuzz-programs
step "build with sanitizers" "${make_sanitized[@]}" all unit-programs helpers
step "unit tests" tests/unit.sh "$plain"
step "unit tests, sanitized" tests/unit.sh "$sanitized"
step "fuzz seeds, sanitized" "${make_sanitized[@]}" fuzz-replay
step "the gateway says no" /usr/bin/python3 -m pytest -q --tb=short tests/gateway
step "integration tests" "${privileged[@]}" env TALLY_BUILD="$plain" "${python_tests[@]}" tests/integration
# Without what tries other languages, other programs, or every fault once more.
step "integration tests, sanitized" "${privileged[@]}" env TALLY_BUILD="$sanitized" "${python_tests[@]}" \
  --ignore tests/integration/test_bridge_clients.py --ignore tests/integration/test_bridge_prometheus.py \
  --ignore tests/integration/test_foreign_clients.py --ignore tests/integration/test_examples.py \
  -k 'not (every_fault_at or each_fault_is_reported or killed_agent or stopped_agent or renews_its_lease or 200_agents)' \
  tests/integration
step "slow and silent networks" "${privileged[@]}" env TALLY_BUILD="$plain" "${python_tests[@]}" \
  tests/image/test_network.py
step "manifests: schemas and types" node tests/manifests/check.mjs .deps/manifests \
  deploy/kubernetes/*/kustomization.yaml deploy/kubernetes/bridge/keda-*.yaml
step "manifests, units, installation" "${privileged[@]}" env TALLY_BUILD="$plain" "${python_tests[@]}" \
  --dist loadfile tests/manifests tests/deploy
TALLY_TIDY=programs tests/lint.sh
steps_finish
