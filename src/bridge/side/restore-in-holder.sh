# shellcheck shell=sh
# Sets rules of IPv4 in the network namespace of a local container.
: "${rules?}"
iptables-restore -w 5 --noflush <<RULES
$rules
RULES
