# shellcheck shell=sh
# Ends a cut on a node, in whatever state it is.
# $families: of 4 and 6. $chain is of its rules, and $rules removes them.
: "${families?}" "${chain?}" "${rules?}"
. ./cut-on-node.sh

for side in A B; do
  use_side $side
  [ -d "$dir" ] || continue
  end_watch "$dir-gone"
  rm -rf "$dir"
done
for family in $families; do
  save_rules "$family" mangle | grep -q ":$chain " || continue
  restore_on_node "$rules" "$family" || exit 1
done
