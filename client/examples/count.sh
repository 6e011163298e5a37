#!/usr/bin/env bash
# Prints the count of a trigger: count.sh TRIGGER. Needs bash, coreutils and socat.
LC_ALL=C # a length is one in bytes
path=${TALLY_SOCKET:-/run/tally/tally.sock} trigger=$1
declare -A field # what the answer says, by its path: 2.message, 3.count
request() { # [0, 1, "count", [trigger]], the name as str 8
  printf '\x94\x00\x01\xa5count\x91\xd9%b%s' "\\x$(printf %02x ${#trigger})" "$trigger"
}
fail() { printf '%s\n' "$1" >&2; exit 1; }
number() { # of so many bytes
  local n=$1
  for ((value = 0; n > 0; n--, value = value << 8 | 16#$byte)); do
    read -r byte <&4 || fail "no answer from an agent at $path"
  done
}
text() { # of so many bytes
  local n=$1 all=
  for ((; n > 0; n--)); do number 1; printf -v all '%s%b' "$all" "\\x$byte"; done; value=$all
}
array() { local i n=$1; for ((i = 0; i < n; i++)); do value "$2$i"; done; }
map() { local n=$1; for ((; n > 0; n--)); do value ''; value "$2.$value"; done; }
value() { # one msgpack value, whatever it is; "$1" is its path
  number 1
  case $((value < 0xc0 ? value >> 4 : value)) in
    8) map $((value & 15)) "$1" ;;
    9) array $((value & 15)) "$1" ;;
    10 | 11) text $((value & 31)) ;;
    20[2-9] | 21[01]) number $((1 << (value & 3))) ;;
    217 | 218 | 219) number $((1 << (value - 217))); text "$value" ;;
    220 | 221) number $((2 << (value - 220))); array "$value" "$1" ;;
    222 | 223) number $((2 << (value - 222))); map "$value" "$1" ;;
  esac
  field[${1:-key}]=$value
}
exec 3< <(exec timeout 6 socat -t 6 - "UNIX-CONNECT:$path,shut-none" 2>/dev/null < <(request))
agent=$!; trap 'kill "$agent" 2>/dev/null' EXIT
exec 4< <(exec stdbuf -oL od -An -v -tx1 -w1 <&3)
value ''
[ -z "${field[2.name]:-}" ] || fail "${field[2.name]}: ${field[2.message]}"
echo "${field[3.count]}"
