# shellcheck shell=sh
# Runs on a node as long as the bridge lives, and sets the rules in each new sandbox of the workload before its containers
# start. Prints "pod UID NAME" for each, and "watching" once those that came before it have them.
# $match: defines may_match and does_match, which recognise the workload's pods (pod-match.ts).
: "${match?}"
. ./bridge-on-node.sh
eval "$match"

# Reads what libcni has noted of a sandbox.
is_new() {
  read_sandbox "$1"
  for address in $ip $ip6; do
    [ ! -e "$dir/grave-$address" ] || unbury "$address"
  done
  may_match && ! [ -e "$mark" ]
}

keep() { :; }

undo() {
  rm -f "$mark"
  in_pod leave
  in_pod forget flush
}

# The network namespace goes soon after the last container, which is the sandbox's own: on a busy machine that is seconds.
on_exit() {
  for pause in 0.05 0.1 0.2 0.4 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5; do
    sleep $pause
    [ -d "$dir" ] || return
    for mark in "$dir"/pod-*; do
      [ -e "$mark" ] || continue
      has_gone "${mark##*/pod-}" || continue
      read -r ip ip6 < "$mark"
      rm -f "$mark"
      bury
    done
  done
}

. ./follow-sandboxes.sh
