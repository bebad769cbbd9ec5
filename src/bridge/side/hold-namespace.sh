# shellcheck shell=sh
# Makes a network namespace a member of the cluster.
# $routes: each as RANGE,ADDRESS. $resolv_conf: text of the resolver's file.
: "${routes?}" "${resolv_conf?}"
set -e
for route in $routes; do ip route replace "${route%,*}" via "${route##*,}"; done
# Containers that join share the file.
printf '%s' "$resolv_conf" > /etc/resolv.conf
