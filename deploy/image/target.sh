# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts of this folder: for which architecture they build, which is the machine's or
# ARCH, by Debian's names. Debian's tools have the triplet in their names on every machine.
host_arch=$(dpkg --print-architecture)
arch=${ARCH:-$host_arch}
triplet=$(dpkg-architecture -f -a"$arch" -qDEB_HOST_GNU_TYPE 2>/dev/null)
# shellcheck disable=SC2034 # who sources it uses them
cross_folder='' machine=${triplet%%-*}
if [ "$arch" != "$host_arch" ]; then
  # shellcheck disable=SC2034
  cross_folder=$arch/
fi
