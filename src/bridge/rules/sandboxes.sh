# shellcheck shell=sh disable=SC2034
# The sandboxes of pods on a node, and what follows them (follow-sandboxes.sh) with files in a folder of its own.
. ../../cluster/network/restore-on-node.sh

state=/run/vitest-kubernetes
# libcni keeps there what each sandbox got: its pod's name and UID, its namespace's path, its addresses.
cni=/var/lib/cni/results

read_sandbox() {
  name=${1#*'"K8S_POD_NAME","'}; name=${name%%'"'*}
  namespace=${1#*'"K8S_POD_NAMESPACE","'}; namespace=${namespace%%'"'*}
  uid=${1#*'"K8S_POD_UID","'}; uid=${uid%%'"'*}
  ns=${1#*'"netns":"'}; ns=${ns%%'"'*}
  mark=$dir/pod-${ns##*/}
  ip=; ip6=
  rest=${1#*'"ips":['}; rest=${rest%%']'*}
  while :; do
    case $rest in *'"address":"'*) rest=${rest#*'"address":"'} ;; *) break ;; esac
    case ${rest%%/*} in *:*) ip6=${rest%%/*} ;; *) ip=${rest%%/*} ;; esac
  done
}

kill_noted() { { read -r number < "$dir/$1"; } 2>/dev/null && kill -9 "$number" 2>/dev/null; }

# Ends what follows the sandboxes, and renames its folder.
end_watch() {
  kill_noted watch
  [ ! -e "$1" ] || rm -rf "$1"
  mv "$dir" "$1"
  dir=$1
  # It may have come to note its number only now.
  kill_noted watch
  kill_noted ctr
}
