# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by run.sh and lint.sh: named steps, one line of progress each, and the totals at the end.
#
# A step is a command. Its output goes to a file and is shown only if it fails. If the output
# contains "N passed" or "N failed" (pytest, tests/unit.sh), the step counts for these numbers; else
# it counts for one.

logs=${TALLY_LOGS:-build/logs}
mkdir -p "$logs"
if [ -z "${TALLY_RESULTS:-}" ]; then
  TALLY_RESULTS=$logs/results
  : >"$TALLY_RESULTS"
  steps_own_results=1
fi
export TALLY_RESULTS

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  steps_red=$'\e[31m' steps_green=$'\e[32m' steps_plain=$'\e[0m'
else
  steps_red='' steps_green='' steps_plain=''
fi

# The last number before one of these words.
steps_number() {
  sed -nE "s/.*\b([0-9]+) ($1)\b.*/\1/p" "$2" | tail -n 1
}

# Ctrl-C, or the end of the calling script, stops the running step and its processes at once, and then
# this script.
steps_kill() {
  kill -"$1" -- "-$steps_child" 2>/dev/null ||
    sudo -n kill -"$1" -- "-$steps_child" 2>/dev/null || true
}

steps_interrupt() {
  trap '' INT TERM
  [ -z "${steps_ticker:-}" ] || kill "$steps_ticker" 2>/dev/null
  if [ -n "${steps_child:-}" ]; then
    steps_kill INT
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      pgrep -g "$steps_child" >/dev/null || break
      sleep 0.1
    done
    steps_kill KILL
  fi
  printf '\ninterrupted\n' >&2
  exit 130
}
trap steps_interrupt INT TERM

# The progress of the step according to its output: pytest's percentage, or a dot for each part in
# $STEP_PROGRESS.
steps_how_far() {
  local dots percent
  percent=$(grep -aoE '\[ *[0-9]+%\]' "$1" 2>/dev/null | tail -n 1 | tr -d '[] ')
  dots=$(wc -c <"$1.progress" 2>/dev/null || echo 0)
  if [ -n "$percent" ]; then
    printf '%s' "$percent"
  elif [ "$dots" -gt 0 ]; then
    printf '%s done' "$dots"
  fi
}

# On a terminal one line, updated each second; otherwise a new line each half minute.
steps_tick() {
  local name=$1 log=$2 seconds=0
  while sleep 1; do
    seconds=$((seconds + 1))
    if [ -t 1 ]; then
      printf '     %-44s %8s %6d s \r' "$name" "$(steps_how_far "$log")" "$seconds"
    elif [ $((seconds % 30)) -eq 0 ]; then
      printf '     %-44s %8s %6d s …\n' "$name" "$(steps_how_far "$log")" "$seconds"
    fi
  done
}

step() {
  local name=$1 log passed failed skipped status=0 start=$EPOCHREALTIME took
  shift
  log=$logs/${name//[^a-zA-Z0-9]/-}.log
  if [ -t 1 ]; then printf '     %s …\r' "$name"; fi
  : >"$log.progress"
  steps_tick "$name" "$log" &
  steps_ticker=$!
  # Its own process group, which can be killed as a whole.
  set -m
  STEP_PROGRESS=$log.progress "$@" >"$log" 2>&1 </dev/null &
  steps_child=$!
  set +m
  wait "$steps_child" || status=$?
  steps_child=
  kill "$steps_ticker" 2>/dev/null
  wait "$steps_ticker" 2>/dev/null
  steps_ticker=
  rm -f "$log.progress"
  took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
  passed=$(steps_number passed "$log")
  failed=$(($(steps_number failed "$log" || true) + $(steps_number 'errors?' "$log" || true) + 0))
  skipped=$(steps_number skipped "$log")
  # A skipped test could go unnoticed: for root, which can run all tests, it counts as failed; for
  # other users its number is shown.
  if [ "$(id -u)" -eq 0 ]; then failed=$((failed + ${skipped:-0})); fi
  if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  if [ -z "$passed" ]; then passed=$((failed == 0)); fi
  printf '%s %s %s\n' "$passed" "$failed" "${skipped:-0}" >>"$TALLY_RESULTS"
  if [ "$failed" -eq 0 ]; then
    printf '%sok%s   %-44s %6d passed  %7ss%s\n' "$steps_green" "$steps_plain" "$name" "$passed" \
      "$took" "${skipped:+  ($skipped skipped)}"
    [ -z "$skipped" ] || grep -a '^SKIPPED' "$log" | sed 's/^/     | /' | head -n 20
  else
    printf '%sFAIL%s %-44s %6d failed  %7ss\n' "$steps_red" "$steps_plain" "$name" "$failed" "$took"
    tail -n "${TALLY_TAIL:-60}" "$log" | sed 's/^/     | /'
    printf '     (all of it: %s)\n' "$log"
  fi
}

# The last line, and the exit status. A script called by another one leaves both to its caller.
steps_finish() {
  [ -n "${steps_own_results:-}" ] || exit 0
  awk '{ passed += $1; failed += $2; skipped += $3 }
    END { printf "%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
    exit failed > 0 || passed == 0 }' "$TALLY_RESULTS"
}
