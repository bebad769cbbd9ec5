# shellcheck shell=sh
# What the scripts of a bridge in the network namespace of a pod have in common. Their arguments: the bridge's folder, the network
# namespace's name, the pod's addresses of IPv4 and of IPv6.
# $forwards: what goes to the local side, each as PROTOCOL,PORT,ADDRESS,TARGETPORT. $families: those of the node's pods, of 4 and 6.
: "${forwards?}" "${families?}"
. ../../cluster/network/iptables.sh

state=/run/vitest-kubernetes
# The kernel's own switches, as they were before the first bridge changed them.
note=$state/sysctl-$2
forward=/proc/sys/net/ipv4/ip_forward
localnet=/proc/sys/net/ipv4/conf/all/route_localnet
forward6=/proc/sys/net/ipv6/conf/all/forwarding

switch() {
  echo "$2" > $forward
  echo "$3" > $localnet
  [ -z "$4" ] || echo "$4" > $forward6
  # What route_localnet is for IPv4: answers to what came from loopback arrive by eth0 (strict lookup in net/ipv6/route.c).
  [ -z "$4" ] || ip -6 route "$1" local ::1/128 dev eth0 table local metric 2048
}

# Runs a command while no other bridge notes or changes the switches: the second one would note what the first has set. BusyBox'
# flock is not everywhere.
in_turn() {
  until ln -s $$ "$note.lock" 2>/dev/null; do
    holder=$(readlink "$note.lock")
    # It was killed.
    [ -e "/proc/$holder" ] || rm -f "$note.lock"
    sleep 0.01
  done
  "$@"
  result=$?
  rm -f "$note.lock"
  return $result
}

# conntrack stops at the first one that has ended by itself meanwhile, and ends with 1 then as well as when there was none. It
# looks through what the whole machine has noted, 14 ms of processor; how many notes are the network namespace's is known.
forget_connections() {
  case $2 in *:*) option='-f ipv6' ;; *) option= ;; esac
  protocol=$1
  shift 2
  for _ in 1 2 3 4 5; do
    noted=1; read -r noted < /proc/sys/net/netfilter/nf_conntrack_count
    [ "$noted" = 0 ] && break
    # shellcheck disable=SC2086
    said=$(conntrack -D $option -p "$protocol" "$@" 2>&1) && break
    case $said in *' 0 flow entries '*) break ;; esac
  done
}

# Runs a command with protocol, port, and address of each forward.
each_forward() {
  for each in $forwards; do
    rest=${each#*,}
    port=${rest%%,*} rest=${rest#*,}
    "$1" "${each%%,*}" "$port" "${rest%,*}"
  done
}

# Of the connections that were sent to the local side.
flush_tcp() { [ "$1" != tcp ] || forget_connections tcp "$3" --orig-port-dst "$2" --reply-src "$3"; }
# shellcheck disable=SC2329
flush_udp() { [ "$1" != udp ] || forget_connections udp "$3" --orig-port-dst "$2"; }

# Rules of an ended bridge, for a family. When a part is not there, or there twice, all that names their chains goes, each of which
# is TABLE:NAME.
restore_or_remove() {
  family=$1
  restore_rules "$family" 2>/dev/null <<RULES && return
$2
RULES
  shift 2
  for chain in "$@"; do
    jumps=$(save_rules "$family" "${chain%:*}" | sed -n "s/^-A \(.*-j ${chain#*:}\)$/-D \1/p")
    restore_rules "$family" <<RULES || exit 1
*${chain%:*}
:${chain#*:} - [0:0]
$jumps
-X ${chain#*:}
COMMIT
RULES
  done
}
