import { type RuleOptions, chainsOf, nodeRules, podRules } from './rules.ts'

/** How a node recognises the sandboxes of a workload without asking the API server. */
export interface PodMatch {
  readonly namespace: string
  /** A pattern of `case` in sh: `orders-*`. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** libcni keeps there what each sandbox got: its pod's name and UID, its namespace's path, its addresses. */
const cniCache = '/var/lib/cni/results'

export interface NodeScriptOptions extends RuleOptions {
  readonly podCidr: string
  readonly match: PodMatch
}

/**
 * Runs on a node as long as the bridge lives: sets the rules in the pods that are there, says `ready`, and then in each new
 * sandbox of the workload before its containers start. Prints `pod UID NAME` for each.
 */
export function watchScript(options: NodeScriptOptions, uids: readonly string[]): string {
  const { id, match } = options
  const rules = podRules(options)
  const labels = Object.entries(match.labels).map(
    ([key, value]) => `case $labels in *${quote(`"${key}": "${value}"`)}*) ;; *) return ;; esac`,
  )
  return `
set -u
${functions(id)}
mkdir -p $dir
cat > $dir/chains <<'RULES'
${rules.chains}RULES
cat > $dir/jumps <<'RULES'
${rules.jumps}RULES
cat > $dir/enter <<'SCRIPT'
${enterScript(options)}SCRIPT
echo $$ > $dir/pid
${options.keepProbes ? `iptables-restore -w 5 --noflush <<'RULES' || exit 1\n${nodeRules(options, options.podCidr)}RULES` : ''}
on_sandbox() {
  file=$(echo ${cniCache}/*-$1-eth0)
  [ -e "$file" ] || return
  read_sandbox "$file"
  case $namespace/$name in ${match.namespace}/${match.name}) ;; *) return ;; esac
  labels=$(ctr -n k8s.io containers info $1 2>/dev/null)
  labels=\${labels%%'"Image":'*}
  ${labels.join('\n  ')}
  apply_once "$file"
}
mkfifo $dir/events
ctr -n k8s.io events > $dir/events 2>/dev/null &
echo $! > $dir/ctr
exec 3< $dir/events
${applyAll(uids)}
echo ready
while read -r date time zone zone_name containerd topic event <&3; do
  case $topic in
    /containers/create) sandbox=\${event#*'"id":"'} ;;
    /tasks/create) sandbox=\${event#*'"container_id":"'} ;;
    *) continue ;;
  esac
  on_sandbox \${sandbox%%'"'*} &
done
`
}

/** Sets the rules in pods that the watch on the node missed. */
export function applyScript(id: string, uids: readonly string[]): string {
  return `set -u\n${functions(id)}[ -d $dir ] || exit 0\n${applyAll(uids)}`
}

/** Ends the watch and removes every rule of the bridge, in whatever state it is. */
export function removeScript({ id, forwards }: RuleOptions): string {
  const { probe } = chainsOf(id)
  return `
set -u
${functions(id)}
[ -d $dir ] || exit 0
mv $dir $dir.gone
dir=$dir.gone
for each in pid ctr; do
  process=$(cat $dir/$each 2>/dev/null) || continue
  kill -9 $process 2>/dev/null
  while [ -e /proc/$process ] && ! grep -q '^State:.Z' /proc/$process/status 2>/dev/null; do sleep 0.01; done
done
cat > $dir/leave <<'SCRIPT'
${leaveScript(id, forwards)}SCRIPT
failed=0
pids=
for mark in $dir/ns-*; do
  ns=/var/run/netns/\${mark##*/ns-}
  [ -e $ns ] || continue
  nsenter --net=$ns sh $dir/leave $dir \${mark##*/ns-} & pids="$pids $!"
done
for pid in $pids; do wait $pid || failed=1; done
if iptables-save -t mangle | grep -q ':${probe} '; then
  printf '*mangle\\n-D OUTPUT -j ${probe}\\n-F ${probe}\\n-X ${probe}\\nCOMMIT\\n' | iptables-restore -w 5 --noflush || failed=1
fi
[ $failed = 0 ] && rm -rf $dir
exit $failed
`
}

const stateFolder = '/run/vitest-kubernetes'

function functions(id: string): string {
  return `
dir=${stateFolder}/bridge-${id}
read_sandbox() {
  facts=$(cat "$1")
  name=\${facts#*'"K8S_POD_NAME","'}; name=\${name%%'"'*}
  namespace=\${facts#*'"K8S_POD_NAMESPACE","'}; namespace=\${namespace%%'"'*}
  uid=\${facts#*'"K8S_POD_UID","'}; uid=\${uid%%'"'*}
  ns=\${facts#*'"netns":"'}; ns=\${ns%%'"'*}
}
apply() {
  read_sandbox "$1"
  [ -e "$ns" ] || return
  : > $dir/ns-\${ns##*/} || return
  nsenter --net=$ns sh $dir/enter $dir \${ns##*/} && echo "pod $uid $name"
}
apply_once() { read_sandbox "$1"; mkdir $dir/claim-\${ns##*/} 2>/dev/null && apply "$1"; }
`
}

function applyAll(uids: readonly string[]): string {
  if (uids.length === 0) return ''
  return `
pids=
for file in ${cniCache}/*-eth0; do
  facts=$(cat "$file")
  case $facts in ${uids.map((uid) => `*'"K8S_POD_UID","${uid}"'*`).join('|')}) apply "$file" & pids="$pids $!" ;; esac
done
for pid in $pids; do wait $pid || exit 1; done
`
}

/** In a pod's network namespace. The kernel's own switches are noted before the first bridge changes them. */
function enterScript({ id, forwards }: RuleOptions): string {
  return `
note=${stateFolder}/sysctl-$2
[ -e $note ] || cat ${sysctls.join(' ')} > $note
echo 1 > ${sysctls[0]}
echo 1 > ${sysctls[1]}
if iptables-save -t nat | grep -q ':${chainsOf(id).input} '; then rules=$1/chains; else rules=$1/jumps; fi
iptables-restore -w 5 --noflush < $rules || exit 1
${flushConnections(forwards)}
`
}

function leaveScript(id: string, forwards: readonly { readonly protocol: string; readonly port: number }[]): string {
  const { input, output, cut } = chainsOf(id)
  return `
nat=$(iptables-save -t nat | grep -e '-j ${input}$' -e '-j ${output}$' | sed 's/^-A/-D/')
filter=$(iptables-save -t filter | grep -e '-j ${cut}$' | sed 's/^-A/-D/')
if [ -n "$nat" ]; then
  iptables-restore -w 5 --noflush <<RULES || exit 1
*nat
$nat
-F ${input}
-F ${output}
-X ${input}
-X ${output}
COMMIT
*filter
$filter
-F ${cut}
-X ${cut}
COMMIT
RULES
  ${flushConnections(forwards)}
fi
if ! iptables-save -t nat | grep -q ':VK-'; then
  note=${stateFolder}/sysctl-$2
  { read -r forward; read -r localnet; } < $note
  echo $forward > ${sysctls[0]}
  echo $localnet > ${sysctls[1]}
  rm -f $note
fi
`
}

const sysctls = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv4/conf/all/route_localnet'] as const

/** Exit code 1 says that there was none. */
function flushConnections(forwards: readonly { readonly protocol: string; readonly port: number }[]): string {
  return forwards.map(({ protocol, port }) => `conntrack -D -p ${protocol} --orig-port-dst ${port} >/dev/null 2>&1 || :`).join('\n')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
