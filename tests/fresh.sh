#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The README's two commands on a fresh machine: a minimal Debian 12 with make and git in a
# separate folder, and a clone of the last commit.
#
#   tests/fresh.sh                 make demo, then make test
#   tests/fresh.sh 'make demo'     other commands, each in the clone
#   FRESH_USER=dev tests/fresh.sh  as a user of that name, with sudo
#
# As root. Needs mmdebstrap, 6 GB in TMPDIR (/var/tmp), and the network. Prints the end of each
# command's output; build/logs/fresh-*.log has all of it. KEEP=1 keeps the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL
# shellcheck source=tests/debian.sh
. tests/debian.sh

debian_needs_root fresh chroot
[ $# -gt 0 ] || set -- 'make demo' 'make test'

# In its own namespaces, so that all mounts and processes end with it.
if [ -z "${TALLY_FRESH:-}" ]; then
  exec env TALLY_FRESH=1 unshare --mount --pid --fork --kill-child "$0" "$@"
fi

say() { printf 'fresh: %s\n' "$*"; }

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tally-fresh-XXXXXX")
root=$work/root logs=$PWD/build/logs
mkdir -p "$logs"
trap 'debian_remove fresh "$work"' EXIT

say "a minimal Debian 12 with make and git"
minimal_debian "$work" ca-certificates git make ${FRESH_USER:+sudo}
debian_join "$root"
# CA certificates that this machine trusts in addition to Debian's, for example for a company proxy.
cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
chroot "$root" update-ca-certificates >/dev/null 2>&1
mount --rbind --make-rslave /sys "$root/sys"

git bundle create -q "$work/root/tally.bundle" HEAD
home=/root
if [ -n "${FRESH_USER:-}" ]; then
  home=/home/$FRESH_USER
  chroot "$root" useradd --create-home --shell /bin/bash "$FRESH_USER"
  echo "$FRESH_USER ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/fresh"
fi
enter() {
  chroot ${FRESH_USER:+--userspec="$FRESH_USER:$FRESH_USER"} "$root" env -i HOME="$home" \
    ${FRESH_USER:+USER="$FRESH_USER"} PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 "$@"
}
enter git clone -q -c advice.detachedHead=false /tally.bundle "$home/tally"
say "$(enter git -C "$home/tally" log -1 --format='%h %s'), on Debian $(cat "$root/etc/debian_version")"

status=0
for command; do
  name=${command//[^a-zA-Z0-9]/-} log=$logs/fresh-${name:0:60}.log
  say "$command"
  begun=$SECONDS
  # shellcheck disable=SC2016 # the inner shell expands it
  enter bash -c 'cd ~/tally && eval "$1"' _ "$command" >"$log" 2>&1 </dev/null || status=$?
  tail -n "${TAIL:-30}" "$log" | sed 's/^/  | /'
  say "$command took $((SECONDS - begun)) s, exit status $status (all of it: $log)"
  [ "$status" -eq 0 ] || exit "$status"
done
