import { enterScript, forgetInPod, leaveScript, stateFolder } from './pod-scripts.ts'
import { type RuleOptions, chainsOf, cutRules, nodeRules, podRules, removedNodeRules } from './rules.ts'

/** How a node recognises the sandboxes of a workload without asking the API server. */
export interface PodMatch {
  readonly namespace: string
  /** A pattern of `case` in sh: `orders-*`. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

export interface NodeScriptOptions extends RuleOptions {
  /** Range of the pods of the node. */
  readonly podCidr: string
  readonly match: PodMatch
}

/** libcni keeps there what each sandbox got: its pod's name and UID, its namespace's path, its addresses. */
const cniCache = '/var/lib/cni/results'

/** Sets the rules in the pods that are there. Prints `pod UID NAME` for each. */
export function applyScript(options: NodeScriptOptions, uids: readonly string[]): string {
  const { id, keepProbes, podCidr } = options
  // printf is a part of the shell, cat would be a process.
  const file = (name: string, text: string) => `printf '%s' ${quote(text)} > $dir/${name}`
  return `
${functions(id)}
mkdir -p $dir
if ! [ -e $dir/enter ]; then
  ${file('rules', podRules(options))}
  ${file('cut', cutRules(options))}
  ${file('leave', leaveScript(options))}
  ${file('enter', enterScript(options))}
  ${keepProbes ? `${file('mark', nodeRules(options, podCidr))}\n  restore_on_node $dir/mark &\n  marks=$!` : 'marks='}
fi
pids=\${marks:-}
for file in ${cniCache}/*-eth0; do
  read -r facts < "$file" || [ -n "$facts" ] || continue
  case $facts in ${uids.map((uid) => `*'"K8S_POD_UID","${uid}"'*`).join('|') || "''"}) apply "$file" & pids="$pids $!" ;; esac
done
for pid in $pids; do wait $pid || exit 1; done
`
}

/**
 * Runs on a node as long as the bridge lives, and sets the rules in each new sandbox of the workload before its containers
 * start. Prints `pod UID NAME` for each.
 */
export function watchScript({ id, match }: NodeScriptOptions): string {
  const labels = Object.entries(match.labels).map(
    ([key, value]) => `case $labels in *${quote(`"${key}": "${value}"`)}*) ;; *) return ;; esac`,
  )
  return `
${functions(id)}
on_sandbox() {
  file=$(echo ${cniCache}/*-$1-eth0)
  [ -e "$file" ] || return
  read_sandbox "$file"
  case $namespace/$name in ${match.namespace}/${match.name}) ;; *) return ;; esac
  [ -d $dir/ns-\${ns##*/} ] && return
  labels=$(ctr -n k8s.io containers info $1 2>/dev/null)
  labels=\${labels%%'"Image":'*}
  ${labels.join('\n  ')}
  apply "$file"
}
# The bridge may have gone before this has started.
echo $$ > $dir/watch && mkfifo $dir/events || exit 0
# Opened for both, a pipe does not wait for its other end: nobody would come once the bridge has gone.
exec 3<> $dir/events
# Its number is there before it starts, or the bridge has gone and it does not.
sh -c "echo \\$\\$ > $dir/ctr && exec ctr -n k8s.io events" > $dir/events 2>/dev/null 3>&- &
# What has come since the rules were set.
for file in ${cniCache}/*-eth0; do
  sandbox=\${file%-eth0}
  on_sandbox \${sandbox##*-} &
done
while read -r date time zone zone_name containerd topic event; do
  case $topic in
    /containers/create) sandbox=\${event#*'"id":"'} ;;
    /tasks/create) sandbox=\${event#*'"container_id":"'} ;;
    *) continue ;;
  esac
  on_sandbox \${sandbox%%'"'*} &
done <&3
`
}

/**
 * Ends the watch and removes every rule of the bridge, in whatever state it is. Connections that the local side has
 * accepted go on until it ends them.
 */
