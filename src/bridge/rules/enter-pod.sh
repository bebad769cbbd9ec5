# shellcheck shell=sh
# Sets the rules of a bridge in a pod.
# $ports: of TCP, as a pattern for /proc/net/tcp; empty where there is none.
: "${ports?}"
. ./bridge-in-pod.sh

restore_all() {
  for family in $families; do
    restore_rules "$family" < "$1$family" || exit 1
  done
}

# No connection comes to the container any more. Of those that are there, one that has brought nothing yet is about to send its
# first request, and is waited for, a second at the most; then all are cut. A read of the kernel's list takes 10 ms of processor,
# since it goes through all of the machine's: it is left out where no connection of the network namespace is established
# (CurrEstab, RFC 4022).
cut_connections() {
  grep -qE '^Tcp: (-?[0-9]+ ){8}0 ' /proc/net/snmp && return
  connections=
  for pause in 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 \
    0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05 0.05; do
    # Columns of proc_net_tcp(5). 01 is ESTABLISHED, 03 SYN_RECV, which has fewer columns.
    connections=$(grep -hsE " [0-9A-F]+:($ports) [0-9A-F]+:[0-9A-F]{4} 0[13] " /proc/net/tcp /proc/net/tcp6) || break
    # The fourth from the end (ato) is 0 until the first data comes, see tcp_event_data_recv in net/ipv4/tcp_input.c.
    echo "$connections" | grep -qE ':[0-9A-F]{4} (03 |01 .* 0 [0-9]+ [0-9]+ -?[0-9]+ *$)' || break
    sleep $pause
  done
  [ -n "$connections" ] || return
  : > "$1/cut-$2"
  restore_all "$1/cut"
}

turn_on() {
  case " $families " in *' 6 '*) on6=1 ;; *) on6= ;; esac
  if ! [ -e "$note" ]; then
    read -r was < $forward
    read -r was_localnet < $localnet
    was6=
    [ -z "$on6" ] || read -r was6 < $forward6
    echo "$was $was_localnet $was6" > "$note"
  fi
  switch replace 1 1 "$on6"
}

in_turn turn_on || exit 1
restore_all "$1/rules"
each_forward flush_udp
[ -z "$ports" ] || cut_connections "$1" "$2"
: > "$1/done-$2"
