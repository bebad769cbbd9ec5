# shellcheck shell=sh
# Makes a network namespace a member of the cluster.
# $routes: each as RANGE,ADDRESS. $search: domains for short names. $dns: address of the cluster's DNS.
: "${routes?}" "${search?}" "${dns?}"
set -e
for route in $routes; do ip route replace "${route%,*}" via "${route##*,}"; done
# Not Docker's own resolver, for which the names of containers win over those of the cluster. Containers that join share the file.
printf 'search %s\nnameserver %s\noptions ndots:5\n' "$search" "$dns" > /etc/resolv.conf
