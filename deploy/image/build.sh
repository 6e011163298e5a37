#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the image of one flavour: `make image TLS=bearssl|openssl`.
#
#   [ARCH=arm64] deploy/image/build.sh bearssl|openssl VERSION OUT
#
# Makes OUT/tallyd, OUT/tally-bridge and OUT/tally, static, OUT/root, which is all that the image holds, OUT/image.tar,
# an OCI archive, and OUT/sbom.spdx.json, which is in the image, too. The same inputs (OUT/inputs) make
# the same digest (OUT/digest). From the environment, for labels: REVISION (default: git's), and
# SOURCE_URL and DOCUMENTATION_URL, where the source and the documents can be read.
# What is fetched and the libraries stay in .deps/image; UPDATE=1 looks for newer packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MAKELEVEL

flavour=$1 version=$2 out=$3
here=deploy/image
# shellcheck source=deploy/image/target.sh
. $here/target.sh
# Which commit it is; a tree with changes that are not committed says so.
revision=${REVISION:-$(git describe --always --abbrev=40 --exclude='*' --dirty)}
small=.deps/image/${cross_folder}bearssl deps=.deps/image/$cross_folder$flavour
umask 022
mkdir -p "$out"

say() { printf 'image: %s\n' "$*"; }

# The inputs of each flavour's libraries: Debian packages, and source packages, each with a binary
# package that is built from it.
prepare() {
  local packages sources # prepare FLAVOUR FOLDER
  case $1 in
    bearssl)
      packages="musl-dev linux-libc-dev libexpat1-dev ca-certificates"
      sources="bearssl:libbearssl-dev curl:libcurl4-openssl-dev jansson:libjansson-dev"
      sources+=" libseccomp:libseccomp-dev libuv1:libuv1-dev libyaml:libyaml-dev msgpack-c:libmsgpack-dev"
      sources+=" nghttp2:libnghttp2-dev"
      ;;
    openssl)
      packages="libc6-dev linux-libc-dev libcrypt-dev libssl-dev libbearssl-dev libexpat1-dev"
      packages+=" libjansson-dev libmsgpack-dev libuv1-dev libyaml-dev ca-certificates"
      sources="curl:libcurl4-openssl-dev"
      ;;
    *)
      echo "image: TLS is bearssl (small, TLS 1.2) or openssl (TLS 1.3), not '$1'" >&2
      exit 2
      ;;
  esac
  mkdir -p "$2"
  "$here/fetch.sh" "$arch" "$2/debian" "$packages" "$sources"
  "$here/libraries.sh" "$1" "$2"
}

# The command is linked with musl in both flavours: `tally install` copies it into other images, and
# with glibc it would be six times as large.
prepare bearssl "$small"
[ "$flavour" = bearssl ] || prepare "$flavour" "$deps"

# ---- the programs ---------------------------------------------------------------------------
# make knows nothing of these libraries: where they changed, everything is built from scratch.
stamp=$(cat "$small/stamp" "$deps/stamp")
if [ "$(cat "$out/stamp" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$out"
  mkdir -p "$out"
fi
say "tallyd, tally-bridge and tally"
if ! { "$here/make.sh" "$flavour" "$out" "$out/tallyd" &&
  "$here/make.sh" bearssl "$out/command" "$out/command/tally" "$out/command/tally-bridge"; } >"$out/make.log" 2>&1; then
  tail -n 40 "$out/make.log" >&2
  exit 1
fi
cp "$out/command/"tally{,-bridge} "$out/"
printf '%s\n' "$stamp" >"$out/stamp"

# ---- the content of the image ---------------------------------------------------------------
root=$out/root
rm -rf "$root"
mkdir -p "$root/etc/ssl/certs"
for program in tallyd tally-bridge tally; do
  "$triplet-strip" -o "$root/$program" "$out/$program"
  chmod 755 "$root/$program"
done
install -m 644 "$here/passwd" "$root/etc/passwd"
# As update-ca-certificates would create it, without certificates that this machine adds.
find "$deps/debian/sysroot/usr/share/ca-certificates/mozilla" -name '*.crt' | LC_ALL=C sort |
  xargs -d '\n' cat >"$root/etc/ssl/certs/ca-certificates.crt"
chmod 644 "$root/etc/ssl/certs/ca-certificates.crt"

{
  cat "$small/inputs" "$deps/inputs" | sort -u
  "$triplet-gcc" --version | sed -n 's/^/compiler /p;q'
} >"$out/inputs"
# Below it the Containerfile makes the folder of the socket.
mkdir -p "$root/run" "$root/usr/share/doc/tally"
/usr/bin/python3 $here/sbom.py tally "$version-$flavour" "$revision" "$arch" "$root" "$small" "$deps" \
  >"$out/sbom.spdx.json"
install -m 644 "$out/sbom.spdx.json" "$root/usr/share/doc/tally/sbom.spdx.json"

# ---- the image ------------------------------------------------------------------------------
# In temporary storage, which works everywhere and is removed at the end.
storage=$(mktemp -d)
trap 'rm -rf "$storage"' EXIT
mkdir "$storage/nothing"
in_storage() {
  buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs "$@"
}
name=localhost/tally:$version-$flavour
say "$name"
labels=("--label=org.opencontainers.image.revision=$revision")
if [ -n "${SOURCE_URL:-}" ]; then
  labels+=("--label=org.opencontainers.image.source=$SOURCE_URL"
    "--label=org.opencontainers.image.documentation=${DOCUMENTATION_URL:-$SOURCE_URL}")
fi
in_storage bud -q --timestamp 0 --identity-label=false --isolation chroot \
  --platform "linux/$arch" --build-context "nothing=$storage/nothing" "${labels[@]}" \
  --signature-policy "$here/policy.json" --build-arg VERSION="$version" --build-arg TLS="$flavour" \
  -f "$here/Containerfile" -t "$name" "$root" >"$out/image-id"
rm -rf "$out/oci"
in_storage push -q --signature-policy "$here/policy.json" "$name" "oci:$out/oci:$name"
# shellcheck source=deploy/image/archive.sh
. $here/archive.sh
oci_archive "$out"
printf '%s\n' "$revision" >"$out/revision"
unpacked=$(find "$root" -type f -printf '%s\n' | awk '{ bytes += $1 } END { print bytes }')
say "$out/image.tar, $(cat "$out/digest"), $unpacked bytes unpacked"
