#!/bin/sh
# Starts @PROGRAM@. Made from build/run.sh: change it there.
# Every status that is not the program's own word becomes "try again later".
name=${0##*/}
program=@RIGHTS@
[ -n "$program" ] || program=$name
[ "$program" != countersign ] || program=${1-}
config= maildir= caller=qmail forward= option=
[ "$program" != incoming ] || for word; do
  [ -z "$option" ] || word=--$option=$word option=
  case $word in
    --) break ;; # behind it stand addresses, which are strangers' words
    --config | --maildir | --as | --sender | --recipient) option=${word#--} ;;
    --config=*) config=${word#*=} ;;
    --maildir=*) maildir=${word#*=} ;;
    --as=*) caller=${word#*=} ;;
    --forward) forward=forward ;;
  esac
done
soft=75
[ "$name" != qmail-inject ] || soft=111
[ "$caller" != condredirect ] || soft=111
# These say 1 for what they found; from all others 1 is Deno's own word.
finds=
case "$name ${1-}" in "doctor "* | "verify "* | "countersign doctor" | "countersign verify") finds=1 ;; esac
later() {
  echo "$name: $1" >&2
  exit "$soft"
}
# Is it the user's own, or root's?
trusted() {
  [ -O "$1" ] && return
  set -- $(ls -lnL -- "$1" 2>/dev/null)
  [ "${3-}" = 0 ]
}
# Raises a soft limit to the hard one, which must hold what Deno needs. Where there is none no process is started.
raise() {
  ulimit -S "-$1" unlimited 2>/dev/null && return
  hard=$(ulimit -H "-$1" 2>/dev/null) || return 0
  case $hard in '' | *[!0-9]*) return ;; esac
  [ "$hard" -ge "$2" ] || later "the hard limit of $3 is $hard KB, and Deno needs $2 KB: raise it where this is started"
  ulimit -S "-$1" "$hard" 2>/dev/null
}
raise v @ADDRESSES@ "address space"
raise d @DATA@ data
case $maildir in *,*) later "--maildir $maildir has a comma, so no permission can be given for it" ;; esac

# What the dynamic linker, Deno and its Node layer would obey: whoever set it did not mean us.
unset @UNSET@
# V8 runs the code that it finds there.
[ ! -e "${DENO_DIR-}" ] || trusted "$DENO_DIR" || unset DENO_DIR

