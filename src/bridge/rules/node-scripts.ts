import { isIPv6 } from '../../support/ip-range.ts'
import { type ShellScript, shellScript } from '../../support/shell-script.ts'
import { type PodMatch, matchFunctions } from './pod-match.ts'
import { podScripts } from './pod-scripts.ts'
import { type Family, type RuleOptions, chainsOf, cutRules, nodeRules, optionsFor, podRules, removedNodeRules } from './rules.ts'

export interface NodeScriptOptions extends RuleOptions {
  /** Ranges of the pods of the node: of IPv4, and of IPv6 where the cluster has it. */
  readonly podCidrs: readonly string[]
  readonly match: PodMatch
}

const folder = import.meta.dirname
type OfFamily = 'rules4' | 'cut4' | 'mark4' | 'rules6' | 'cut6' | 'mark6'
type OfPod = 'enter' | 'leave' | 'own' | 'forget'
const applyRules = shellScript<'id' | 'uids' | OfFamily | OfPod>(folder, 'apply-rules.sh')
const watchSandboxes = shellScript<'id' | 'match'>(folder, 'watch-sandboxes.sh')
const removeRules = shellScript<'id'>(folder, 'remove-rules.sh')
const forgetConnections = shellScript<'id' | 'families' | 'targets' | 'chain' | 'unmark'>(folder, 'forget-connections.sh')
const resetBridge = shellScript<'id'>(folder, 'reset-bridge.sh')
const changeNodeRules = shellScript<'rules4' | 'rules6'>(folder, 'change-node-rules.sh')

/** What the shell of a node does first. */
export const findIptables = shellScript(folder, 'find-iptables.sh')({})

/** Prints `yes` when containerd answers, without which there is no event to watch for. */
export const containerdAnswers = shellScript(folder, 'containerd-answers.sh')({})

/** Sets the rules in the pods that are there. Prints `pod UID NAME` for each. */
export function applyScript(options: NodeScriptOptions, uids: readonly string[]): ShellScript {
  const families = familiesOf(options)
  return applyRules({
    id: options.id,
    uids: uids.join('|'),
    ...podScripts(options, families),
    ...{ rules4: '', cut4: '', mark4: '', rules6: '', cut6: '', mark6: '' },
    ...Object.fromEntries(
      families.flatMap((family, index) => {
        const own = optionsFor(family, options)
        return [
          [`rules${family}`, podRules(own)],
          [`cut${family}`, cutRules(own)],
          [`mark${family}`, options.forwards.length > 0 ? nodeRules(own, options.podCidrs[index]!) : ''],
        ]
      }),
    ),
  })
}

/**
 * Runs on a node as long as the bridge lives, and sets the rules in each new sandbox of the workload before its containers
 * start. Prints `pod UID NAME` for each.
 */
export function watchScript({ id, match }: NodeScriptOptions): ShellScript {
  return watchSandboxes({ id, match: matchFunctions(match) })
}

/**
 * Ends the watch and removes every rule of the bridge, in whatever state it is. Connections that the local side has
 * accepted go on until it ends them.
 */
export function removeScript({ id }: RuleOptions): ShellScript {
  return removeRules({ id })
}

/** After removeScript, once the local side has ended: forgets its connections, and puts the kernel's switches back. */
export function forgetScript(options: RuleOptions, families: readonly Family[]): ShellScript {
  const tcp = options.forwards.filter(({ protocol }) => protocol === 'tcp')
  const targets = new Set(tcp.map(({ address, targetPort }) => `${address},${targetPort}`))
  return forgetConnections({
    id: options.id,
    families: families.join(' '),
    targets: [...targets].join(' '),
    chain: chainsOf(options.id).allow,
    unmark: removedNodeRules(options),
  })
}

/** Those of the pods of a node. */
export function familiesOf({ podCidrs }: Pick<NodeScriptOptions, 'podCidrs'>): readonly Family[] {
  return podCidrs.map((cidr) => (isIPv6(cidr) ? '6' : '4'))
}

/** On a node that was restarted: what was noted of its network namespaces, which are gone. */
export function resetScript({ id }: RuleOptions): ShellScript {
  return resetBridge({ id })
}

/** Sets or removes rules of the node itself. */
export function restoreScript(rules4: string, rules6 = ''): ShellScript {
  return changeNodeRules({ rules4, rules6 })
}
