# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by build.sh and index.sh.

# oci_archive OUT: makes OUT/image.tar of the layout OUT/oci, an archive whose own bytes are the same
# for the same layout, and OUT/digest.
oci_archive() {
  tar -C "$1/oci" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$1/image.tar" .
  sed -n 's/.*"digest":"\(sha256:[0-9a-f]*\)".*/\1/p' "$1/oci/index.json" >"$1/digest"
}
