# shellcheck shell=sh
# Sets the rules in the pods that are there. Prints "pod UID NAME" for each.
# $uids: their UIDs, as a pattern. For each family, of 4 and 6, rules: in pods ($rules4), against
# older connections ($cut4), of the node itself ($mark4). The others are the scripts that run in a pod.
: "${uids?}" "${rules4?}" "${cut4?}" "${mark4?}" "${rules6?}" "${cut6?}" "${mark6?}"
: "${enter?}" "${leave?}" "${own?}" "${forget?}"
. ./bridge-on-node.sh

mark_probes() { [ -z "$1" ] || restore_on_node "$1" "$2"; }

mkdir -p "$dir"
if ! [ -e "$dir/enter" ]; then
  put rules4 "$rules4"
  put cut4 "$cut4"
  put rules6 "$rules6"
  put cut6 "$cut6"
  put leave "$leave"
  put own "$own"
  put forget "$forget"
  put enter "$enter"
  # Before any pod: a probe without its mark would go to the local side, or be reset.
  mark_probes "$mark4" 4 & pids=$!
  mark_probes "$mark6" 6 & pids="$pids $!"
  for pid in $pids; do wait "$pid" || exit 1; done
fi

# In all pods at the same time. The shell's own read would take 2 ms for each file.
pids=
if [ -n "$uids" ]; then
  found=$(grep -hsE "\"K8S_POD_UID\",\"($uids)\"" "$cni"/*-eth0)
  set -f
  IFS='
'
  for facts in $found; do
    { unset IFS; read_sandbox "$facts"; apply; } & pids="$pids $!"
  done
  unset IFS
  set +f
fi
for pid in $pids; do wait "$pid" || exit 1; done

{ for pause in 0.1 1 5; do
  sleep $pause
  for mark in "$dir"/pod-*; do
    read -r ip ip6 < "$mark" || exit
    ns=/var/run/netns/${mark##*/pod-}
    in_pod own
  done
done; } >/dev/null 2>&1 &
