#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts images of several architectures into one OCI index, whose name then stands for all of them:
# `make image-index`.
#
#   deploy/image/index.sh NAME OUT IMAGE-FOLDER...
#
# Each IMAGE-FOLDER is what build.sh made. Makes OUT/image.tar, an OCI archive, and OUT/digest. The same
# images make the same digest.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=$1 out=$2
shift 2
mkdir -p "$out"
storage=$(mktemp -d)
trap 'rm -rf "$storage"' EXIT
in_storage() {
  buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs "$@"
}
in_storage manifest create "$name" >/dev/null
for folder; do
  in_storage manifest add "$name" "oci:$folder/oci:$name" >/dev/null
done
rm -rf "$out/oci"
in_storage manifest push -q --all --format oci --signature-policy deploy/image/policy.json "$name" \
  "oci:$out/oci:$name"
# shellcheck source=deploy/image/archive.sh
. deploy/image/archive.sh
oci_archive "$out"
printf 'image: %s/image.tar, %s, of %s images\n' "$out" "$(cat "$out/digest")" $#