export function removeScript(options: RuleOptions): string {
  const { probe } = chainsOf(options.id)
  return `
${functions(options.id)}
[ -d $dir ] || exit 0
# Nothing new starts from here on, and what is under way is waited for.
: > $dir/closing
{ read -r watch < $dir/watch; } 2>/dev/null && kill -9 $watch 2>/dev/null
for mark in $dir/ns-*; do
  while [ -d $mark ] && ! [ -e $mark/done ] && ! [ -e $mark/failed ]; do sleep 0.01; done
done
rm -rf $gone
mv $dir $gone
dir=$gone
{ read -r ctr < $dir/ctr; } 2>/dev/null && kill -9 $ctr 2>/dev/null
pids=
${inEachPod('sh $dir/leave')}
if iptables-save -t mangle | grep -q ':${probe} '; then
  printf '%s' ${quote(removedNodeRules(options))} > $dir/unmark
  restore_on_node $dir/unmark || exit 1
fi
for pid in $pids; do wait $pid || exit 1; done
`
}

/** After removeScript, once the local side has ended: forgets its connections, and puts the kernel's switches back. */
export function forgetScript(options: RuleOptions): string {
  return `
${functions(options.id)}
dir=$gone
[ -d $dir ] || exit 0
cat > $dir/forget <<'FILE'
${forgetInPod(options)}FILE
pids=
${inEachPod('sh $dir/forget')}
for pid in $pids; do wait $pid || exit 1; done
rm -rf $dir
`
}

/** On a node that was restarted: what was noted of its network namespaces, which are gone. */
export function resetScript({ id }: RuleOptions): string {
  return `rm -rf ${stateFolder}/bridge-${id}`
}

function inEachPod(command: string): string {
  return `for mark in $dir/ns-*; do
  ns=/var/run/netns/\${mark##*/ns-}
  [ -e $ns ] || { rm -f ${stateFolder}/sysctl-\${mark##*/ns-}; continue; }
  in_pod ${command} $dir \${mark##*/ns-} & pids="$pids $!"
done`
}

function functions(id: string): string {
  return `
dir=${stateFolder}/bridge-${id}
gone=${stateFolder}/gone-${id}
read_sandbox() {
  read -r facts < "$1" || [ -n "$facts" ]
  name=\${facts#*'"K8S_POD_NAME","'}; name=\${name%%'"'*}
  namespace=\${facts#*'"K8S_POD_NAMESPACE","'}; namespace=\${namespace%%'"'*}
  uid=\${facts#*'"K8S_POD_UID","'}; uid=\${uid%%'"'*}
  ns=\${facts#*'"netns":"'}; ns=\${ns%%'"'*}
  ip=\${facts#*'"ips":['}; ip=\${ip#*'"address":"'}; ip=\${ip%%/*}
}
# kube-proxy writes to the same tables of the node, and of two writers one may be refused.
restore_on_node() {
  for try in 1 2 3 4 5 6 7 8 9 10; do iptables-restore -w 5 --noflush < "$1" 2>/dev/null && return; sleep 0.05; done
  iptables-restore -w 5 --noflush < "$1"
}
# A pod may end at any moment, and its network namespace with it.
in_pod() {
  for try in 1 2 3 4 5 6 7 8 9 10; do
    nsenter --net=$ns "$@" 2>/dev/null && return
    [ -e $ns ] || return 0
    sleep 0.05
  done
  nsenter --net=$ns "$@" 2>&1 || { echo "in the network namespace $ns: $*"; return 1; }
}
apply() {
  read_sandbox "$1"
  [ -e "$ns" ] || return 0
  # The first one that comes sets the rules: of two the second would add the jumps again.
  mark=$dir/ns-\${ns##*/}
  if mkdir $mark 2>/dev/null; then
    [ -e $dir/closing ] && { rmdir $mark; return 0; }
    nsenter --net=$ns sh $dir/enter $dir \${ns##*/} $ip || { : > $mark/failed; [ -e $ns ] && return 1; return 0; }
  else
    while [ -d $mark ] && ! [ -e $mark/done ]; do [ -e $mark/failed ] && return 1; sleep 0.01; done
  fi
  echo "pod $uid $name"
}`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
