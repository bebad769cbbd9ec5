import { quote } from '../../support/sh.ts'
import { restoreCommand, stateFolder } from './pod-scripts.ts'

/** libcni keeps there what each sandbox got: its pod's name and UID, its namespace's path, its addresses. */
export const cniCache = '/var/lib/cni/results'

/** What the scripts of a bridge on a node have in common, in sh. */
export function functions(id: string): string {
  return `
dir=${stateFolder}/bridge-${id}
gone=${stateFolder}/gone-${id}
# A mark for each pod holds its addresses; what has become of it is noted beside it.
has() { [ -e $dir/$1-\${mark##*/pod-} ]; }
read_sandbox() {
  name=\${1#*'"K8S_POD_NAME","'}; name=\${name%%'"'*}
  namespace=\${1#*'"K8S_POD_NAMESPACE","'}; namespace=\${namespace%%'"'*}
  uid=\${1#*'"K8S_POD_UID","'}; uid=\${uid%%'"'*}
  ns=\${1#*'"netns":"'}; ns=\${ns%%'"'*}
  mark=$dir/pod-\${ns##*/}
  ip=; ip6=
  rest=\${1#*'"ips":['}; rest=\${rest%%']'*}
  while :; do
    case $rest in *'"address":"'*) rest=\${rest#*'"address":"'} ;; *) break ;; esac
    case \${rest%%/*} in *:*) ip6=\${rest%%/*} ;; *) ip=\${rest%%/*} ;; esac
  done
}
${restoreOnNode}
kill_noted() { { read -r number < $dir/$1; } 2>/dev/null && kill -9 $number 2>/dev/null; }
# A script in the pod of $ns, $ip and $ip6, which may end at any moment, and its network namespace with it.
in_pod() {
  script=$1
  shift
  set -- --net=$ns sh $dir/$script $dir \${ns##*/} "$ip" "$ip6" "$@"
  for try in 1 2 3 4 5 6 7 8 9 10; do
    nsenter "$@" 2>/dev/null && return
    [ -e $ns ] || return 0
    sleep 0.05
  done
  nsenter "$@" 2>&1 || { echo "nsenter $*"; return 1; }
}
apply() {
  [ -e "$ns" ] || return 0
  # The first one that comes sets the rules: of two the second would add the jumps again.
  if (set -C; echo "$ip $ip6" > $mark) 2>/dev/null; then
    [ -e $dir/closing ] && { rm -f $mark; return 0; }
    nsenter --net=$ns sh $dir/enter $dir \${ns##*/} "$ip" "$ip6" || { : > $dir/failed-\${ns##*/}; [ -e $ns ] && return 1; return 0; }
  else
    while [ -e $mark ] && ! has done; do has failed && return 1; sleep 0.01; done
  fi
  echo "pod $uid $name"
}
# What is still sent to an address of a pod that has gone is for this node from now on, which answers it with a reset. Without
# that, a caller would wait for many minutes: a pod that is not bridged closes its connections itself.
bury() {
  for address in $ip $ip6; do
    touch $dir/grave-$address 2>/dev/null || return
    ip address add $address dev lo 2>/dev/null
    # The next pod with this address has another one of its own for the link.
    ip neigh flush to $address 2>/dev/null
    # The bridge may have ended in between.
    [ -e $dir/grave-$address ] || [ -e $gone/grave-$address ] || unbury $address
  done
}
unbury() {
  rm -f $dir/grave-$1
  others=$(echo ${stateFolder}/*/grave-$1)
  [ -e "\${others%% *}" ] && return
  case $1 in *:*) bits=128 ;; *) bits=32 ;; esac
  ip address del $1/$bits dev lo 2>/dev/null
}`
}

/** Sets the rules in all of these pods at the same time; their numbers are in $pids. The shell's own read would take 2 ms for each file. */
export function applyInPods(uids: readonly string[]): string {
  if (uids.length === 0) return ''
  return `found=$(grep -hsE '"K8S_POD_UID","(${uids.join('|')})"' ${cniCache}/*-eth0)
set -f
IFS='
'
for facts in $found; do
  { unset IFS; read_sandbox "$facts"; apply; } & pids="$pids $!"
done
unset IFS
set +f`
}

/** Fails unless it succeeds in each pod that is still there. */
export function inEachPod(command: string): string {
  return `pids=
for mark in $dir/pod-*; do
  # Without any, the pattern stands for itself, and that of the namespace for the only one that a node may have.
  [ -e $mark ] || continue
  ns=/var/run/netns/\${mark##*/pod-}
  [ -e $ns ] || { rm -f ${stateFolder}/sysctl-\${mark##*/pod-}; continue; }
  read -r ip ip6 < $mark
  in_pod ${command} & pids="$pids $!"
done
for pid in $pids; do wait $pid || exit 1; done`
}

/** Sets or removes rules of the node itself. */
export function restoreScript(rules: string): string {
  return `${restoreOnNode}
file=$(mktemp)
printf '%s' ${quote(rules)} > $file
restore_on_node $file
code=$?
rm -f $file
exit $code`
}

/** kube-proxy writes to the same tables of the node, and of two writers one may be refused. */
const restoreOnNode = `restore_on_node() {
  case $2 in 6) restore='${restoreCommand('6')}' ;; *) restore='${restoreCommand('')}' ;; esac
  for try in 1 2 3 4 5 6 7 8 9 10; do eval "$restore" < "$1" 2>/dev/null && return; sleep 0.05; done
  eval "$restore" < "$1"
}`
