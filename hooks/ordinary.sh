# For hooks/queue and hooks/rcptcheck: decides by the envelope alone, without starting Deno, about most mail. Deno would
# take several times as long as qmail-queue. `countersign sandbox` lists in the sandbox file what the door may reject
# when the sender is a person; see doorAddresses in lib/settings/sandbox.ts.

# Succeeds if the door accepts mail from $1 to $2 in any case. In doubt it fails, and serve is queried.
ordinary() {
  config=${COUNTERSIGN_CONFIG:-/etc/countersign/config.toml} listed=
  sandbox=${config%.toml}.sandbox
  # The null sender, daemons, and addresses that programs write in different ways.
  case $1 in *[!a-zA-Z0-9.+_@=/~#-]* | *[Dd][Aa][Ee][Mm][Oo][Nn]*) return 1 ;; ?*@?*) ;; *) return 1 ;; esac
  case $2 in
    *[!a-z0-9.+_@=-]* | *srs[01]* | *prvs* | *@*@* | *. | *@) return 1 ;; # also those that may be signed: with capitals
    ?*@?*) ;;
    *) return 1 ;;
  esac
  [ -r "$sandbox" ] && [ "$sandbox" -nt "$config" ] || return 1
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      "door @${2#*@}" | "door $2") return 1 ;;
      'door /'*) # the file of addresses that have moved
        [ -r "${line#door }" ] && ! grep -qiF -e "$2" -- "${line#door }" || return 1 ;;
      door*) listed=1 ;;
    esac
  done <"$sandbox"
  [ -n "$listed" ]
}
