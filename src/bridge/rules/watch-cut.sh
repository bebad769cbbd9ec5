# shellcheck shell=sh
# Runs on a node as long as a cut lasts, and adds each new pod of a side to its rules before its containers start. Prints
# "pod UID ADDRESS..." for each, and "watching" once those that came before it are in.
# $match: defines may_match and does_match. $side: A or B. $known: addresses that the rules have already.
# $rules: for a pod, with OP at the start of a line for -A or -D, and ADDRESS.
: "${match?}" "${side?}" "${known?}" "${rules?}"
. ./cut-on-node.sh
use_side "$side"
eval "$match"

# Whoever sees a sandbox first takes it: there are two events for each.
is_new() {
  read_sandbox "$1"
  case " $known " in *" $ip "*) return 1 ;; esac
  may_match && (set -C; : > "$mark") 2>/dev/null
}

change() {
  for address in $ip $ip6; do
    case $address in *:*) family=6 ;; *) family=4 ;; esac
    restore_on_node "$(echo "$rules" | sed "s/^OP/$1/; s/ADDRESS/$address/")" $family || return
  done
}

apply() { change -A || exit; }
keep() { echo "pod $uid $ip $ip6"; }
undo() { change -D; }
# The rules of a pod that has gone are for whoever knows those of other nodes too.
on_exit() { :; }
. ./follow-sandboxes.sh
