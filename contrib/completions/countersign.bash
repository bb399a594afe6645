# Made by build/docs/completions.ts; change the commands' help instead.
_countersign() {
  local word=${COMP_WORDS[COMP_CWORD]} former=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "init doctor config sandbox keys plain explain audit verify sign log report serve submitd passwd outbox sweep expire shim incoming doorbell help version" -- "$word"))
    return
  fi
  # bash splits --direction=in into three words.
  if [ "$word" = = ]; then word=
  elif [ "$former" = = ]; then former=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $command:$former in
    init:--address | init:--srs-domain | init:--command | init:--preset | init:--host | init:--port | init:--user | init:--name | init:--auth | init:--login | init:--listen | init:--listen-tls | init:--max-message | init:--max-per-address | doctor:--host | doctor:--address | doctor:--to | doctor:--wait | keys:--address | keys:--doorbell | keys:--signs-from | keys:--id | keys:--created | explain:--sender | explain:--recipient | explain:--as | audit:--address | verify:--now | sign:--now | log:--id | log:--since | report:--since | passwd:--user | sweep:--days | incoming:--sender | incoming:--recipient | doorbell:--service)
      return ;;
    init:--via)
      words="command smtp maildir" command= ;;
    init:--security)
      words="tls starttls none" command= ;;
    init:--password-file | init:--ca | init:--config | init:--certificate | init:--key | doctor:--hook | doctor:--postconf | doctor:--sent | doctor:--config | config:--config | sandbox:--config | keys:--config | keys:--settings | plain:--config | explain:--config | audit:--sent | audit:--html | audit:--config | verify:--config | sign:--config | log:--config | report:--config | serve:--config | submitd:--config | passwd:--file | outbox:--config | sweep:--config | expire:--config | incoming:--mbox | incoming:--config | doorbell:--config | doorbell:--file)
      compopt -o default && return ;;
    init:--maildir | init:--spam | init:--inbox | passwd:--home | sweep:--spam | incoming:--maildir)
      compopt -o dirnames && return ;;
    keys:--from)
      words="mail-srs postsrsd exim batv-tools pymsgauth" command= ;;
    keys:--newline)
      words="keep cut" command= ;;
    explain:--at)
      words="rcpt data" command= ;;
    sign:--scheme)
      words="srs prvs" command= ;;
    log:--direction)
      words="in out" command= ;;
    log:--result)
      words="sent failed queued reported undelivered notice passed signed refused deferred reloaded kept new mismatch expired denied genuine known late unsolicited suspect forged unsure unjudged challenge other" command= ;;
    incoming:--as)
      words="qmail maildrop procmail postfix filter condredirect" command= ;;
  esac
  case $command in
    init)
      words="--address --srs-domain --via --command --preset --host --port --security --user --password-file --ca --maildir --spam --inbox --challenges --config --yes --print --print-all --submit --certificate --key --name --auth --login --listen --listen-tls --max-message --max-per-address --help" ;;
    doctor)
      words="--json --redact --hook --postconf --sent --dns --host --loop --address --to --wait --config --help" ;;
    config)
      words="--all --config --help" ;;
    sandbox)
      compopt -o default
      words="--print --config --remove --help" ;;
    keys)
      compopt -o default
      words="list new retire import --address --doorbell --forwarding --config --signs-from --from --newline --id --created --sign --settings --help" ;;
    plain)
      words="list add remove --config --help" ;;
    explain)
      compopt -o default
      words="--sender --recipient --as --at --out --json --redact --config --help" ;;
    audit)
      compopt -o default
      words="--sent --address --json --html --overwrite --config --help" ;;
    verify)
      words="--now --config --help" ;;
    sign)
      words="--scheme --now --config --help" ;;
    log)
      words="--direction --result --id --since --follow --config --help" ;;
    report)
      words="--since --json --config --help" ;;
    serve)
      words="--config --help" ;;
    submitd)
      words="--config --help" ;;
    passwd)
      words="list add change remove --file --user --home --help" ;;
    outbox)
      words="run list flush hold release delete --config --help" ;;
    sweep)
      compopt -o default
      words="--spam --mark --all --days --dry-run --quiet --json --watch --config --help" ;;
    expire)
      words="--config --help" ;;
    shim)
      words="--help" ;;
    incoming)
      words="--as --maildir --mbox --forward --config --sender --recipient --probe --help" ;;
    doorbell)
      words="list run allow deny forget release delete --service --config --file --help" ;;
    help)
      words="init doctor config sandbox keys plain explain audit verify sign log report serve submitd passwd outbox sweep expire shim incoming doorbell help version" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _countersign countersign
