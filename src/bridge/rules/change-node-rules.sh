# shellcheck shell=sh
# Sets or removes rules of the node itself.
: "${rules?}"
. ../../cluster/network/restore-on-node.sh

file=$(mktemp)
printf '%s' "$rules" > "$file"
restore_on_node "$file" 4
code=$?
rm -f "$file"
exit $code
