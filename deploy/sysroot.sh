#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks Debian packages of another architecture, with all that they depend on, into a folder that
# a compiler takes as --sysroot and qemu as -L. Nothing is installed: adding the architecture to a
# machine would upgrade packages of its own.
#
#   deploy/sysroot.sh ARCHITECTURE DIR PACKAGE...      (make deps ARCH=arm64)
#
# What was fetched stays until the list of packages changes, or UPDATE=1 asks for newer versions.
# DIR/packages lists them with their versions.
set -euo pipefail

architecture=$1 dir=$2
shift 2
wanted="$architecture $*"
if [ -z "${UPDATE:-}" ] && [ "$(cat "$dir/wanted" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi
# shellcheck disable=SC2034 # apt.sh uses it
apt_says=sysroot
# shellcheck source=deploy/apt.sh
. "$(dirname "$0")/apt.sh"

rm -rf "$dir"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
echo "sysroot: fetching packages of $architecture: $*"
apt_open "$dir/apt" "$architecture" deb
quietly apt-get -q -y --no-install-recommends --download-only install "$@" || fail "cannot download: $*"
for deb in "$apt"/cache/archives/*.deb; do
  dpkg-deb -x "$deb" "$dir"
  printf '%s %s\n' "$(dpkg-deb -f "$deb" Package)" "$(dpkg-deb -f "$deb" Version)" >>"$dir/packages"
done
apt_close
# Links from the root would lead into the machine's own folders.
find "$dir" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
  ln -sfnr "$dir$(readlink "$link")" "$link"
done
printf '%s' "$wanted" >"$dir/wanted"
echo "sysroot: $(wc -l <"$dir/packages") packages in $dir"
