#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make` for one flavour of the image: static, with the libraries of .deps/image.
#
#   [ARCH=arm64] deploy/image/make.sh bearssl|openssl OUT TARGET...
set -euo pipefail
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MAKELEVEL

flavour=$1 out=$2
shift 2
# shellcheck source=deploy/image/target.sh
. deploy/image/target.sh
libraries=$PWD/.deps/image/$cross_folder$flavour host=$PWD/.deps/image/${cross_folder}bearssl/host
common="-lbearssl -luv_a -lyaml -ljansson -lexpat -lmsgpackc -lm"
case $flavour in
  bearssl) agent_libs="-lcurl $common -lglibc" define=-DTALLY_TLS_BEARSSL ;;
  openssl) agent_libs="-lcurl -lssl -lcrypto $common" define= ;;
esac
# No object knows where its checkout lies.
exec make --no-print-directory -s -j"$(nproc)" BUILD="$out" ARCH="$arch" HOSTCC=gcc CC="$libraries/cc" \
  CFLAGS="-Os -ffile-prefix-map=$libraries=." \
  CPPFLAGS="-isystem $libraries/include $define" HARDENING_LD="-Wl,--gc-sections" \
  AGENT_LIBS="-L$libraries/lib $agent_libs" BRIDGE_TLS=none \
  BRIDGE_LIBS="-L$libraries/lib -lnghttp2 $agent_libs" CLI_LIBS="-L$libraries/lib -ljansson -lmsgpackc -lm" \
  SECCOMP_LIBS="-isystem $host/include -L$host/lib -lseccomp" CLIENT_LIBS="-L$libraries/lib -lmsgpackc" "$@"
