# shellcheck shell=bash
# Sourced by run.sh and lint.sh: named steps, one line of progress each, and the count at the end.
#
# A step is a command. What it says is kept in a file and shown only if it fails. Where its output
# tells "N passed" or "N failed" (pytest, tests/unit.sh), that is what it counts for; else it
# counts for one.

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

# The last number that stands before one of these words.
steps_told() {
  sed -nE "s/.*\b([0-9]+) ($1)\b.*/\1/p" "$2" | tail -n 1
}

step() {
  local name=$1 log passed failed skipped status=0 start=$EPOCHREALTIME took
  shift
  log=$logs/${name//[^a-zA-Z0-9]/-}.log
  if [ -t 1 ]; then printf '     %s …\r' "$name"; fi
  "$@" >"$log" 2>&1 </dev/null || status=$?
  took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
  passed=$(steps_told passed "$log")
  failed=$(($(steps_told failed "$log" || true) + $(steps_told 'errors?' "$log" || true) + 0))
  skipped=$(steps_told skipped "$log")
  # What is skipped was not tested, and nobody would notice. Only root can test everything.
  if [ "$(id -u)" -eq 0 ]; then failed=$((failed + ${skipped:-0})); fi
  if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  if [ -z "$passed" ]; then passed=$((failed == 0)); fi
  printf '%s %s\n' "$passed" "$failed" >>"$TALLY_RESULTS"
  if [ "$failed" -eq 0 ]; then
    printf '%sok%s   %-44s %6d passed  %7ss\n' "$steps_green" "$steps_plain" "$name" "$passed" \
      "$took"
  else
    printf '%sFAIL%s %-44s %6d failed  %7ss\n' "$steps_red" "$steps_plain" "$name" "$failed" "$took"
    tail -n "${TALLY_TAIL:-60}" "$log" | sed 's/^/     | /'
    printf '     (all of it: %s)\n' "$log"
  fi
}

# The closing line, and the exit status. A script that another one called leaves both to it.
steps_finish() {
  [ -n "${steps_own_results:-}" ] || exit 0
  awk '{ passed += $1; failed += $2 } END { printf "%d passed, %d failed\n", passed, failed
    exit failed > 0 || passed == 0 }' "$TALLY_RESULTS"
}
