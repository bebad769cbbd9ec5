# shellcheck shell=sh
# Sends what comes for ports to the pod's address, where a program listens there and on no other.
# $address: of the pod. $ports: PORT,ADDRESS:PORT of each, the second part as proc_net_tcp(5) has it.
: "${address?}" "${ports?}"
for each in $ports; do
  port=${each%%,*}
  grep -q " ${each#*,} 00000000:0000 0A " /proc/net/tcp || continue
  iptables -w 5 -t nat -A PREROUTING -p tcp --dport "$port" -j DNAT --to-destination "$address:$port" || exit 1
done
