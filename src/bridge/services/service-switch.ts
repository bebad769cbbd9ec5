import { setTimeout as sleep } from 'node:timers/promises'

import type { KubeClient } from '../../kube/client.ts'
import { type Labels, selectorFits } from '../../kube/labels.ts'
import type { Pod, Service } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { withDeadline } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { poll } from '../../support/poll.ts'
import { type Junction, startJunction } from '../junction/junction.ts'
import type { Route } from '../junction/route.ts'
import type { LocalReach } from '../reach/local-reach.ts'
import type { BridgeTarget } from '../rules/target.ts'

export interface ServiceSwitchOptions {
  readonly kube: KubeClient
  /** What selects the relay's pod. */
  readonly selector: Labels
  readonly target: BridgeTarget
  readonly reach: LocalReach
  readonly onProblem: (error: unknown) => void
}

/** The Services of a workload, whose requests come to this machine while there is a route for any of them. */
export interface ServiceSwitch {
  readonly hasEnded: boolean
  /** Resolves when the next request comes here. @param routes with the ports of the pods that they are for */
  add(routes: readonly { readonly port: number; readonly route: Route }[]): Promise<void>
  /** Resolves when no further request goes to the bridge, and those under way are answered if it was the last one. */
  remove(id: string): Promise<void>
}

/** Milliseconds for kube-proxy on every node to follow, which it does within a second or two. */
const patience = 20_000

/** @throws ClusterTestError `ERR_BRIDGE_NO_SERVICE` for a workload that no Service with an address of its own leads to */
export async function openServiceSwitch({ kube, selector, target, reach, onProblem }: ServiceSwitchOptions): Promise<ServiceSwitch> {
  const services = target.services.filter((service) => selectorFits(service.spec?.selector, target.labels))
  const switched = services.filter(({ spec }) => spec?.clusterIP !== 'None')
  refuseUnknown(target, services, switched)
  const ends = new AsyncDisposableStack()
  const junctions = new Map<number, Junction>()
  let hasBegun = false
  let hasEnded = false
  let next = 0

  const original = async () => {
    const pods = target.pods().filter((pod) => isPodReady(pod) && pod.status?.podIP)
    const pod = pods[next++ % Math.max(1, pods.length)]
    if (pod) return pod
    throw new ClusterTestError('ERR_BRIDGE_NO_PODS', `Workload "${target.workload}" has no ready pod right now.`)
  }
  const begin = async () => {
    hasBegun = true
    const leads = new Map<number, number>()
    const led = ends.use(new AsyncDisposableStack())
    for (const port of portsOf(switched, target)) {
      const junction = ends.use(
        await startJunction({
          workload: target.workload,
          addresses: ['127.0.0.1'],
          original: async () => reach.to({ host: (await original()).status!.podIP!, port }),
          onProblem,
        }),
      )
      junctions.set(port, junction)
      const [listener] = junction.listeners
      const [lead] = await reach.lead([{ protocol: 'tcp', port, address: listener!.address, targetPort: listener!.port }], led)
      leads.set(port, lead!.targetPort)
    }
    await Promise.all(switched.map((service) => switchOne(service, leads)))
  }
  const switchOne = async (service: Service, leads: ReadonlyMap<number, number>) => {
    const { spec } = service
    const ports = spec!.ports!.map((port) => ({ ...port, targetPort: leads.get(targetOf(port, target)!) ?? port.targetPort }))
    const others = Object.fromEntries(Object.keys(spec!.selector!).map((key) => [key, null]))
    await patch(service, { selector: { ...others, ...selector }, ports })
    await settle(service, (addresses) => addresses.length > 0 && !isOf(addresses, target.allPods()))
  }
  const restoreOne = async (service: Service) => {
    const { spec } = service
    const ours = Object.fromEntries(Object.keys(selector).map((key) => [key, null]))
    await patch(service, { selector: { ...ours, ...spec!.selector }, ports: spec!.ports })
    await settle(service, (addresses) => isOf(addresses, target.allPods()))
  }
  const patch = ({ metadata }: Service, spec: object) =>
    kube.request('PATCH', `/api/v1/namespaces/${metadata!.namespace}/services/${metadata!.name}`, {
      body: { spec },
      contentType: 'application/merge-patch+json',
    })
  /** Endpoints follow at once, and what forwards to them on each node within a second (kube-proxy's own pace). */
  const settle = async ({ metadata }: Service, isSettled: (addresses: readonly string[]) => boolean) => {
    const query = { labelSelector: `kubernetes.io/service-name=${metadata!.name}` }
    const path = `/apis/discovery.k8s.io/v1/namespaces/${metadata!.namespace}/endpointslices`
    const look = async (signal: AbortSignal) => {
      const { items } = await kube.request<{ items: readonly Slice[] }>('GET', path, { query, signal })
      return isSettled(items.flatMap(({ endpoints }) => (endpoints ?? []).flatMap((each) => each.addresses))) || undefined
    }
    const what = `Service "${metadata!.name}" to follow its bridge`
    await withDeadline({ limit: patience, code: 'ERR_BRIDGE_RULES_FAILED', what }, (signal) =>
      poll(() => look(signal), { interval: 20, signal }),
    )
    await sleep(proxyPace)
  }
  return {
    get hasEnded() {
      return hasEnded
    },
    async add(routes) {
      for (const { port } of routes)
        if (!portsOf(switched, target).includes(port))
          throw new ClusterTestError(
            'ERR_BRIDGE_NO_SERVICE',
            `No Service leads to port ${port} of "${target.workload}", and a bridge takes what comes by Services here.`,
          )
      if (!hasBegun) await begin()
      for (const { port, route } of routes) junctions.get(port)!.add(route)
    },
    async remove(id) {
      for (const junction of junctions.values()) junction.remove(id)
      if (hasEnded || [...junctions.values()].some(({ routes }) => routes.size > 0)) return
      hasEnded = true
      await using _ends = ends
      await Promise.all(switched.map(restoreOne))
    },
  }
}

