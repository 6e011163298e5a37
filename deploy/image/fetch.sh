#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the inputs of the image: Debian packages and Debian source packages, in Debian's current
# versions, including security updates. The script installs nothing; it reads the machine's apt
# configuration and does not change it.
#
#   deploy/image/fetch.sh ARCHITECTURE DIR "BINARY-PACKAGE..." "SOURCE:BINARY..."
#
# SOURCE:BINARY is a source package with a binary package that Debian builds from it: a source
# older than that binary lacks Debian's newest patches, and is refused. Creates DIR/sysroot (the
# binary packages, unpacked), DIR/src/SOURCE (patched) and DIR/inputs (a line for each: kind and
# name, version, checksum). All of it stays until UPDATE=1 requests newer versions.
set -euo pipefail

architecture=$1 dir=$2
read -ra packages <<<"$3"
read -ra sources <<<"$4"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

say() { printf 'fetch: %s\n' "$*"; }

# shellcheck disable=SC2034 # apt.sh uses it
apt_says=fetch
# shellcheck source=deploy/apt.sh
. "$(dirname "$0")/../apt.sh"

wanted="$architecture ${packages[*]} ${sources[*]}"
if [ -z "${UPDATE:-}" ] && [ "$(cat "$dir/wanted" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi

rm -rf "$dir"/{apt,sysroot,src,debs,inputs,wanted}
mkdir -p "$dir"/{debs,src,sysroot}
say "reading Debian's package lists"
apt_open "$dir/apt" "$architecture" deb deb-src

# ---- binary packages ------------------------------------------------------------------------
for package in "${packages[@]}"; do
  say "$package"
  (cd "$dir/debs" && quietly apt-get -q download "$package") || fail "cannot download $package"
done
for deb in "$dir"/debs/*.deb; do
  dpkg-deb -x "$deb" "$dir/sysroot"
  printf 'deb %s %s %s\n' "$(dpkg-deb -f "$deb" Package)" "$(dpkg-deb -f "$deb" Version)" \
    "$(sha256sum <"$deb" | cut -d ' ' -f 1)" >>"$dir/inputs"
done

# ---- source packages ------------------------------------------------------------------------
# The Source field is "name (version)" if the version differs from the binary's.
source_version() {
  apt-cache show --no-all-versions "$1" |
    awk '$1 == "Version:" { version = $2 } $1 == "Source:" && $3 { version = substr($3, 2, length($3) - 2) }
      END { print version }'
}

for pair in "${sources[@]}"; do
  source=${pair%%:*} version=$(source_version "${pair##*:}")
  say "$source $version (source)"
  (cd "$dir/src" && quietly apt-get -q source --download-only "$source=$version") ||
    fail "the source of $source $version, which has Debian's patches, cannot be had; an older one is not built"
  dsc=$(printf '%s\n' "$dir/src/${source}"_*.dsc)
  quietly dpkg-source -x "$dsc" "$dir/src/$source" || fail "cannot unpack $dsc"
  printf 'dsc %s %s %s\n' "$source" "$version" "$(sha256sum <"$dsc" | cut -d ' ' -f 1)" >>"$dir/inputs"
done
apt_close
printf '%s' "$wanted" >"$dir/wanted"
