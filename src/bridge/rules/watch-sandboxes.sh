# shellcheck shell=sh
# Runs on a node as long as the bridge lives, and sets the rules in each new sandbox of the workload before its containers
# start. Prints "pod UID NAME" for each, and "watching" once those that came before it have them.
# $match: defines may_match and does_match, which recognise the workload's pods (pod-match.ts).
: "${match?}"
. ./bridge-on-node.sh
eval "$match"

on_sandbox() {
  file=$(echo "$cni"/*-"$1"-eth0)
  [ -e "$file" ] || return
  is_new "$(cat "$file")" || return
  # Before the labels, which take longer to ask for than some containers to start.
  apply
  is_ours "$1" || undo
}

# Reads what libcni has noted of a sandbox.
is_new() {
  read_sandbox "$1"
  for address in $ip $ip6; do
    [ ! -e "$dir/grave-$address" ] || unbury "$address"
  done
  may_match && ! [ -e "$mark" ]
}

# Pods of another workload may have names of the same kind.
is_ours() {
  labels=$(ctr -n k8s.io containers info "$1" 2>/dev/null)
  # What has gone again meanwhile has none.
  [ -n "$labels" ] || return 0
  labels=${labels%%'"Image":'*}
  does_match
}

# Those that there was no event for: others among them are at work. The shell's own read would take 2 ms for each file.
look_around() {
  pids=
  set -f
  IFS='
'
  for facts in $(set +f; grep -hs . "$cni"/*-eth0); do
    unset IFS; set +f
    sandbox=${facts#*'"containerId":"'}
    is_new "$facts" && { { is_ours "${sandbox%%'"'*}" && apply; } & pids="$pids $!"; }
  done
  unset IFS; set +f
  for pid in $pids; do wait "$pid"; done
}

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
if ! { echo $$ > "$dir/watch"; } 2>/dev/null || ! mkfifo "$dir/events"; then
  echo watching
  exit 0
fi
# Opened for both, a pipe does not wait for its other end: nobody would come once the bridge has gone.
exec 3<> "$dir/events"
# A pod that was on its way out when the rules were set may go before there are events.
on_exit &
# Its number is there before it starts, or the bridge has gone and it does not.
sh -c "echo \$\$ > $dir/ctr && exec ctr -n k8s.io events" > "$dir/events" 2>/dev/null 3>&- &
# What has come since the rules were set.
look_around
echo watching
# Nothing tells from when on there are events.
for pause in 0.2 1 3; do sleep $pause; [ ! -d "$dir" ] || look_around; done &
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
