# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by debs.sh, fresh.sh and systemd.sh, which run as root: creates a separate Debian 12 in a
# folder, and counts what is checked in it.

# debian_needs_root NAME REASON
debian_needs_root() {
  [ "$(id -u)" -eq 0 ] || {
    printf '%s: needs root, for %s\n' "$1" "$2" >&2
    exit 1
  }
}

# minimal_debian WORK PACKAGE...: creates WORK/root, with these packages and their dependencies.
minimal_debian() {
  local work=$1 options packages
  shift
  command -v mmdebstrap >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install mmdebstrap
  # From this machine's Debian mirrors, including updates, as Debian would be installed today.
  # shellcheck disable=SC2016 # apt expands it
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    grep -E ' bookworm(-updates|-security)? main$' | sort -u >"$work/sources.list"
  mapfile -t options < <(apt-config dump --format='--aptopt=%f "%v";%n' \
    Acquire::Check-Valid-Until Acquire::Check-Date)
  packages=$(IFS=, && echo "$*")
  mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" "${options[@]}" bookworm \
    "$work/root" "$work/sources.list"
}

# debian_join ROOT: makes it ready for chroot: names are resolved as on this machine, "/" is a mount
# point, as on a real machine, and there are processes and devices. In a mount namespace of the caller's.
debian_join() {
  cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
  mount --bind "$1" "$1"
  mount -t proc proc "$1/proc"
  mount --rbind --make-rslave /dev "$1/dev"
}

# debian_remove NAME WORK: at the end; KEEP=1 leaves the folder. Processes that a failed test has left
# in it may still use its mounts.
debian_remove() {
  umount -R -l "$2/root" 2>/dev/null || true
  if [ -n "${KEEP:-}" ]; then
    printf '%s: the machine stays in %s\n' "$1" "$2/root"
  else
    rm -rf --one-file-system "$2"
  fi
}

checks_failed=0 checks_passed=0

# check WHAT COMMAND...: counts it, and shows the output of a command that failed. Needs $work.
check() {
  local what=$1 status=0
  shift
  # shellcheck disable=SC2154 # the sourcing script sets it
  "$@" >"$work/said" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    checks_passed=$((checks_passed + 1))
    printf 'ok    %s\n' "$what"
  else
    checks_failed=$((checks_failed + 1))
    printf 'FAIL  %s: exit status %s\n' "$what" "$status"
    tail -n 40 "$work/said" | sed 's/^/      | /'
  fi
}
refused() { ! "$@"; }

# The last line, and the exit status.
checks_finish() {
  printf '%s passed, %s failed\n' "$checks_passed" "$checks_failed"
  [ "$checks_failed" -eq 0 ]
}
