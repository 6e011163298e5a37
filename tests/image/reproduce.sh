#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the images and their libraries a second time, from a copy of this tree in another folder, and
# compares: the same inputs must give the same digest. Fetches nothing.
#
#   tests/image/reproduce.sh bearssl|openssl...
set -euo pipefail
cd "$(dirname "$0")/../.."

elsewhere=$(mktemp -d /tmp/tally-reproduce-XXXXXX)
trap 'rm -rf "$elsewhere"' EXIT
mkdir -p "$elsewhere/tree"
git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t "$elsewhere/tree" 2>/dev/null || true
for flavour in bearssl openssl; do
  mkdir -p "$elsewhere/tree/.deps/image/$flavour"
  [ ! -d ".deps/image/$flavour/debian" ] ||
    cp -a ".deps/image/$flavour/debian" "$elsewhere/tree/.deps/image/$flavour/"
done

for flavour; do
  version=$(sed -n 's/^VERSION := //p' Makefile)
  deploy/image/build.sh "$flavour" "$version" "build/image/$flavour" >/dev/null
  (export REVISION && REVISION=$(cat "build/image/$flavour/revision") &&
    cd "$elsewhere/tree" && umask 077 && TZ=Asia/Tokyo deploy/image/build.sh "$flavour" "$version" \
    out >/dev/null)
  for what in digest image.tar; do
    if ! cmp "build/image/$flavour/$what" "$elsewhere/tree/out/$what"; then
      echo "reproduce: the $flavour image differs" >&2
      diff -rq "build/image/$flavour/root" "$elsewhere/tree/out/root" >&2 || true
      exit 1
    fi
  done
  echo "reproduce: $flavour $(cat "build/image/$flavour/digest") twice"
done
