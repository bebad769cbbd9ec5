# shellcheck shell=sh
# Runs on a node until end_watch, and does something for each new sandbox of a workload before its containers start. Prints
# "watching" once that is done for those that came before it.
# may_match and does_match recognise the workload's pods (pod-match.ts). Of whoever includes this: is_new reads a sandbox and says
# whether it is one to look at; apply comes first, then keep for a pod of the workload, and undo for others; on_exit when a
# container has ended.
: "${cni?}" "${dir?}"

on_sandbox() {
  file=$(echo "$cni"/*-"$1"-eth0)
  [ -e "$file" ] || return
  is_new "$(cat "$file")" || return
  # Before the labels, which take longer to ask for than some containers to start.
  apply
  if is_ours "$1"; then keep; else undo; fi
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
    is_new "$facts" && { { is_ours "${sandbox%%'"'*}" && apply && keep; } & pids="$pids $!"; }
  done
  unset IFS; set +f
  for pid in $pids; do wait "$pid"; done
}

# Whoever needs this may have gone before it has started.
if ! { echo $$ > "$dir/watch"; } 2>/dev/null || ! mkfifo "$dir/events"; then
  echo watching
  exit 0
fi
# Opened for both, a pipe does not wait for its other end: nobody would come once the folder has gone.
exec 3<> "$dir/events"
# A pod that was on its way out before this may go before there are events.
on_exit &
# Its number is there before it starts, or the folder has gone and it does not.
sh -c "echo \$\$ > $dir/ctr && exec ctr -n k8s.io events" > "$dir/events" 2>/dev/null 3>&- &
# What has come before this.
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
