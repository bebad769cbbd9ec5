# shellcheck shell=sh
. ./iptables.sh

# Rules, for family 4 or 6. kube-proxy writes to the same tables of the node, and of two writers one may be refused.
restore_on_node() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    echo "$1" | restore_rules "$2" 2>/dev/null && return
    sleep 0.05
  done
  echo "$1" | restore_rules "$2"
}
