#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the static libraries of one flavour of the image, and a compiler that links against them.
#
#   [ARCH=arm64] deploy/image/libraries.sh bearssl|openssl DIR
#
# DIR/debian is what fetch.sh brought. Makes DIR/lib, DIR/include and DIR/cc; DIR/inputs, a
# line for each package and for libgcc; with bearssl also DIR/host, which has the one library that a
# program of the build itself needs. Nothing is built
# again while the inputs, this script, the patches, the machine's compiler and DIR are the same: its
# path stands in DIR/cc.
set -euo pipefail

flavour=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/image/target.sh
. "$here/target.sh"
dir=$(cd "$2" && pwd)
sysroot=$dir/debian/sysroot
src=$dir/debian/src
work=$dir/work
jobs=$(nproc)

say() { printf 'libraries: %s\n' "$*"; }

# Runs a command quietly; prints its output only if it fails.
quietly() {
  if ! "$@" >"$work/log" 2>&1; then
    tail -n 40 "$work/log" >&2
    return 1
  fi
}

stamp=$({
  echo "$dir"
  cat "$dir/debian/inputs"
  "$triplet-gcc" --version
  cat "$here/libraries.sh" "$here/glibc.c" "$here"/patches/*/*
} | sha256sum)
[ "$(cat "$dir/stamp" 2>/dev/null)" != "$stamp" ] || exit 0
rm -rf "$work" "${dir:?}"/{lib,include,host,stamp}
mkdir -p "$work" "$dir/lib" "$dir/include"
export AR=$triplet-ar RANLIB=$triplet-ranlib
# What only a build for another machine is given.
configure_for=() cmake_for=()
if [ -n "$cross_folder" ]; then
  configure_for=("--host=$triplet")
  cmake_for=(-DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=$machine"
    "-DCMAKE_AR=$(command -v "$AR")" "-DCMAKE_RANLIB=$(command -v "$RANLIB")")
fi

# The objects do not contain the path of this checkout, so that every checkout gives the same.
cflags=(-Os -ffunction-sections -fdata-sections -fstack-protector-strong -fPIE
  "-ffile-prefix-map=$dir=.")

# ---- the compilers --------------------------------------------------------------------------
# All links are static and position-independent, for ASLR, as in Debian's own programs.

# gcc with musl instead of glibc, from Debian's musl-dev in the sysroot. Of the system's headers it
# sees only those of the kernel.
write_musl_cc() {
  local musl=${triplet/-gnu/-musl} lib include
  lib=$sysroot/usr/lib/$musl include=$sysroot/usr/include/$musl
  mkdir -p "$dir/kernel"
  ln -sfn "$sysroot/usr/include/linux" "$dir/kernel/linux"
  ln -sfn "$sysroot/usr/include/asm-generic" "$dir/kernel/asm-generic"
  ln -sfn "$sysroot/usr/include/$triplet/asm" "$dir/kernel/asm"
  cat >"$dir/musl.specs" <<SPECS
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem $include -isystem include%s -idirafter $dir/kernel %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem $include -isystem include%s -idirafter $dir/kernel

*link_libgcc:
-L$lib -L .%s

*libgcc:
libgcc.a%s

*startfile:
$lib/rcrt1.o $lib/crti.o crtbeginS.o%s

*endfile:
crtendS.o%s $lib/crtn.o

*link:
-nostdlib -static -pie --no-dynamic-linker -z text -z relro -z now -z noexecstack

*esp_link:


*esp_options:


*esp_cpp_options:


SPECS
  printf '#!/bin/sh\nexec %s-gcc -specs=%s "$@"\n' "$triplet" "$dir/musl.specs" >"$dir/cc"
}

# gcc searches the machine's own folders before the sysroot's, unless -B and -L name them as well.
write_glibc_cc() {
  local lib=$sysroot/usr/lib/$triplet options=-Wl,-z,relro,-z,now,-z,noexecstack
  # binutils 2.40 packs relocations for x86 alone.
  [ "$machine" != x86_64 ] || options+=,-z,pack-relative-relocs
  cat >"$dir/cc" <<CC
#!/bin/sh
# Links, unless an option stops before that.
for option; do
  case \$option in -c | -E | -S | -M | -MM) exec $triplet-gcc --sysroot=$sysroot "\$@" ;; esac
done
exec $triplet-gcc --sysroot=$sysroot -B$lib -L$lib -static-pie $options "\$@"
CC
}

# ---- the libraries --------------------------------------------------------------------------

# cmake_library SOURCE TARGET ARCHIVE OPTION...: builds TARGET and copies ARCHIVE to lib.
cmake_library() {
  local name=$1 target=$2 archive=$3
  shift 3
  say "$name"
  quietly cmake -S "${source:-$src/$name}" -B "$work/$name" -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_C_COMPILER="$dir/cc" -DCMAKE_C_FLAGS="${cflags[*]}" -DCMAKE_INSTALL_PREFIX="$dir" \
    -DCMAKE_POLICY_DEFAULT_CMP0063=NEW -DBUILD_SHARED_LIBS=OFF \
    "${cmake_for[@]}" "$@"
  quietly cmake --build "$work/$name" -j "$jobs" --target "$target"
  cp "$work/$name/$archive" "$dir/lib/"
}

build_bearssl() {
  say bearssl
  # Where there is getentropy(), no file is opened for random bytes.
  quietly make -C "$src/bearssl" -j "$jobs" CC="$dir/cc" LD="$dir/cc" AR="$AR" BUILD="$work/bearssl" \
    CFLAGS="-W -Wall ${cflags[*]} -DBR_USE_GETENTROPY=1" lib
  cp "$work/bearssl/libbearssl.a" "$dir/lib/"
  cp "$src/bearssl"/inc/*.h "$dir/include/"
}

build_jansson() {
  cmake_library jansson jansson lib/libjansson.a -DJANSSON_BUILD_DOCS=OFF \
    -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF
  cp "$work/jansson"/include/*.h "$dir/include/"
}

build_libuv() {
  cmake_library libuv1 uv_a libuv_a.a -DLIBUV_BUILD_TESTS=OFF -DLIBUV_BUILD_BENCH=OFF
  cp -r "$src/libuv1/include/." "$dir/include/"
}

build_libyaml() {
  cmake_library libyaml yaml libyaml.a -DBUILD_TESTING=OFF -DINSTALL_CMAKE_DIR=cmake
  cp "$src/libyaml/include/yaml.h" "$dir/include/"
}

build_msgpack() {
  cmake_library msgpack-c msgpackc libmsgpackc.a -DMSGPACK_BUILD_TESTS=OFF \
    -DMSGPACK_BUILD_EXAMPLES=OFF -DMSGPACK_ENABLE_SHARED=OFF
  cp -r "$src/msgpack-c/include/." "$work/msgpack-c/include/." "$dir/include/"
}

# For the program that compiles tallyd's filter, which runs here: no part of the image.
build_libseccomp() {
  say "libseccomp, for the build"
  mkdir -p "$work/libseccomp" "$dir/host"/{lib,include}
  (cd "$work/libseccomp" && quietly env CC=gcc AR=ar RANLIB=ranlib CFLAGS=-O2 \
    "$src/libseccomp/configure" --disable-shared --enable-static --disable-dependency-tracking)
  # A copy of the sources may have lost its modification times; configure must not be regenerated.
  quietly make -C "$work/libseccomp/src" -j "$jobs" ACLOCAL=: AUTOCONF=: AUTOHEADER=: AUTOMAKE=: \
    libseccomp.la
  cp "$work/libseccomp/src/.libs/libseccomp.a" "$dir/host/lib/"
  cp "$src/libseccomp/include/seccomp-syscalls.h" "$work/libseccomp/include/seccomp.h" \
    "$dir/host/include/"
}

# The patches make a connection of tally-bridge small.
build_nghttp2() {
  local patched=$work/nghttp2-source change
  cp -r "$src/nghttp2" "$patched"
  for change in "$here"/patches/nghttp2/*.patch; do
    quietly patch -d "$patched" -p 1 -i "$change"
  done
  source=$patched cmake_library nghttp2 nghttp2_static lib/libnghttp2.a -DENABLE_LIB_ONLY=ON \
    -DENABLE_STATIC_LIB=ON -DENABLE_SHARED_LIB=OFF
  cp -r "$patched/lib/includes/." "$work/nghttp2/lib/includes/." "$dir/include/"
}

# Debian's own static library, built for glibc: glibc.c has all functions of glibc that it needs.
build_expat() {
  say expat
  cp "$sysroot/usr/lib/$triplet/libexpat.a" "$dir/lib/"
  cp "$sysroot"/usr/include/expat*.h "$sysroot/usr/include/$triplet"/expat*.h "$dir/include/"
  quietly "$dir/cc" "${cflags[@]}" -c "$here/glibc.c" -o "$work/glibc.o"
  "$AR" rcs "$dir/lib/libglibc.a" "$work/glibc.o"
}

# HTTP and HTTPS only. Names are resolved in a thread, not in the loop.
build_curl() {
  say curl
  local patched=$work/curl-source
  cp -r "$src/curl" "$patched"
  for patch in "$here"/patches/curl/*.patch; do
    quietly patch -d "$patched" -p 1 -i "$patch"
  done
  mkdir "$work/curl"
  # pkg-config would find the machine's libraries, not the sysroot's.
  (cd "$work/curl" && quietly env CC="$dir/cc" CFLAGS="${cflags[*]}" CPPFLAGS="-I$dir/include" \
    LDFLAGS="-L$dir/lib" PKG_CONFIG=false ../curl-source/configure \
    "${configure_for[@]}" \
    --disable-shared --enable-static --disable-dependency-tracking \
    --enable-http --enable-proxy --enable-ipv6 --enable-threaded-resolver --enable-socketpair \
    --disable-ftp --disable-file --disable-ldap --disable-ldaps --disable-rtsp --disable-dict \
    --disable-telnet --disable-tftp --disable-pop3 --disable-imap --disable-smb --disable-smtp \
    --disable-gopher --disable-mqtt --disable-websockets --disable-doh --disable-alt-svc \
    --disable-hsts --disable-manual --disable-libcurl-option --disable-get-easy-options \
    --disable-headers-api --disable-mime --disable-cookies --disable-netrc --disable-sspi \
    --disable-crypto-auth --disable-ntlm --disable-ntlm-wb --disable-tls-srp \
    --disable-unix-sockets --disable-dnsshuffle --disable-progress-meter --disable-ares \
    --without-zlib --without-brotli --without-zstd --without-libpsl --without-libidn2 \
    --without-nghttp2 --without-librtmp --without-libssh2 --without-ca-path \
    "$@")
  quietly make -C "$work/curl/lib" -j "$jobs"
  cp "$work/curl/lib/.libs/libcurl.a" "$dir/lib/"
  cp -r "$src/curl/include/curl" "$dir/include/"
}

case $flavour in
  bearssl)
    # A stripped program is never unwound; the unwind tables are a tenth of its size.
    cflags+=(-fno-asynchronous-unwind-tables)
    write_musl_cc
    chmod +x "$dir/cc"
    build_bearssl
    build_jansson
    build_libseccomp
    build_libuv
    build_libyaml
    build_msgpack
    build_nghttp2
    build_expat
    # The agent loads the CA bundle itself (agent/aws/tls.c).
    build_curl "--with-bearssl=$dir" --without-ca-bundle
    ;;
  openssl)
    write_glibc_cc
    chmod +x "$dir/cc"
    # Debian's static libraries, except its libcurl, which depends on LDAP, Kerberos and more.
    build_curl --with-openssl --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt
    ;;
esac
rm -rf "$work"
libgcc=$("$triplet-gcc" -print-libgcc-file-name)
{
  cat "$dir/debian/inputs"
  printf 'libgcc libgcc %s %s\n' "$("$triplet-gcc" -dumpfullversion)" \
    "$(sha256sum <"$libgcc" | cut -d ' ' -f 1)"
} >"$dir/inputs"
printf '%s\n' "$stamp" >"$dir/stamp"
