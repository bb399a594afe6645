# Starts a program in Deno with the permissions that "countersign sandbox" wrote. A status that is not one of the
# program's becomes a temporary failure. The launcher's own lines come first (see build/install/launcher.ts): they set
# part and program, and define parts(), which sets Deno and the module, relative to $here, the launcher's folder.
name=${0##*/} config= maildir= caller=qmail forward= option= plain=1 soft=75 newline='
'
case $program in incoming | doorbell | serve | submitd) for word; do
  [ -z "$option" ] || word=--$option=$word option=
  case $word in
    --) plain= && break ;; # addresses follow, and a sender may choose them
    --as | --config | --maildir | --mbox | --sender | --recipient) option=${word#--} ;;
    --as=*) caller=${word#*=} ;;
    --config=*) config=${word#*=} ;;
    --maildir=* | --mbox=*) maildir=${word#*=} ;;
    --forward) forward=forward ;;
  esac
  [ "${word%%=*}" = --as ] || plain= # it has options besides --as
done ;; esac
case $name:$caller in qmail-inject:* | *:condredirect) soft=111 ;; esac
later() { echo "$name: $1" >&2; exit "$soft"; }
trusted() { [ -O "$1" ] || { set -- $(ls -lnL -- "$1" 2>/dev/null) && [ "${3-}" = 0 ]; }; } # the user's or root's?
{ command exec 9<&0; } 2>/dev/null || { [ "$program$soft" != shim75 ] || soft=74; later "standard input is closed"; }
[ -n "${PWD-}" ] || later "the working directory does not exist"; [ -x . ] || cd / # Deno starts no program there
case $maildir in *,*) later "$maildir contains a comma, which a permission cannot express" ;; esac
# Debian's system cron sets no HOME. Deno looks for .npmrc in HOME, and fails if it is not a folder.
[ -n "${HOME-}" ] || { line=$(getent passwd "$(id -u)" 2>/dev/null) && line=${line%:*} && export HOME="${line##*:}"; }
[ ! -e "${HOME-}" ] || [ -d "$HOME" ] || HOME=/proc/nonexistent # nothing can be created there

# The settings and the sandbox file beside them. Without one a program may do what its user may, except connect.
[ -n "$config" ] || config=${COUNTERSIGN_CONFIG-}
site=/etc/countersign/config.toml users=${XDG_CONFIG_HOME:-${HOME-}/.config}/countersign/config.toml
[ -n "$config" ] || [ -e "$users" ] || [ ! -e "$site" ] || config=$site; config=${config:-$users}
case $program in shim | incoming | doorbell | serve | submitd) sandbox=${config%.toml}.sandbox ;; *) sandbox= ;; esac
allowed= ordinary= number=0 home= called= found= reset= child= hit= to=${RECIPIENT-}
case $to in *[ABCDEFGHIJKLMNOPQRSTUVWXYZ]*) for pair in Aa Bb Cc Dd Ee Ff Gg Hh Ii Jj Kk Ll Mm Nn Oo Pp Qq Rr Ss Tt Uu \
  Vv Ww Xx Yy Zz; do
  while [ "$to" != "${to#*"${pair%?}"}" ]; do to=${to%%"${pair%?}"*}${pair#?}${to#*"${pair%?}"}; done # to lower case
done ;; esac
real_path() { # sets real to the name of $1 without symbolic links; only if there are any, it starts a process
  real=$1 up=$1
  case $1/ in [!/]* | *//* | */./* | */../*) ;; *) until [ -z "$up" ] || [ -L "$up" ]; do up=${up%/*}; done ;; esac
  [ -z "$up" ] || { real=$(readlink -f -- "$1" 2>/dev/null) && [ -n "$real" ]; }
}
# If the home directory is a link, Deno needs permissions for both of its names.
real_home() { [ -n "$home" ] || { real_path "$HOME" && home=$real; } || home=$HOME; }
if [ -e "$sandbox" ] || [ -L "$sandbox" ]; then
  { [ -f "$sandbox" ] && [ -r "$sandbox" ]; } || later "$sandbox cannot be read"
  trusted "$sandbox" || later "$sandbox belongs to another user"
  while IFS= read -r line || [ -n "$line" ]; do # a path may end with spaces
    number=$((number + 1)) who=${line%% *} flag=${line#* } thing=${line#*=} twin=
    case $who:$flag in
      : | '#'* | door:*) continue ;; ordinary:?*@?*) [ "$flag" != "$to" ] || ordinary=1; continue ;;
      serve:--allow-run=*) flag= ;; shim:* | incoming:* | doorbell:* | forward:* | serve:* | submitd:*) ;; *) flag= ;;
    esac
    case $flag in --allow-read=?* | --allow-write=?* | --allow-run=?* | --allow-net=?*) ;;
      *) later "line $number of $sandbox is not valid: countersign sandbox" ;; esac
    [ "$who" = "$program" ] || [ "$who" = "${forward:-$program}" ] || continue
    case $thing in '~/'*) real_home && twin=$home/${thing#'~/'} thing=$HOME/${thing#'~/'} ;; esac
    case $twin$thing in *,*) later "$thing in $sandbox contains a comma, which a permission cannot express" ;; esac
    allowed=$allowed${twin:+${flag%%=*}=$twin$newline}${flag%%=*}=$thing$newline
  done <"$sandbox"
  [ -n "$allowed" ] || case $program:${1-} in serve:*) allowed=--allow-read=/$newline ;; # it says what is missing
    *:-h | *:--help | *:-V | *:--version) allowed=--allow-env$newline ;; esac
  [ -n "$allowed" ] || later "$sandbox has no permissions for $program: countersign sandbox"
