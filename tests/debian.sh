# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by fresh.sh and systemd.sh, which run as root: creates a separate Debian 12 in a folder.

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
