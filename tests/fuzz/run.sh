#!/usr/bin/env bash
# Fuzzes: tests/fuzz/run.sh SECONDS NAME... (make fuzz). Starts from the committed seeds and from
# what earlier runs found (build/fuzzing/corpus). An input that fails is left in build/fuzzing and
# becomes a seed when its cause is cured.
set -euo pipefail
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MAKELEVEL

seconds=$1
shift
out=build/fuzzing
sanitizers=address,undefined

objects=()
for name in "$@"; do objects+=("$out/obj/tests/fuzz/fuzz_$name.o"); done
for fake in tests/fake/*.c; do objects+=("$out/obj/${fake%.c}.o"); done
make --no-print-directory -j"$(nproc)" BUILD="$out" CC=clang \
  CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,$sanitizers -fno-sanitize-recover=all" \
  "$out/libagent.a" "${objects[@]}"

export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
read -ra libraries < <(pkg-config --libs libcurl libuv yaml-0.1 jansson expat msgpack)
for name in "$@"; do
  clang -fsanitize="fuzzer,$sanitizers" -o "$out/$name" "$out/obj/tests/fuzz/fuzz_$name.o" \
    "$out"/obj/tests/fake/*.o "$out/libagent.a" -l:libbearssl.a "${libraries[@]}" -lm
  mkdir -p "$out/corpus/$name"
  printf 'fuzz: %s for %s s\n' "$name" "$seconds"
  # One input may take 10 s and 1 GB: more is a failure too.
  "$out/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$out/$name-" \
    "$out/corpus/$name" "tests/fuzz/seeds/$name" 2>&1 |
    sed -e '/ dictionary\. ###/d' -e '/^"/d' || {
    printf 'fuzz: %s failed; the input is the newest %s-*\n' "$name" "$out/$name" >&2
    exit 1
  }
done