elif [ -n "$sandbox" ] && [ -e "${config%.toml}.permissions" ]; then
  later "${config%.toml}.permissions was written by an earlier version: countersign sandbox"
fi
# Under qmail, mail from a person to an ordinary address passes if a line after the hook's in .qmail delivers it.
if [ "$caller$option$plain$ordinary" = qmail11 ] && [ -z "${EXT-}${DEFAULT+set}" ] && [ "$sandbox" -nt "$config" ] &&
  [ -r "$config" ] && [ -f "$HOME/.qmail" ] && [ -r "$HOME/.qmail" ]; then
  case ${SENDER-} in
    *[!a-zA-Z0-9.+_@=/~#-]* | *[Dd][Aa][Ee][Mm][Oo][Nn]*) ;;
    ?*@?*) while IFS= read -r line || [ -n "$line" ]; do
      case "$line " in [./\&a-zA-Z0-9]*) found=$called ;; [!\|]*) ;; # the name: a word, or the last part of a path
        *[!a-zA-Z0-9_.-]"$name"[!a-zA-Z0-9_./-]*) called=1 found= ;; *) found=$called ;; esac
    done <"$HOME/.qmail" ;;
  esac
  [ -z "$found" ] || exit 0
fi
if [ "$program$caller" = incomingqmail ] && [ -n "$allowed" ] && real_home; then # it reads the file that calls it
  front=; [ -z "${EXT-}${DEFAULT+default}" ] || front=-${EXT%"${DEFAULT-}"}${DEFAULT+default}
  case $front in *[!abcdefghijklmnopqrstuvwxyz0123456789=_/-]*) front=* ;; esac
  for file in "$HOME"/.qmail$front; do
    target=$home/${file#"$HOME/"}
    [ ! -L "$file" ] || target=$(readlink -f -- "$file") || target=$file
    case $file$target in *,*) continue ;; "$file$file") ;; *) allowed=$allowed--allow-read=$target$newline ;; esac
    allowed=$allowed--allow-read=$file$newline
  done
