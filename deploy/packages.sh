#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian packages: `make deb`.
#
#   deploy/packages.sh VERSION OUT
#
# Lays the tree out below OUT as a source package, with deploy/debian as its debian/, and makes OUT/*.deb
# and the source package. The unit tests run, unless DEB_BUILD_OPTIONS has nocheck.
set -euo pipefail
cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL

version=$1 out=$2
umask 022
rm -rf "$out"
tree=$out/tally-$version
mkdir -p "$tree"
git ls-files -z -co --exclude-standard -- ':!deploy/debian' | while IFS= read -r -d '' file; do
  [ ! -e "$file" ] || printf '%s\0' "$file" # deleted, and not yet committed
done | xargs -0 cp -a --parents -t "$tree"
cp -r deploy/debian "$tree/debian"
# The time of the commit, so that the same commit makes the same packages.
{
  printf 'tally (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n' "$version"
  printf ' -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' "$tree/debian/control")" \
    "$(TZ=UTC LC_ALL=C date -R -d "@$(git log -1 --format=%ct)")"
} >"$tree/debian/changelog"
if ! (cd "$tree" && dpkg-buildpackage -us -uc) >"$out/build.log" 2>&1; then
  tail -n 40 "$out/build.log" >&2
  exit 1
fi
for deb in "$out"/*.deb; do
  [[ $deb == *-dbgsym_* ]] || printf 'deb: %s\n' "$deb"
done
