#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes: tests/fuzz/run.sh SECONDS NAME... (make fuzz). Starts from the committed seeds and the
# corpus of earlier runs (build/fuzzing/corpus). A failing input is stored in build/fuzzing, and
# becomes a seed when its cause is fixed.
set -euo pipefail
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MAKELEVEL

seconds=$1
shift
out=build/fuzzing
make --no-print-directory -j"$(nproc)" BUILD="$out" CC=clang \
  SANITIZE=fuzzer-no-link,address,undefined "${@/#/$out/fuzz/}"

export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
for name in "$@"; do
  mkdir -p "$out/corpus/$name"
  printf 'fuzz: %s for %s s\n' "$name" "$seconds"
  # One input may take 10 s and 1 GB; more is a failure, too.
  "$out/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$out/$name-" \
    "$out/corpus/$name" "tests/fuzz/seeds/$name" 2>&1 |
    sed -e '/ dictionary\. ###/d' -e '/^"/d' || {
    printf 'fuzz: %s failed; the input is the newest %s-*\n' "$name" "$out/$name" >&2
    exit 1
  }
done
