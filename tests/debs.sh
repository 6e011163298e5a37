#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages: what lintian says of them, and a minimal Debian 12 in which they are installed,
# tested by their own tests, run, installed over themselves, removed and purged. Part of `make check-deep`.
#
#   tests/debs.sh            builds them first (make deb)
#
# As root. Needs mmdebstrap, lintian, autopkgtest, 1 GB in TMPDIR (/var/tmp), and Debian's archive.
# KEEP=1 leaves the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL
# shellcheck source=tests/debian.sh
. tests/debian.sh

debian_needs_root debs chroot
# A namespace of its own, with which all mounts and processes go.
if [ -z "${TALLY_DEBS:-}" ]; then
  make --no-print-directory deb >/dev/null
  exec env TALLY_DEBS=1 unshare --mount --pid --fork --kill-child "$0" "$@"
fi

version=$(sed -n 's/^VERSION := //p' Makefile)
work=$(mktemp -d "${TMPDIR:-/var/tmp}/tally-debs-XXXXXX")
root=$work/root
trap 'debian_remove debs "$work"' EXIT

inside() {
  chroot "$root" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# This lintian is older than the field Static-Built-Using, which dpkg knows.
lint() {
  lintian --allow-root --no-cfg --fail-on error,warning --suppress-tags unknown-field "$@" \
    build/deb/tally_"$version"_*.changes
}
check "lintian has no error and no warning" lint

minimal_debian "$work" ca-certificates
debian_join "$root"

# autopkgtest installs the packages with what the tests need.
own_tests() {
  autopkgtest --no-built-binaries build/deb/*.dsc build/deb/*.deb -- chroot "$root"
}
mkdir "$root/debs"
cp build/deb/*_"$version"_*.deb "$root/debs"
rm "$root"/debs/*-dbgsym_*
inside apt-get -q update >/dev/null
mapfile -t debs < <(cd "$root" && printf '/%s\n' debs/*.deb)
check "there are five" test ${#debs[@]} -eq 5
check "they are installed" inside apt-get -q -y --no-install-recommends install "${debs[@]}"
check "with all they need" inside apt-get -q check
check "the group is made" inside getent group tally
check "the configuration is an empty folder of root's" \
  test "$(stat -c '%u %g %a %h' "$root/etc/tally")" = "0 0 755 2"
started() { find "$root/etc/systemd" "$root/run" -iname '*tally*' ! -path "$root/run/tally" | grep .; }
check "nothing is enabled, and nothing started" refused started
has_version() { [ "$(inside "$1" --version)" = "$1 $version" ]; }
check "the agent has the packages' version" has_version tallyd
check "the command, too" has_version tally
check "and the bridge" has_version tally-bridge
check "without triggers there is nothing to check" refused inside tallyd --check --config /etc/tally
check "systemd finds no fault with the units" inside systemd-analyze verify --man=no tallyd.service \
  tallyd.socket tally-bridge.service

cp tests/demo.yaml "$root/etc/tally/"
echo 'AWS_REGION=eu-west-1' >"$root/etc/default/tally"
echo 'TALLY_BRIDGE_LISTEN=127.0.0.1:6000' >"$root/etc/default/tally-bridge"
run_agent() {
  # shellcheck disable=SC2016 # the inner shell expands it
  inside sh -c 'mkdir -p /run/tally
    tallyd --config /etc/tally --socket /run/tally/tally.sock --linger 0 & agent=$!
    for _ in $(seq 100); do tally ping >/dev/null 2>&1 && break; sleep 0.1; done
    tally list && kill $agent && wait $agent'
}
check "with triggers it starts, answers and ends" run_agent
check "they install over themselves" inside apt-get -q -y --no-install-recommends --reinstall install \
  "${debs[@]}"
check "the configuration is as it was" cmp tests/demo.yaml "$root/etc/tally/demo.yaml"
check "it starts, answers and ends again" run_agent
check "nothing is enabled by it" refused started

names=(tallyd tally tally-bridge libtally0 libtally-dev)
check "they are removed" inside apt-get -q -y remove "${names[@]}"
programs() { ls "$root"/usr/*bin/tally*; }
check "the programs are gone" refused programs
check "the configuration stays" cmp tests/demo.yaml "$root/etc/tally/demo.yaml"
check "they are purged" inside dpkg --purge "${names[@]}"
rm -rf "$root/debs"
left() {
  find "$root" -xdev -path "$root/proc" -prune -o -path "$root/dev" -prune -o -iname '*tally*' -print |
    grep -v '/run/tally$' | grep .
}
check "no file of theirs is left, the configuration neither" refused left
check "their own tests pass (autopkgtest)" own_tests
checks_finish
