# bash completion for tally-bridge(8)

_tally_bridge() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $previous in
  --socket | --tls-cert | --tls-key | --client-ca | --token-file)
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
  --listen)
    mapfile -t COMPREPLY < <(compgen -W "127.0.0.1:6000 0.0.0.0:6000 [::]:6000" -- "$word")
    return
    ;;
  --log-level)
    mapfile -t COMPREPLY < <(compgen -W "error warn info debug" -- "$word")
    return
    ;;
  --log-format)
    mapfile -t COMPREPLY < <(compgen -W "logfmt json" -- "$word")
    return
    ;;
  --namespace) return ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "--socket --listen --namespace --tls-cert --tls-key
    --client-ca --token-file --check --no-seccomp --log-level --log-format --help --version" \
    -- "$word")
}

complete -o default -F _tally_bridge tally-bridge
