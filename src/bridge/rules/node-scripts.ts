import { isIPv6 } from '../../support/ip-range.ts'
import { quote } from '../../support/sh.ts'
import { applyInPods, cniCache, functions, inEachPod } from './node-shell.ts'
import { type PodMatch, matchFunctions } from './pod-match.ts'
import { enterScript, forgetInPod, forgetOwnScript, leaveScript, saveCommand, stateFolder, waitForStates } from './pod-scripts.ts'
import { type Family, type RuleOptions, chainsOf, cutRules, nodeRules, optionsFor, podRules, removedNodeRules } from './rules.ts'

export interface NodeScriptOptions extends RuleOptions {
  /** Ranges of the pods of the node: of IPv4, and of IPv6 where the cluster has it. */
  readonly podCidrs: readonly string[]
  readonly match: PodMatch
}

/** Sets the rules in the pods that are there. Prints `pod UID NAME` for each. */
export function applyScript(options: NodeScriptOptions, uids: readonly string[]): string {
  const { id, podCidrs } = options
  const families = familiesOf(options)
  // printf is a part of the shell, cat would be a process.
  const file = (name: string, text: string) => `printf '%s' ${quote(text)} > $dir/${name}`
  return `
${functions(id)}
mkdir -p $dir
marks=
if ! [ -e $dir/enter ]; then
  ${families
    .flatMap((family) => {
      const own = optionsFor(family, options)
      return [file(`rules${family}`, podRules(own)), file(`cut${family}`, cutRules(own))]
    })
    .join('\n  ')}
  ${file('leave', leaveScript(options, families))}
  ${file('own', forgetOwnScript(options))}
  ${file('forget', forgetInPod(options, families))}
  ${file('enter', enterScript(options, families))}
  ${
    options.forwards.length === 0
      ? ''
      : podCidrs
          .map((cidr, index) => {
            const family = families[index]!
            return `${file(`mark${family}`, nodeRules(optionsFor(family, options), cidr))}\n  restore_on_node $dir/mark${family} ${family} &\n  marks="$marks $!"`
          })
          .join('\n  ')
  }
fi
# First the marks: a probe without one would go to the local side, or be reset.
for pid in $marks; do wait $pid || exit 1; done
pids=
${applyInPods(uids)}
for pid in $pids; do wait $pid || exit 1; done
{ for pause in 0.1 1 5; do
  sleep $pause
  for mark in $dir/pod-*; do
    read -r ip ip6 < $mark || exit
    ns=/var/run/netns/\${mark##*/pod-}
    in_pod own
  done
done; } >/dev/null 2>&1 &
`
}

/**
 * Runs on a node as long as the bridge lives, and sets the rules in each new sandbox of the workload before its containers
 * start. Prints `pod UID NAME` for each.
 */
export function watchScript({ id, match }: NodeScriptOptions): string {
  return `
${functions(id)}
${matchFunctions(match)}
on_sandbox() {
  file=$(echo ${cniCache}/*-$1-eth0)
  [ -e "$file" ] || return
  read_sandbox "$(cat "$file")"
  for address in $ip $ip6; do
    [ ! -e $dir/grave-$address ] || unbury $address
  done
  may_match || return
  [ -e $mark ] && return
  # Before the labels, which take longer to ask for than some containers to start.
  apply
  labels=$(ctr -n k8s.io containers info $1 2>/dev/null)
  # What has gone again meanwhile has none.
  [ -n "$labels" ] || return
  labels=\${labels%%'"Image":'*}
  does_match || undo
}
# Of another workload, whose pods have names of the same kind.
undo() {
  rm -f $mark
  in_pod leave
  in_pod forget flush
}
# The network namespace goes soon after the last container, which is the sandbox's own.
on_exit() {
  for pause in 0.05 0.1 0.2 0.4 0.8 1.6 3.2; do
    sleep $pause
    [ -d $dir ] || return
    for mark in $dir/pod-*; do
      [ -e $mark ] && ! [ -e /var/run/netns/\${mark##*/pod-} ] || continue
      read -r ip ip6 < $mark
      rm -f $mark ${stateFolder}/sysctl-\${mark##*/pod-}
      bury
    done
  done
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
    /tasks/exit)
      container=\${event#*'"container_id":"'}; container=\${container%%'"'*}
      # An exec has an id of its own.
      case $event in *'"id":"'$container'"'*) on_exit & ;; esac
      continue ;;
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
  return `
${functions(options.id)}
[ -d $dir ] || exit 0
# Nothing new starts from here on, and what is under way is waited for.
: > $dir/closing
kill_noted watch
for mark in $dir/pod-*; do
  while [ -e $mark ] && ! has done && ! has failed; do sleep 0.01; done
done
[ ! -e $gone ] || rm -rf $gone
mv $dir $gone
dir=$gone
# The watch may have come to note its number only now.
kill_noted watch
kill_noted ctr
${inEachPod('leave')}
`
}

/** After removeScript, once the local side has ended: forgets its connections, and puts the kernel's switches back. */
export function forgetScript(options: RuleOptions, families: readonly Family[]): string {
  const { allow } = chainsOf(options.id)
  return `
${functions(options.id)}
dir=$gone
[ -d $dir ] || exit 0
# The local side has closed its connections, but what it has sent may still be on its way, and the caller has to close its
# end too: a connection that is half closed for the node would take the next one from the same port to a pod that is gone.
${waitForStates(options, ['SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK'])}
# A note of what has ended well would take the answer of a later connection from the same port for one of its own, if that began
# while nothing was noted: the kernel would give it another port to come from.
${inEachPod('forget ${noted:+flush}')}
${families
  .map(
    (family) => `if ${saveCommand(family)} -t mangle | grep -q ':${allow} '; then
  printf '%s' ${quote(removedNodeRules(options))} > $dir/unmark
  restore_on_node $dir/unmark ${family} || exit 1
fi`,
  )
  .join('\n')}
for grave in $dir/grave-*; do
  [ ! -e $grave ] || unbury \${grave##*/grave-}
done
rm -rf $dir
`
}

/** Those of the pods of a node. */
export function familiesOf({ podCidrs }: Pick<NodeScriptOptions, 'podCidrs'>): readonly Family[] {
  return podCidrs.map((cidr) => (isIPv6(cidr) ? '6' : ''))
}

/** On a node that was restarted: what was noted of its network namespaces, which are gone. */
export function resetScript({ id }: RuleOptions): string {
  return `rm -rf ${stateFolder}/bridge-${id}`
}
