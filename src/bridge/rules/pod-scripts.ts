import { shellScript } from '../../support/shell-script.ts'
import {
  type Family,
  type Forward,
  type RuleOptions,
  chainsOf,
  endedPodRules,
  forgottenPodRules,
  optionsFor,
  uncutPodRules,
} from './rules.ts'

const folder = import.meta.dirname
type OfBridge = 'forwards' | 'families'
const enterPod = shellScript<OfBridge | 'ports'>(folder, 'enter-pod.sh')
const leavePod = shellScript<OfBridge | 'refused' | 'uncut4' | 'uncut6' | 'ended' | 'cut' | 'input'>(folder, 'leave-pod.sh')
const forgetPod = shellScript<OfBridge | 'forgotten' | 'output' | 'cut'>(folder, 'forget-pod.sh')
const forgetOwn = shellScript<OfBridge>(folder, 'forget-own.sh')

export interface PodScripts {
  /** Sets the rules in a pod. */
  readonly enter: string
  /** Gives new connections back to the pod. */
  readonly leave: string
  /** Takes away what is left after that. */
  readonly forget: string
  /** Forgets what the kernel has noted of the pod's own connections. */
  readonly own: string
}

/** What runs in the network namespace of each pod. Nothing in it differs from pod to pod. */
export function podScripts(options: RuleOptions, families: readonly Family[]): PodScripts {
  const { forwards } = options
  const shared = { forwards: forwards.map(wordOf).join(' '), families: families.join(' ') }
  const { input, output, cut } = chainsOf(options.id)
  const hasRefused = (family: Family) => Boolean(optionsFor(family, options).refused?.length)
  return {
    enter: enterPod({ ...shared, ports: portPattern(forwards) }).text,
    leave: leavePod({
      ...shared,
      refused: families.filter(hasRefused).join(' '),
      uncut4: uncutPodRules(optionsFor('4', options)),
      uncut6: uncutPodRules(optionsFor('6', options)),
      ended: endedPodRules(options),
      ...{ cut, input },
    }).text,
    forget: forgetPod({ ...shared, forgotten: forgottenPodRules(options), output, cut }).text,
    own: forgetOwn(shared).text,
  }
}

function wordOf({ protocol, port, address, targetPort }: Forward): string {
  return [protocol, port, address, targetPort].join(',')
}

/** Of TCP, as proc_net_tcp(5) writes them. */
function portPattern(forwards: readonly Forward[]): string {
  const ports = forwards.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port.toString(16).toUpperCase().padStart(4, '0'))
  return [...new Set(ports)].join('|')
}