/** Milliseconds: kube-proxy waits for one second between two writes at the most (`minSyncPeriod`, Kubernetes 1.36). */
const proxyPace = 1_200

interface Slice {
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[] | null
}

type ServicePort = NonNullable<NonNullable<Service['spec']>['ports']>[number]

function isOf(addresses: readonly string[], pods: readonly Pod[]): boolean {
  const own = new Set(pods.map(({ status }) => status?.podIP))
  return addresses.every((address) => own.has(address))
}

/** Ports of the pods that Services lead to. */
function portsOf(services: readonly Service[], target: BridgeTarget): readonly number[] {
  return [...new Set(services.flatMap(({ spec }) => (spec?.ports ?? []).flatMap((port) => targetOf(port, target) ?? [])))]
}

/** A name may be that of a port of any container of the pods. */
function targetOf({ port, targetPort = port, protocol = 'TCP' }: ServicePort, { spec }: BridgeTarget): number | undefined {
  if (protocol !== 'TCP') return undefined
  if (typeof targetPort === 'number' || /^\d+$/.test(targetPort)) return Number(targetPort)
  return spec.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === targetPort)?.containerPort
}

function refuseUnknown({ workload }: BridgeTarget, services: readonly Service[], switched: readonly Service[]): void {
  const refuse = (why: string, hint?: string) => {
    throw new ClusterTestError('ERR_BRIDGE_NO_SERVICE', `Workload "${workload}" cannot be bridged here: ${why}.`, { hint })
  }
  if (services.length === 0) refuse('no Service leads to it', 'A bridge takes what comes by Services here.')
  const headless = services.filter((service) => !switched.includes(service)).map(({ metadata }) => metadata!.name!)
  if (switched.length === 0) refuse(`${formatList(headless)} has no address of its own (clusterIP: None), and leads to the pods directly`)
  const other = switched.find(({ spec }) => spec?.ports?.some(({ protocol }) => protocol !== undefined && protocol !== 'TCP'))
  if (other) refuse(`Service "${other.metadata!.name}" has a port that is not TCP`, 'Give that port a Service of its own.')
}
