#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The units under systemd itself: a minimal Debian 12 boots in its own namespaces; tally is installed
# in it as deploy/systemd.mk says, started by its socket, reloaded, restarted, killed, misconfigured
# and stopped. Part of `make check-deep`.
#
#   tests/systemd.sh           tests the programs in build/
#
# As root. Needs mmdebstrap, 1 GB in TMPDIR (/var/tmp), cgroup2, and Debian's archive. KEEP=1
# keeps the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL
# shellcheck source=tests/debian.sh
. tests/debian.sh

debian_needs_root systemd namespaces

# PID 1 of the new machine: creates the mounts that systemd expects, and executes systemd.
# shellcheck disable=SC2016 # the inner shell expands it
boot='
  set -e
  mount --bind "$1" "$1"
  cd "$1"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs -o mode=755 tmpfs dev
  mkdir dev/pts dev/shm dev/mqueue dev/hugepages
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
  mount -t tmpfs tmpfs dev/shm
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  hostname tally-test
  mkdir -p old
  pivot_root . old
  umount -l /old
  mount --make-rshared / # as systemd does outside a container
  exec env -i container=tally-test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --show-status=0'

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tally-systemd-XXXXXX")
root=$work/root
control=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)/tally-systemd-$$
machine='' init=''
finish() {
  # All processes of the namespace end with the first one.
  [ -z "$machine" ] || { kill -KILL "$machine" && wait "$machine"; } 2>/dev/null || true
  for _ in $(seq 100); do # until the last of them is reaped
    find "$control" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 0.1
  done
  debian_remove systemd "$work"
}
trap finish EXIT

minimal_debian "$work" systemd ca-certificates libcurl4 libexpat1 libjansson4 libmsgpackc2 \
  libnghttp2-14 libssl3 libuv1 libyaml-0-2
make -s install "DESTDIR=$root"
mkdir "$control"
(
  echo "$BASHPID" >"$control/cgroup.procs"
  # Detached from the terminal's signals.
  exec setsid unshare --mount --pid --ipc --uts --net --cgroup --fork --kill-child \
    --propagation private bash -c "$boot" _ "$root"
) >"$work/console" 2>&1 &
machine=$!

inside() { nsenter -t "$init" -a -- "$@"; }
journal() {
  inside journalctl --sync
  inside journalctl -q --no-pager -o cat -u tallyd.service -u tallyd.socket -u tally-bridge.service
}

# eventually COMMAND...: retries until the command succeeds, for at most 20 seconds.
eventually() {
  for _ in $(seq 200); do
    "$@" && return
    sleep 0.1
  done
  return 1
}

# systemd is a child process of unshare.
booted() {
  init=$(pgrep -P "$machine" | head -n 1)
  [ -n "$init" ] && inside systemctl is-system-running | grep -Eq 'running|degraded'
}
if ! eventually booted 2>/dev/null; then
  cat "$work/console" >&2
  echo "systemd: it does not boot" >&2
  exit 1
fi

# The commands from deploy/systemd.mk.
check "systemd finds no fault with them" inside systemd-analyze verify --man=no tallyd.service \
  tallyd.socket tally-bridge.service
check "the group is made" inside systemd-sysusers
check "the folders are made" inside systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/tally.conf
check "the configuration is root's alone" \
  test "$(stat -c '%u %g %a' "$root/etc/tally")" = "0 0 755"
check "the socket is enabled" inside systemctl enable --now tallyd.socket
cp tests/demo.yaml "$root/etc/tally/"

inside useradd alice
inside useradd -G tally bob
check "nothing runs before somebody asks" refused inside systemctl is-active tallyd.service
check "a stranger may not ask" refused inside setpriv --reuid alice --regid alice --init-groups \
  tally ping
check "and starts nothing" refused inside systemctl is-active tallyd.service
check "a member of the group starts it" inside setpriv --reuid bob --regid bob --init-groups \
  tally ping
