#!/usr/bin/env bash
# Builds both images and holds them to what they promise. Takes half an hour; part of
# `make check-deep`. As root: it runs containers.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
unset MAKEFLAGS MAKELEVEL

tests/setup.sh test || exit 1
tests/setup.sh pods || exit 1
# shellcheck source=tests/steps.sh
. tests/steps.sh

python_tests=(/usr/bin/python3 -m pytest -q --tb=short -W ignore)

# What is not the image's: libtally as Debian's compiler makes it, and, in a static program, a
# library that is preloaded.
not_the_image=(--ignore tests/integration/test_library.py
  --deselect tests/integration/test_lifecycle.py::test_clients_notice_no_restart
  --deselect tests/integration/test_sandbox.py::test_an_intruder_gets_nowhere
  --deselect tests/integration/test_sandbox.py::test_without_the_filter_an_intruder_gets_somewhere)

# What deploy/image/README.md says the small one does not do: look at the purposes that a certificate
# names, and forget the last record of a connection that is still open.
bad_certificate=tests/integration/test_tls.py::test_a_bad_certificate_is_refused_at_once_and_not_tried_again
traded=(--deselect "${bad_certificate}[client-usage-DYNAMODB]"
  --deselect "${bad_certificate}[client-usage-STS]"
  --deselect "tests/integration/test_secrets_memory.py::test_what_is_in_use_is_there_once[by TLS]")

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
  step "image $flavour" "${make[@]}" image "TLS=$flavour"
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