fi
# Before it delivers, the program checks that its parent is still this process, which waits for its status.
export COUNTERSIGN_LAUNCHER=$$ DENO_NO_UPDATE_CHECK=1
real_path "$0" || later "the path of this launcher cannot be resolved"
here=${real%/*} && parts; [ -s "$entry" ] || later "$entry is missing or empty"
raise() { # raises a soft limit to the hard limit, which must be large enough for Deno
  ulimit -S "-$1" unlimited 2>/dev/null && return
  hard=$(ulimit -H "-$1" 2>/dev/null) && ulimit -S "-$1" "$hard" 2>/dev/null
  case $hard in '' | *[!0-9]*) return ;; esac
  [ "$hard" -ge "$2" ] || later "the hard limit of $3 is $hard KB, but Deno needs $2 KB: raise it in the caller"
}
raise v 41000000 "address space"; raise d "$data" data
set -f; for word in $(export -p); do case ${word%%=*} in # variables of the dynamic linker, Deno and its Node layer
  DENO_DIR | DENO_NO_UPDATE_CHECK | *[!A-Z0-9_]*) ;;
  LD_* | DENO_* | NODE_* | OTEL_* | RUST_* | TOKIO_* | SSLKEYLOGFILE) unset "${word%%=*}" ;;
esac done
for word in "${LC_ALL-}" "${LC_MESSAGES-}" "${LANG-}"; do case $word in # Deno fails if one is not the name of a locale
  '' | C | C.* | POSIX | [a-z][a-z] | [a-z][a-z][_.@]* | [a-z][a-z][a-z] | [a-z][a-z][a-z][_.@]*) ;;
  *) unset LC_ALL LC_MESSAGES LANG ;;
esac done
[ ! -e "${DENO_DIR-}" ] || trusted "$DENO_DIR" || unset DENO_DIR # V8 runs cached code
[ -n "${DENO_DIR-}" ] || [ ! -d "$cache" ] || export DENO_DIR="$cache"
# bash and mksh pass on an ignored SIGCHLD, which loses exit statuses. If it is blocked, dash waits forever.
[ -z "${BASH_VERSION-}${KSH_VERSION-}" ] || ! grep -q '^SigIgn:.*[13579bdf]....$' /proc/self/status 2>/dev/null ||
  reset="env --default-signal=CHLD"
# The signals that are blocked are field 32 of proc(5).
is_blocked() { read -r line </proc/self/stat && set -- ${line##*) } && [ $((${30:-0} >> 16 & 1)) = 1 ]; } 2>/dev/null
[ -z "$allowed" ] || allowed=$allowed--allow-read=${entry%/*}$newline--allow-read=$sandbox
IFS=$newline && set -- ${allowed:-$wide} "$entry" "$name" "$@" && unset IFS
set -- $reset "$deno" run -q --no-prompt $flags ${manifest:+--config "$manifest"} --allow-env --allow-sys=uid "$@"
pass_on() { hit=1; [ -z "$child" ] || kill -s "${1:-TERM}" "$child" 2>/dev/null; } # HUP makes serve reload
trap pass_on TERM INT HUP QUIT ALRM USR1 USR2 PIPE XCPU VTALRM
case $program in serve | submitd) export COUNTERSIGN_FILES="$(ulimit -H -n)"; trap "pass_on HUP" HUP ;; esac
if is_blocked; then "$@" <&9 9<&-; status=$?; else # signals are handled only after the program has ended
  "$@" <&9 9<&- & # from 9, because a shell connects background commands to /dev/null
  child=$!; exec 9<&-
  [ -z "$hit" ] || pass_on # a signal that arrived before the program was started
  wait "$child"; status=$? # a signal interrupts wait before the child has ended
  while [ -n "$hit" ]; do hit=; wait "$child"; again=$?; [ "$again" = 127 ] || status=$again; done
fi
case $part.$status in chain.* | *.0 | *.75 | *.111 | *.$finds | [!s]*.10 | d*.1[1-3] | [!s]*.99 | \
  [!di]*.6[4-9] | [!di]*.7[0-8] | [!di]*.100) exit "$status" ;; esac
later "exited with status $status"
