# shellcheck shell=sh
# What the node's own iptables programs are, unless a variable names a faster one (find-iptables.sh).

# Rules from standard input, for family 4 or 6.
restore_rules() {
  case $1 in
    6) "${ip6tables_restore:-ip6tables-restore}" -w 5 --noflush ;;
    *) "${iptables_restore:-iptables-restore}" -w 5 --noflush ;;
  esac
}

# Rules of a table, of family 4 or 6.
save_rules() {
  case $1 in
    6) "${ip6tables_save:-ip6tables-save}" -t "$2" ;;
    *) "${iptables_save:-iptables-save}" -t "$2" ;;
  esac
}