self=$(readlink -f -- "$0" 2>/dev/null) || later "cannot find itself"
here=${self%/*}
deno=@DENO@
command -v "$deno" >/dev/null 2>&1 || later "Deno ($deno) is not there"
first=
case $deno in
  # A shell runs an empty file, as Deno does an empty module, and calls it a success.
  /*) [ -s "$deno" ] || later "Deno ($deno) is empty" ;;
  *) { IFS= read -r first <"$(command -v "$deno")"; } 2>/dev/null ;;
esac
# Before it delivers, the program makes sure that its parent is still this process, which waits to report it. A script,
# as npm puts it in place of Deno where it may run none of its own, is another parent: then it cannot.
COUNTERSIGN_LAUNCHER=$$
export COUNTERSIGN_LAUNCHER
case $first in "#!"*) unset COUNTERSIGN_LAUNCHER ;; esac
[ -n "${PWD-}" ] || later "the working folder is gone"

# Debian's cron, started by the system, hands down none.
if [ -z "${HOME-}" ]; then
  entry=$(getent passwd "$(id -u)" 2>/dev/null)
  entry=${entry%:*}
  HOME=${entry##*:}
  export HOME
fi
# A home that is no folder, as /dev/null: Deno would stop because it cannot look for an .npmrc in it.
[ ! -e "${HOME-}" ] || [ -d "$HOME" ] || HOME=/nonexistent
# Deno stops where one of these is no locale's name.
for value in "${LC_ALL-}" "${LC_MESSAGES-}" "${LANG-}"; do
  case $value in
    '' | C | C.* | POSIX | [a-z][a-z] | [a-z][a-z][_.@]* | [a-z][a-z][a-z] | [a-z][a-z][a-z][_.@]*) ;;
    *) unset LC_ALL LC_MESSAGES LANG ;;
  esac
done
DENO_NO_UPDATE_CHECK=1
export DENO_NO_UPDATE_CHECK
@CACHE@# What a program under an MTA says goes into logs and bounces.
[ "$name" = countersign ] || export NO_COLOR=1

# An inherited "ignore" for SIGCHLD would lose the status of the program that we run. dash has reset it by now; bash
# has too, but hands it on, which only a child can see. Where it is blocked, the wait of dash would never end.
reset= blocked=
if [ -n "${BASH_VERSION-}" ]; then
  case $(cat /proc/self/status 2>/dev/null) in
    *SigIgn:*[13579bdf]????"
SigCgt:"*) reset="env --default-signal=CHLD" ;;
  esac
elif [ -r /proc/self/status ]; then
  while read -r key value; do
    case $key$value in
      SigBlk:*[13579bdf]????) blocked=1 ;;
      SigIgn:*[13579bdf]????) reset="env --default-signal=CHLD" ;;
      SigCgt:*) break ;;
    esac
  done </proc/self/status
fi

# What it may touch. The two programs under an MTA get what countersign permit has written beside the settings, a
# program, a right and a thing a line; without that file, and in the hands of a user, what they could need.
set -- "@ENTRY@" "$name" "$@"
[ -s "$1" ] || later "$1 is not there, or empty"
case $program in
  shim | sendmail | qmail-inject | mailq | newaliases | incoming)
    [ "$program" = incoming ] || program=shim
    [ -n "$config" ] || config=${COUNTERSIGN_CONFIG-}
    if [ -z "$config" ]; then
      config=${XDG_CONFIG_HOME:-${HOME-}/.config}/countersign/config.toml
      [ -e "$config" ] || [ ! -e /etc/countersign/config.toml ] || config=/etc/countersign/config.toml
    fi
    permit=${config%.toml}.permissions
    if [ -e "$permit" ] || [ -L "$permit" ]; then
      { [ -f "$permit" ] && [ -r "$permit" ]; } || later "$permit cannot be read"
      trusted "$permit" || later "$permit belongs to another user"
      set -- "--allow-read=${1%/*}" "--allow-read=$permit" "$@" # its own late parts; who may write the permissions
      none=1 real=
      while IFS= read -r thing || [ -n "$thing" ]; do # a path may end with spaces
        who=${thing%% *} thing=${thing#* }
        right=${thing%% *} thing=${thing#* }
        [ "$who" = "$program" ] || [ "$who" = "${forward:-$program}" ] || continue
        case $right in
          read | write | run | net) none= ;;
          *) later "$permit grants $right, which is no right: countersign permit" ;;
        esac
        case $thing in "~/"*)
          # Where a home is a link Deno asks for both of its names.
          [ -n "$real" ] || real=$(readlink -f -- "$HOME") || real=$HOME
          set -- "--allow-$right=$real/${thing#"~/"}" "$@"
          thing=$HOME/${thing#"~/"}
          ;;
        esac
        case $real$thing in
          *,*) later "$thing in $permit has a comma, so no permission can be given for it" ;;
          *) set -- "--allow-$right=$thing" "$@" ;;
        esac
      done <"$permit"
      [ -z "$none" ] || later "$permit has nothing for $program: countersign permit"
      [ -z "$maildir" ] || set -- "--allow-read=$maildir" "--allow-write=$maildir" "$@"
      # The file that called it, as qmail-local finds it: with other letters than these, one of all. A home of lists has
      # thousands, and each costs. Where a link leads there, Deno asks for the real name too.
      front=
      [ -z "${EXT-}${DEFAULT+default}" ] || front=-${EXT%"${DEFAULT-}"}${DEFAULT+default}
      case $front in *[!abcdefghijklmnopqrstuvwxyz0123456789=_/-]*) front=* ;; esac
      if [ "$program$caller" = incomingqmail ]; then
        folder=$PWD real=$HOME
        cd -P -- "$HOME" 2>/dev/null && real=$PWD # no process is started for it
        cd -- "$folder" || later "$folder cannot be entered again"
        for file in "$HOME"/.qmail$front; do
          target=$real/${file#"$HOME/"}
          [ ! -L "$file" ] || target=$(readlink -f -- "$file") || target=$file
          case $file$target in
            *,*) ;;
            "$file$file") set -- "--allow-read=$file" "$@" ;;
            *) set -- "--allow-read=$file" "--allow-read=$target" "$@" ;;
          esac
        done
      fi
    else
      set -- --allow-read --allow-write --allow-run "$@"
    fi
    ;;
  explain | sign | verify | log | help | version) set -- --allow-read "$@" ;;
  keys | plain | expire | audit | permit) set -- --allow-read --allow-write "$@" ;;
  doctor) set -- --allow-read --allow-run --allow-net "$@" ;;
  *) set -- --allow-read --allow-write --allow-run "$@" ;;
esac

# A shell gives /dev/null to what it runs in the background: standard input goes by way of 9.
{ command exec 9<&0; } 2>/dev/null || later "standard input is closed"
child= hit=
forward() {
  hit=1
  [ -z "$child" ] || kill -s TERM "$child" 2>/dev/null
}
trap forward TERM INT HUP QUIT ALRM USR1 USR2 PIPE XCPU VTALRM
set -- $reset "$deno" run -q --no-prompt @FLAGS@ --allow-env --allow-sys=uid "$@"
if [ -n "$blocked" ]; then # a signal is seen only when all is over, but the status is true
  "$@" <&9 9<&-
  status=$?
else
  "$@" <&9 9<&- &
  child=$!
  exec 9<&-
  [ -z "$hit" ] || forward # a signal that came before there was anybody to tell
  wait "$child"
  status=$?
  while [ -n "$hit" ]; do # a signal ends wait before the child has ended
    hit=
    wait "$child"
    again=$?
    [ "$again" = 127 ] || status=$again
  done
fi

case $status in
  @STATUSES@) exit "$status" ;;
  1) [ -z "$finds" ] || exit 1 ;;
esac
later "ended with status $status"
