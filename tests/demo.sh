#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The complete demonstration on this machine: a pod's own identity, a DynamoDB table of 25,000 items,
# a count on the socket. `make demo` runs this.
#
#   tests/demo.sh          runs the demonstration and stops everything afterwards
#   KEEP=1 tests/demo.sh   keeps everything running for manual use
#   tests/demo.sh stop     stops what KEEP=1 kept running
set -euo pipefail
cd "$(dirname "$0")/.."

BUILD=${BUILD:-build}
# One folder for each user; sockets need a short path.
DEMO=${DEMO:-/tmp/tally-demo-$(id -u)}
PYTHON=/usr/bin/python3
# The shell's AWS settings and a calling make must not influence the demonstration.
unset MAKEFLAGS MAKELEVEL
mapfile -t foreign < <(compgen -e | grep -E '^(AWS|TALLY)_' || true)
[ ${#foreign[@]} -eq 0 ] || unset "${foreign[@]}"
# All servers are on loopback; the machine's proxy must not be used.
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' green='' plain=''
fi

headline() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '%s\n' "$*"; }
note() { printf '%s%s%s\n' "$dim" "$*" "$plain"; }

# Prints a command as typed, then runs it.
run() {
  printf '%s$%s %s\n' "$green" "$plain" "$*"
  "$@"
}

# The same for a long-running command: in the background, with its output in a file, detached from
# this script's terminal. Sets $background to its process id.
run_background() {
  local log=$1
  shift
  printf '%s$%s %s 2>%s &\n' "$green" "$plain" "$*" "$log"
  setsid "$@" </dev/null >>"$log" 2>&1 &
  background=$!
  echo "$background" >>"$DEMO/pids"
}

# Waits until a path exists; prints a message if it takes long. $3: the process that creates it.
await() {
  local path=$1 what=$2 pid=$3 log=$4 tenths=0
  until [ -e "$path" ]; do
    if ! kill -0 "$pid" 2>/dev/null || [ "$tenths" -ge 900 ]; then
      printf 'demo: %s does not start; its log, %s:\n' "$what" "$log" >&2
      tail -n 20 "$log" >&2
      exit 1
    fi
    sleep 0.1
    tenths=$((tenths + 1))
    [ "$tenths" -ne 20 ] || note "  waiting for $what …"
  done
}

# In reverse order of start: the agent may still call AWS while it exits.
stop_all() {
  [ -e "$DEMO/pids" ] || return 0
  local pid
  while read -r pid; do
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
  done < <(tac "$DEMO/pids")
  rm -rf "$DEMO"
}

finish() {
  local status=$?
  trap - EXIT
  if [ "$status" -eq 0 ] && [ -n "${KEEP:-}" ]; then
    exit 0
  fi
  stop_all
  exit "$status"
}

tally=("$BUILD/tally" -s "$DEMO/tally.sock")
gateway=("$PYTHON" -m tests.gateway)

show_stop() {
  headline "Everything stays up"
  say "Ask on:"
  say "  $BUILD/tally -s $DEMO/tally.sock status"
  say "  $BUILD/tally -s $DEMO/tally.sock count pending --max-age 0"
  say "Let AWS misbehave, and look again:"
  say "  ${gateway[*]} call --folder $DEMO fault '{\"action\": \"Query\", \"code\": \"ThrottlingException\", \"times\": 3}'"
  say "  ${gateway[*]} call --folder $DEMO heal"
  say "  ${gateway[*]} call --folder $DEMO summary"
  say "The agent's log is $DEMO/tallyd.log. To end it all:"
  say "  tests/demo.sh stop"
}

case ${1:-} in
  stop)
    [ -e "$DEMO/pids" ] || { say "demo: nothing is running" && exit 0; }
    stop_all
    say "demo: stopped"
    exit 0
    ;;
  '') ;;
  *)
    printf 'usage: [KEEP=1] tests/demo.sh, tests/demo.sh stop\n' >&2
    exit 2
    ;;
esac

# Whether a process of the folder's demonstration is running. A recorded process id that another
# program has meanwhile does not count.
is_running() {
  local pid
  [ -e "$DEMO/pids" ] || return 1
  # During the build only the script is running.
  pid=$(cat "$DEMO/starting" 2>/dev/null) &&
    grep -qF demo.sh "/proc/$pid/cmdline" 2>/dev/null && return 0
  while read -r pid; do
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$DEMO" && return 0
  done <"$DEMO/pids"
  return 1
}

if is_running; then
  printf 'demo: another demonstration uses %s; end it with: tests/demo.sh stop\n' "$DEMO" >&2
  printf 'demo: or run this one in a folder of its own: DEMO=/tmp/tally-demo-2 make demo\n' >&2
  exit 1
fi
if [ -e "$DEMO/pids" ]; then
  note "removing what an earlier demonstration left"
  rm -rf "$DEMO"
fi

mkdir -m 700 "$DEMO" 2>/dev/null || { # another one started at the same moment
  printf 'demo: cannot make %s: another demonstration, or a file of that name\n' "$DEMO" >&2
  exit 1
}
printf '%s\n' $$ >"$DEMO/starting"
: >"$DEMO/pids"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

headline "1. Install what is missing, and build"
run tests/setup.sh demo
if [ ! -x "$BUILD/tallyd" ] || [ ! -x "$BUILD/tally" ]; then
  note "  building takes a few seconds …"
fi
run make --silent -j"$(nproc)" BUILD="$BUILD"

headline "2. Play AWS on this machine"
note "DynamoDB Local, and before it a gateway that checks every signature and plays STS."
run_background "$DEMO/gateway.log" "${gateway[@]}" serve --folder "$DEMO"
await "$DEMO/gateway.json" "DynamoDB Local" "$background" "$DEMO/gateway.log"
note "A table with 25,000 pending orders of 1 KB each, and 7 refunds."
run "${gateway[@]}" fill --folder "$DEMO" pending 25000
run "${gateway[@]}" fill --folder "$DEMO" refunds 7

headline "3. A pod: its web-identity token, its environment, a KEDA ScaledObject"
run "${gateway[@]}" token --folder "$DEMO"
printf '%s$%s eval "$%s"\n' "$green" "$plain" "(${gateway[*]} env --folder $DEMO)"
pod=$("${gateway[@]}" env --folder "$DEMO")
eval "$pod"
note "$pod"
run cat tests/demo.yaml

headline "4. The agent beside the workload"
run_background "$DEMO/tallyd.log" "$BUILD/tallyd" --config tests/demo.yaml \
  --socket "$DEMO/tally.sock"
await "$DEMO/tally.sock" tallyd "$background" "$DEMO/tallyd.log"

headline "5. Ask it"
note "All 25 pages of 1 MB are read, with the pod's own identity. The first time takes seconds."
run "${tally[@]}" count pending --timeout 60s
run "${tally[@]}" count refunds
note "Now the count is cached."
run "${tally[@]}" count pending
run "${tally[@]}" whoami
run "${tally[@]}" list

headline "6. What it cost at AWS"
note "One call to STS, one Query for each page, one connection."
run "${gateway[@]}" call --folder "$DEMO" summary

if [ -n "${KEEP:-}" ]; then
  show_stop
else
  stop_all
  headline "Done"
  say "Everything is stopped again. To explore it yourself: make demo KEEP=1"
fi
