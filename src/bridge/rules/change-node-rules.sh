# shellcheck shell=sh
# Sets or removes rules of the node itself.
: "${rules4?}" "${rules6?}"
. ../../cluster/network/restore-on-node.sh

[ -z "$rules4" ] || restore_on_node "$rules4" 4 || exit
[ -z "$rules6" ] || restore_on_node "$rules6" 6
