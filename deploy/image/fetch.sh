#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the inputs of the image: Debian packages and Debian source packages, in Debian's current
# versions, including security updates. The script installs nothing; it reads the machine's apt
# configuration and does not change it.
#
#   deploy/image/fetch.sh DIR "BINARY-PACKAGE..." "SOURCE:BINARY..."
#
# SOURCE:BINARY is a source package with a binary package that Debian builds from it: a source
# older than that binary lacks Debian's newest patches, and is refused. Creates DIR/sysroot (the
# binary packages, unpacked), DIR/src/SOURCE (patched) and DIR/inputs (a line for each: kind and
# name, version, checksum). All of it stays until UPDATE=1 requests newer versions.
set -euo pipefail

dir=$1
read -ra packages <<<"$2"
read -ra sources <<<"$3"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

say() { printf 'fetch: %s\n' "$*"; }

fail() {
  printf 'fetch: %s\n' "$*" >&2
  exit 1
}

wanted="${packages[*]} ${sources[*]}"
if [ -z "${UPDATE:-}" ] && [ "$(cat "$dir/wanted" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi

# ---- separate apt directories ---------------------------------------------------------------
# Of the machine's apt sources only Debian's own are used, each with deb-src. The release comes
# first: if several sources have a version, apt takes it from the first, and not every mirror of the
# security archive has source packages.
apt=$dir/apt
rm -rf "$apt" "$dir/sysroot" "$dir/src" "$dir/debs" "$dir/inputs" "$dir/wanted"
mkdir -p "$apt"/{lists/partial,cache/archives/partial,parts} "$dir/debs" "$dir/src" "$dir/sysroot"
: >"$apt/status"
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$codename" = bookworm ] ||
  fail "the image is built on Debian 12 (bookworm), for whose curl the patches are; this is '$codename'"
# shellcheck disable=SC2016 # apt expands it
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  sort -u -k 2,2 -k 1,1 | awk -v codename="$codename" '
    $2 ~ "^" codename "(-updates|-security)?$" && $3 == "main" {
      print "deb", $1, $2, $3
      print "deb-src", $1, $2, $3
    }' >"$apt/sources.list"
for release in "$codename" "$codename-security"; do
  grep -q " $release main$" "$apt/sources.list" ||
    fail "apt has no source for $release; see sources.list(5)"
done
cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
APT::Get::Only-Source "true";
Acquire::Languages "none";
CONF
export APT_CONFIG=$apt/apt.conf

# Runs a command quietly; prints its output only if it fails.
quietly() {
  if ! "$@" >"$apt/log" 2>&1; then
    tail -n 20 "$apt/log" >&2
    return 1
  fi
}

say "reading Debian's package lists"
quietly apt-get -q update || fail "apt-get update failed"

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
rm -rf "$apt"
printf '%s' "$wanted" >"$dir/wanted"
