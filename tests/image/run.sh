#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and tests both images. Takes half an hour; part of `make check-deep`. Needs root, because it
# runs containers.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
unset MAKEFLAGS MAKELEVEL

tests/setup.sh test || exit 1
tests/setup.sh pods || exit 1
tests/setup.sh machine || exit 1
# shellcheck source=tests/steps.sh
. tests/steps.sh

python_tests=(/usr/bin/python3 -m pytest -q --tb=short -W ignore)

# pytest's test names are relative to tests/, where pytest.ini is.

# Tests that do not apply to the image: libtally built by Debian's compiler, the instruction count of
# an -O2 build, and LD_PRELOAD, which a static program ignores.
not_the_image=(--ignore tests/integration/test_library.py
  --ignore tests/integration/test_sleep.py -k "not count.c"
  --deselect integration/test_lifecycle.py::test_clients_notice_no_restart
  --deselect integration/test_hot_path.py::test_a_cached_answer_takes_few_instructions
  --deselect integration/test_numbers.py::test_a_cached_answer_allocates_nothing
  --deselect integration/test_numbers.py::test_a_page_after_another_allocates_nothing
  --deselect integration/test_sandbox.py::test_an_intruder_gets_nowhere
  --deselect integration/test_sandbox.py::test_no_alarm_advises_to_do_without_the_filter
  --deselect integration/test_sandbox.py::test_without_the_filter_an_intruder_gets_somewhere)
# The tally-bridge of both images has no TLS.
not_the_image+=(--ignore tests/integration/test_bridge_tls.py
  --deselect 'integration/test_bridge.py::test_bad_usage_ends_with_2[arguments9-/nowhere]'
  --deselect integration/test_bridge_clients.py::test_keda_has_a_certificate
  --deselect integration/test_bridge_clients.py::test_curl_over_tls
  --deselect integration/test_bridge_prometheus.py::test_prometheus_over_mutual_tls)

# The small flavour does not check extended key usage (deploy/image/README.md), and in TLS 1.2 the
# server itself refuses to use one of the certificates.
traded=()
for kind in client-usage key-usage; do
  for service in DynamoDB STS container; do
    traded+=(--deselect
      "integration/test_tls.py::test_a_bad_certificate_is_refused_at_once_and_not_tried_again[$kind-$service]")
  done
done

own_tests() {
  case $1 in
    bearssl) echo tests/image ;;
    openssl) echo tests/image --ignore tests/image/test_trust.py ;;
  esac
}

make=(make --no-print-directory)
step "build Debian's way" "${make[@]}" -j"$(nproc)" all
for flavour in bearssl openssl; do
  out=build/image/$flavour
  step "image $flavour, for both architectures" "${make[@]}" image-index "TLS=$flavour"
  step "image $flavour: the arm64 one" env "TALLY_BUILD=build/arm64/image/$flavour" \
    "${python_tests[@]}" tests/image/test_image.py tests/arm64
  step "image $flavour: tests' helpers" deploy/image/make.sh "$flavour" "$out" helpers
  # shellcheck disable=SC2046 # several words
  step "image $flavour: what it promises" env "TALLY_BUILD=$out" "${python_tests[@]}" \
    $(own_tests "$flavour")
  deselected=("${not_the_image[@]}")
  [ "$flavour" = openssl ] || deselected+=("${traded[@]}")
  step "image $flavour: integration tests" env "TALLY_BUILD=$out" "${python_tests[@]}" \
    -n "$(nproc)" "${deselected[@]}" tests/integration
done
step "images are made twice the same" tests/image/reproduce.sh bearssl openssl
step "sizes" tests/image/sizes.py
steps_finish