check "it has read the configuration" grep -q shop/orders/pending <(inside tally list)

# A dynamic user, without capabilities, with the agent's own filter in addition to the unit's.
process() {
  inside cat "/proc/$(inside systemctl show -P MainPID "$1")/status" >"$work/status"
  awk '$1 == "Uid:" { uid = $2 } $1 ~ /^Cap/ && $2 + 0 != 0 { bad = 1 } $1 == "NoNewPrivs:" { alone = $2 }
    $1 == "Seccomp:" { filtered = $2 } END { exit !(uid >= 61184 && uid <= 65519 && !bad && alone == 1 && filtered == 2) }' \
    "$work/status" || { cat "$work/status" && return 1; }
}
check "it is a dynamic user without capabilities" process tallyd.service
check "its own filter is on" refused grep -q no-seccomp <(journal)

# shellcheck disable=SC2016 # the inner shell expands it
bridge_page() {
  inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/6000
    printf "GET %s HTTP/1.0\r\n\r\n" "$1" >&3
    cat <&3' _ "$1"
}
bridge_ready() { grep -q '^HTTP/1.[01] 200' <(bridge_page /readyz); }
check "tally-bridge starts" inside systemctl start tally-bridge.service
check "it reaches the agent" eventually bridge_ready
check "and shows its metrics" grep -q '^tally_trigger_.*orders' <(bridge_page /metrics)
check "it is a dynamic user without capabilities, too" process tally-bridge.service

reloads() { journal | grep -c event=reloaded; }
reloaded_since() { [ "$(reloads)" -gt "$1" ]; }
before=$(reloads || true)
check "it reloads" inside systemctl reload tallyd.service
check "and does" eventually reloaded_since "$before"

# Requests during a restart wait, and are answered.
ask_on() { for _ in $(seq 50); do inside tally ping || return; done; }
asked_while() {
  ask_on &
  local asking=$!
  inside "$@" && wait "$asking"
}
check "a restart is not noticed" asked_while systemctl restart tallyd.service
killed() { inside systemctl kill -s KILL tallyd.service && inside tally ping; }
check "nor is its death, by the next who asks" killed

# A token file that only root may read.
(umask 077 && printf 'a token' >"$root/root/token")
mkdir -p "$root/etc/systemd/system/tallyd.service.d"
cat >"$root/etc/systemd/system/tallyd.service.d/token.conf" <<'CONF'
[Service]
LoadCredential=token:/root/token
Environment=AWS_WEB_IDENTITY_TOKEN_FILE=%d/token AWS_ROLE_ARN=arn:aws:iam::111122223333:role/node
CONF
inside systemctl daemon-reload
inside systemctl restart tallyd.service
shows_token() { inside tally whoami | tee "$work/whoami" | grep -q 'size *7' || { cat "$work/whoami" && return 1; }; }
check "a token of root's is read as a credential" shows_token

echo 'triggers: [' >"$root/etc/tally/demo.yaml"
check "a wrong configuration changes nothing while it runs" inside tally ping
inside systemctl stop tallyd.service 2>/dev/null
check "but it does not start with one" refused inside tally ping
check "which the journal shows with file and line" grep -q '^/etc/tally/demo.yaml:2:1: error' <(journal)
cp tests/demo.yaml "$root/etc/tally/"
check "systemd resets the failure" inside systemctl reset-failed tallyd.service
check "and starts it" inside systemctl start tallyd.service
check "and its socket" inside tally ping

check "tally-bridge has reached every agent since" eventually bridge_ready
check "it stops" inside systemctl stop tally-bridge.service
check "no system call was denied" refused grep syscall_denied <(journal)
check "both stop" inside systemctl stop tallyd.socket
check "the agent, too" refused inside systemctl is-active tallyd.service
check "and the socket's file is gone" refused inside test -e /run/tally/tally.sock
checks_finish
