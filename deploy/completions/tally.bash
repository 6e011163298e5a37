# bash completion for tally(1)

_tally_socket() {
  local i
  for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
    if [[ ${COMP_WORDS[i]} == -s || ${COMP_WORDS[i]} == --socket ]]; then
      printf '%s\n' "${COMP_WORDS[i + 1]}"
      return
    fi
  done
}

# The agent's triggers: their full names, and once something is typed also the unambiguous shorter
# forms; none if the agent does not answer at once.
_tally_triggers() {
  local socket
  socket=$(_tally_socket)
  command tally ${socket:+-s "$socket"} -t 500ms list 2>/dev/null |
    awk -v typed="$1" 'NR > 1 && $1 !~ /:$/ {
        print $1
        if (typed == "") next
        parts = split($1, part, "/")
        forms[part[2]]++
        if (parts == 3) forms[part[2] "/" part[3]]++
        if (parts == 3 && part[3] !~ /^[0-9]+$/) {
          forms[part[3]]++
          forms[part[1] "/" part[3]]++
        }
      }
      END { for (form in forms) if (forms[form] == 1) print form }'
}

_tally() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local verbs="count list whoami status watch explain doctor ping ready top sockets wait query
    install call help"
  local global="--socket --output --timeout --help --version" options="" verb="" i
  COMPREPLY=()
  case $previous in
  -s | --socket)
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
  -o | --output)
    mapfile -t COMPREPLY < <(compgen -W "text json prometheus" -- "$word")
    return
    ;;
  -t | --timeout | --max-age | -i | --interval)
    mapfile -t COMPREPLY < <(compgen -W "500ms 1s 5s 30s 1m 5m" -- "$word")
    return
    ;;
  -u | --until)
    mapfile -t COMPREPLY < <(compgen -W "count active desired_replicas age_ms" -- "$word")
    return
    ;;
  --identity-of)
    mapfile -t COMPREPLY < <(compgen -W "$(_tally_triggers "$word")" -- "$word")
    return
    ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    -s | --socket | -o | --output | -t | --timeout) ((i++)) ;;
    -*) ;;
    *)
      verb=${COMP_WORDS[i]}
      break
      ;;
    esac
  done
  case $verb in
  count) options="--all --enough --exact --max-age --value --replicas" ;;
  wait) options="--until --interval --max-age --value --replicas" ;;
  watch) options="--max-age" ;;
  ready) options="--all --max-age" ;;
  explain) options="--all --value --replicas" ;;
  doctor) options="--all --value" ;;
  "" | list | whoami | status | ping | call) options="--all" ;;
  top) options="--interval" ;;
  query) options="--all --name --value --filter --index --region --identity-of --endpoint
    --consistent --max-pages" ;;
  esac
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options $global" -- "$word")
    return
  fi
  case $verb in
  "") mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word") ;;
  count | whoami | watch | explain | doctor | ready | wait)
    mapfile -t COMPREPLY < <(compgen -W "$(_tally_triggers "$word")" -- "$word")
    ;;
  help) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word") ;;
  install) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
  sockets) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  call)
    mapfile -t COMPREPLY < <(compgen -W "hello ping count list status whoami diagnose explain query" -- "$word")
    ;;
  esac
}

complete -o default -F _tally tally
