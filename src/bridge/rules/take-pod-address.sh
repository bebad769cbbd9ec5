# shellcheck shell=sh
# Lets programs of a member bind to the address of a pod. What they send to that address goes to the pod all the same.
# $address: of the pod. $via: of its node.
: "${address?}" "${via?}"
set -e
# A number that nothing else in the network namespace has.
table=77

ip route add "$address/32" via "$via" table $table
# Of what comes from here; iif lo is no device in this case, see ip-rule(8). The kernel's own rule comes after it.
ip rule add iif lo to "$address/32" lookup $table pref 1
ip rule add lookup local pref 2
ip rule del pref 0
ip address add "$address/32" dev lo
