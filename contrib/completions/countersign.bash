# Made by build/docs/completions.ts; change the commands' help instead.
_countersign() {
  local word=${COMP_WORDS[COMP_CWORD]} former=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "init keys sign verify shim incoming serve submitd explain audit sweep doctor sandbox log plain outbox passwd expire help version" -- "$word"))
    return
  fi
  # bash splits --direction=in into three words.
  if [ "$word" = = ]; then word=
  elif [ "$former" = = ]; then former=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $command:$former in
    init:--address | init:--srs-domain | init:--command | init:--preset | init:--host | init:--port | init:--user | keys:--address | keys:--signs-from | keys:--id | keys:--created | sign:--now | verify:--now | incoming:--sender | incoming:--recipient | explain:--sender | explain:--recipient | explain:--as | audit:--address | sweep:--days | doctor:--host | doctor:--address | doctor:--to | doctor:--wait | log:--result | log:--since | passwd:--user)
      return ;;
    init:--via)
      words="command smtp maildir" command= ;;
    init:--security)
      words="tls starttls none" command= ;;
    init:--password-file | init:--ca | init:--config | keys:--config | keys:--settings | sign:--config | verify:--config | incoming:--config | serve:--config | submitd:--config | explain:--config | audit:--sent | audit:--html | audit:--config | sweep:--config | doctor:--hook | doctor:--postconf | doctor:--sent | doctor:--config | sandbox:--config | log:--config | plain:--config | outbox:--config | passwd:--file | expire:--config)
      compopt -o default && return ;;
    init:--maildir | init:--spam | incoming:--maildir | sweep:--spam | passwd:--home)
      compopt -o dirnames && return ;;
    keys:--from)
      words="mail-srs postsrsd exim batv-tools pymsgauth" command= ;;
    keys:--newline)
      words="keep cut" command= ;;
    sign:--scheme)
      words="srs prvs" command= ;;
    incoming:--as)
      words="qmail maildrop procmail postfix filter condredirect" command= ;;
    explain:--at)
      words="rcpt data" command= ;;
    log:--direction)
      words="in out" command= ;;
  esac
  case $command in
    init)
      words="--address --srs-domain --via --command --preset --host --port --security --user --password-file --ca --maildir --spam --challenges --config --yes --print --help" ;;
    keys)
      compopt -o default
      words="list new retire import --address --forwarding --config --signs-from --from --newline --id --created --sign --settings --help" ;;
    sign)
      words="--scheme --now --config --help" ;;
    verify)
      words="--now --config --help" ;;
    shim)
      words="--help" ;;
    incoming)
      words="--as --maildir --forward --config --sender --recipient --help" ;;
    serve)
      words="--config --help" ;;
    submitd)
      words="--config --help" ;;
    explain)
      compopt -o default
      words="--sender --recipient --as --at --out --json --config --help" ;;
    audit)
      compopt -o default
      words="--sent --address --json --html --config --help" ;;
    sweep)
      compopt -o default
      words="--spam --mark --all --days --dry-run --quiet --json --watch --config --help" ;;
    doctor)
      words="--json --hook --postconf --sent --dns --host --loop --address --to --wait --config --help" ;;
    sandbox)
      compopt -o default
      words="--print --config --remove --help" ;;
    log)
      words="--direction --result --since --follow --config --help" ;;
    plain)
      words="list add remove --config --help" ;;
    outbox)
      words="run list flush hold release delete --config --help" ;;
    passwd)
      words="list add change remove --file --user --home --help" ;;
    expire)
      words="--config --help" ;;
    help)
      words="init keys sign verify shim incoming serve submitd explain audit sweep doctor sandbox log plain outbox passwd expire help version" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _countersign countersign
