# shellcheck shell=sh
# Runs on a node as long as the bridge lives, and sets the rules in each new sandbox of the workload before its containers
# start. Prints "pod UID NAME" for each.
# $match: defines may_match and does_match, which recognise the workload's pods (pod-match.ts).
: "${match?}"
. ./bridge-on-node.sh
eval "$match"

on_sandbox() {
  file=$(echo "$cni"/*-"$1"-eth0)
  [ -e "$file" ] || return
  read_sandbox "$(cat "$file")"
  for address in $ip $ip6; do
    [ ! -e "$dir/grave-$address" ] || unbury "$address"
  done
  may_match || return
  [ -e "$mark" ] && return
  # Before the labels, which take longer to ask for than some containers to start.
  apply
  labels=$(ctr -n k8s.io containers info "$1" 2>/dev/null)
  # What has gone again meanwhile has none.
  [ -n "$labels" ] || return
  labels=${labels%%'"Image":'*}
  does_match || undo
}

# Of another workload, whose pods have names of the same kind.
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

# The bridge may have gone before this has started.
{ echo $$ > "$dir/watch"; } 2>/dev/null && mkfifo "$dir/events" || exit 0
# Opened for both, a pipe does not wait for its other end: nobody would come once the bridge has gone.
exec 3<> "$dir/events"
# A pod that was on its way out when the rules were set may go before there are events.
on_exit &
# Its number is there before it starts, or the bridge has gone and it does not.
sh -c "echo \$\$ > $dir/ctr && exec ctr -n k8s.io events" > "$dir/events" 2>/dev/null 3>&- &
# What has come since the rules were set.
for file in "$cni"/*-eth0; do
  sandbox=${file%-eth0}
  on_sandbox "${sandbox##*-}" &
done
# Date, time, zone twice, "containerd".
while read -r _ _ _ _ _ topic event; do
  case $topic in
    /containers/create) sandbox=${event#*'"id":"'} ;;
    /tasks/create) sandbox=${event#*'"container_id":"'} ;;
    /tasks/exit)
      container=${event#*'"container_id":"'}; container=${container%%'"'*}
      # An exec has an id of its own.
      case $event in *'"id":"'"$container"'"'*) on_exit & ;; esac
      continue ;;
    *) continue ;;
  esac
  on_sandbox "${sandbox%%'"'*}" &
done <&3
