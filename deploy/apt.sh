# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by sysroot.sh and image/fetch.sh: an apt of its own, for whichever architecture, of Debian's
# archive as this machine has it. Nothing is installed; the machine's apt is read, not changed.

fail() {
  printf '%s: %s\n' "${apt_says:-apt}" "$*" >&2
  exit 1
}

# Runs a command quietly; its output matters only when it fails.
quietly() {
  if ! "$@" >"$apt/log" 2>&1; then
    tail -n 20 "$apt/log" >&2
    return 1
  fi
}

# apt_open DIR ARCHITECTURE KIND...: makes DIR, whose path is $apt, and reads the lists. KIND is deb or
# deb-src.
apt_open() {
  local architecture=$2 codename release kinds
  apt=$1
  shift 2
  kinds=$*
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,parts}
  : >"$apt/status"
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ "$codename" = bookworm ] ||
    fail "needs Debian 12 (bookworm), for whose packages it is written; this is '$codename'"
  # Of the machine's sources only Debian's own. The release stands first: apt takes a version that
  # several have from the first, and not every mirror of the security archive keeps sources.
  # shellcheck disable=SC2016 # apt expands it
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    sort -u -k 2,2 -k 1,1 | awk -v codename="$codename" -v kinds="$kinds" '
      $2 ~ "^" codename "(-updates|-security)?$" && $3 == "main" {
        n = split(kinds, kind, " ")
        for (i = 1; i <= n; i++) print kind[i], $1, $2, $3
      }' >"$apt/sources.list"
  for release in "$codename" "$codename-security"; do
    grep -q " $release main$" "$apt/sources.list" ||
      fail "apt has no source for $release; see sources.list(5)"
  done
  cat >"$apt/apt.conf" <<CONF
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
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
  quietly apt-get -q update || fail "apt-get update failed"
}

apt_close() { rm -rf "$apt"; }
