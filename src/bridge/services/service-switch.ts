import { setTimeout as sleep } from 'node:timers/promises'

import { clusterAddresses } from '../../cluster/network/service-targets.ts'
import { type KubeClient, unlessAbsent } from '../../kube/client.ts'
import { apiPath } from '../../kube/kinds.ts'
import { type Labels, selectorFits } from '../../kube/labels.ts'
import type { EndpointSlice, KubeList, Service } from '../../kube/types.ts'
import { watchList } from '../../kube/watch-list.ts'
import { isPodReady } from '../../kube/workload.ts'
import { withDeadline } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { bracketed } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import { createQueue } from '../../support/turns.ts'
import { type Junction, startJunction } from '../junction/junction.ts'
import type { Route } from '../junction/route.ts'
import type { LocalReach } from '../reach/local-reach.ts'
import type { BridgeTarget } from '../rules/target.ts'

export interface ServiceSwitchOptions {
  readonly kube: KubeClient
  /** What selects the relay's pod. */
  readonly selector: Labels
  /** Of the switch alone: it is disposed with it. */
  readonly target: BridgeTarget
  readonly reach: LocalReach
  /** Ends connections of this machine to these addresses of Services, once no answer is under way on them. */
  readonly endIdle: (addresses: readonly string[]) => Promise<void>
  readonly onProblem: (error: unknown) => void
}

/** The Services of a workload, whose requests come to this machine while there is a route for any of them. Disposal puts them back. */
export interface ServiceSwitch extends AsyncDisposable {
  /** Resolves when the next request comes here. @param routes with the ports of the pods that they are for */
  add(routes: readonly PortRoute[]): Promise<void>
  /** Resolves when no further request goes to the bridge. */
  remove(id: string): Promise<void>
}

export interface PortRoute {
  readonly port: number
  readonly route: Route
}

/** Milliseconds for the endpoints of a Service to follow. */
const patience = 20_000
/** Milliseconds: kube-proxy waits for one second between two writes at the most (`minSyncPeriod`, Kubernetes 1.36). */
const proxyPace = 1_200
/** How often others may put a Service back while it is bridged: a controller of theirs would do so for ever. */
const mostSwitches = 20

type ServiceSpec = NonNullable<Service['spec']>
type ServicePort = NonNullable<ServiceSpec['ports']>[number]

export function openServiceSwitch({ kube, selector, target, reach, endIdle, onProblem }: ServiceSwitchOptions): ServiceSwitch {
  const { namespace, workload } = target
  const inTurn = createQueue()
  const owned = new AsyncDisposableStack()
  owned.use(target)
  /** For each port of the pods: what looks at its requests, and the relay's port that leads there. They stay: callers may keep connections. */
  const junctions = new Map<number, Promise<{ readonly junction: Junction; readonly lead: number }>>()
  /** What Services were before, by name. */
  const before = new Map<string, ServiceSpec>()
  let watching: Disposable | undefined
  let switches = 0
  let next = 0

  const anyPod = (): string => {
    const pods = target.pods().filter((pod) => isPodReady(pod) && pod.status?.podIP)
    const pod = pods[next++ % Math.max(1, pods.length)]
    if (pod) return pod.status!.podIP!
    throw new ClusterTestError('ERR_BRIDGE_NO_PODS', `Workload "${workload}" has no ready pod right now.`)
  }
  const openJunction = async (port: number) => {
    const original = async () => reach.to({ host: anyPod(), port })
    const junction = owned.use(await startJunction({ workload, addresses: ['127.0.0.1'], original, onProblem }))
    const [listener] = junction.listeners
    const [lead] = await reach.lead([{ protocol: 'tcp', port, address: listener!.address, targetPort: listener!.port }], owned)
    return { junction, lead: lead!.targetPort }
  }
  const junctionOf = (port: number) => {
    const known = junctions.get(port) ?? openJunction(port)
    junctions.set(port, known)
    known.catch(() => junctions.delete(port))
    return known
  }
  const pathOf = (name: string) => apiPath('Service', namespace, name)
  const patch = (name: string, spec: object) =>
    kube.request('PATCH', pathOf(name), { body: { spec }, contentType: 'application/merge-patch+json' })
  const isOurs = ({ spec }: Service) => selectorFits(selector, spec?.selector)

  /** Sends what comes to a Service here, whatever others have made of it meanwhile. */
  const turn = async (service: Service): Promise<void> => {
    const { metadata, spec } = service
    const lead = async (port: ServicePort) => {
      const to = targetOf(port, target)
      return to === undefined ? port : { ...port, targetPort: (await junctionOf(to)).lead }
    }
    const ports = await Promise.all(spec!.ports!.map(lead))
    before.set(metadata!.name!, spec!)
    await patch(metadata!.name!, { selector: { ...without(spec!.selector), ...selector }, ports })
  }
  const on = async (): Promise<void> => {
    const { items } = await kube.request<KubeList<Service>>('GET', apiPath('Service', namespace))
    const services = items.filter(({ spec }) => selectorFits(spec?.selector, target.labels))
    const switched = services.filter(({ spec }) => spec?.clusterIP !== 'None')
    refuseUnknown(target, services, switched)
    try {
      for (const service of switched) await turn(service)
      await settle((addresses, relays) => addresses.length > 0 && addresses.every((each) => relays.has(each)))
    } catch (error) {
      await off()
      throw error
    }
    watching = await watchList<Service & { metadata: { name: string } }>(kube, apiPath('Service', namespace), {
      onChange: () => void inTurn(again).catch(onProblem),
      signal: new AbortController().signal,
    })
  }
  /** Somebody may have applied a Service again. */
  const again = async (): Promise<void> => {
    for (const name of before.keys()) {
      const service = await kube.find<Service>(pathOf(name))
      if (!service || isOurs(service) || !watching) continue
      if (++switches > mostSwitches)
        throw new ClusterTestError(
          'ERR_BRIDGE_RULES_FAILED',
          `Service "${name}" is put back by somebody again and again: its bridge has ended.`,
        )
      await turn(service)
    }
  }
  const off = async (): Promise<void> => {
    watching?.[Symbol.dispose]()
    watching = undefined
    const restored = await Promise.allSettled([...before].map(([name, spec]) => restore(name, spec)))
    const failed = restored.find((each) => each.status === 'rejected')
    if (!failed) await settle((addresses, relays) => !addresses.some((each) => relays.has(each)))
    before.clear()
    if (failed) throw failed.reason
  }
  /** What others have changed meanwhile stays. */
  const restore = async (name: string, spec: ServiceSpec): Promise<void> => {
    const now = await kube.find<Service>(pathOf(name))
    if (!now || !isOurs(now)) return
    const leads = new Set(
      (await Promise.allSettled(junctions.values())).flatMap((each) => (each.status === 'fulfilled' ? [each.value.lead] : [])),
    )
    const ports = now.spec!.ports!.map((port) => {
      const { targetPort } = spec.ports!.find((each) => each.port === port.port && each.name === port.name) ?? {}
      return leads.has(Number(port.targetPort)) && targetPort !== undefined ? { ...port, targetPort } : port
    })
    await unlessAbsent(patch(name, { selector: { ...without(selector), ...spec.selector }, ports }))
  }
  /** Endpoints follow at once, and what forwards to them on each node within a second. Then connections that are older are ended. */
  const settle = async (isSettled: (addresses: readonly string[], relays: ReadonlySet<string>) => boolean): Promise<void> => {
    const names = [...before.keys()]
    const look = async (signal: AbortSignal) => {
      const [{ items: slices }, { items: pods }] = await Promise.all([
        kube.request<KubeList<EndpointSlice>>('GET', apiPath('EndpointSlice', namespace), { signal }),
        kube.request<KubeList<{ status?: { podIPs?: readonly { ip: string }[] } }>>('GET', apiPath('Pod', namespace), {
          query: {
            labelSelector: Object.entries(selector)
              .map((each) => each.join('='))
              .join(),
          },
          signal,
        }),
      ])
      const relays = new Set(pods.flatMap(({ status }) => (status?.podIPs ?? []).map(({ ip }) => ip)))
      const isDone = (name: string) => {
        const own = slices.filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name)
        return isSettled(
          own.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)),
          relays,
        )
      }
      return names.every(isDone) || undefined
    }
    const what = `For the endpoints of ${formatList(names)} to follow`
    await withDeadline({ limit: patience, code: 'ERR_BRIDGE_RULES_FAILED', what }, (signal) =>
      poll(() => look(signal), { interval: 20, signal }),
    )
    await sleep(proxyPace)
    await endIdle([...before.values()].flatMap(clusterAddresses).map(bracketed))
  }
  return {
    add: (routes) =>
      inTurn(async () => {
        if (before.size === 0) await on()
        for (const { port, route } of routes) {
          if (!junctions.has(port)) throw notReached(target, port)
          ;(await junctionOf(port)).junction.add(route)
        }
      }).catch(async (error: unknown) => {
        await takeBack(routes)
        throw error
      }),
    remove,
    [Symbol.asyncDispose]: () =>
      inTurn(async () => {
        await using _ends = owned
        if (before.size > 0) await off()
      }),
  }

  async function takeBack(routes: readonly PortRoute[]): Promise<void> {
    for (const { route } of routes) await remove(route.id)
  }

  function remove(id: string): Promise<void> {
    return inTurn(async () => {
      let left = 0
      for (const opened of await Promise.all(junctions.values())) {
        opened.junction.remove(id)
        left += opened.junction.routes.size
      }
      if (left === 0 && before.size > 0) await off()
    })
  }
}

/** In a merge patch: to take these keys away. */
function without(labels: Labels = {}): Readonly<Record<string, null>> {
  return Object.fromEntries(Object.keys(labels).map((key) => [key, null]))
}

/** The port of the pods that a port of a Service leads to. A name may be that of a port of any container. */
function targetOf({ port, targetPort = port, protocol = 'TCP' }: ServicePort, { spec }: BridgeTarget): number | undefined {
  if (protocol !== 'TCP') return undefined
  if (typeof targetPort === 'number' || /^\d+$/.test(targetPort)) return Number(targetPort)
  return spec.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === targetPort)?.containerPort
}

/** @throws ClusterTestError `ERR_BRIDGE_NO_SERVICE` for a workload that cannot be told from others by its Services */
function refuseUnknown(target: BridgeTarget, services: readonly Service[], switched: readonly Service[]): void {
  const refuse = (why: string, hint?: string) => {
    throw new ClusterTestError('ERR_BRIDGE_NO_SERVICE', `Workload "${target.workload}" cannot be bridged here: ${why}.`, { hint })
  }
  const named = (of: readonly Service[]) => formatList(of.map(({ metadata }) => metadata!.name!))
  if (services.length === 0) refuse('no Service leads to it', 'A bridge takes what comes by Services here.')
  if (switched.length === 0) refuse(`${named(services)} has no address of its own (clusterIP: None), and leads to the pods directly`)
  const udp = switched.filter(({ spec }) => spec?.ports?.some(({ protocol = 'TCP' }) => protocol !== 'TCP'))
  if (udp.length > 0) refuse(`Service ${named(udp)} has a port that is not TCP`, 'Give that port a Service of its own.')
  const own = new Set(target.allPods().map(({ metadata }) => metadata!.uid))
  const isForeign = ({ spec }: Service) =>
    target.inNamespace().some(({ metadata }) => !own.has(metadata!.uid) && selectorFits(spec?.selector, metadata?.labels))
  const shared = switched.filter(isForeign)
  if (shared.length > 0)
    refuse(
      `Service ${named(shared)} leads to pods of other workloads too`,
      `Bridge all of them: cluster.bridge('service/${shared[0]!.metadata!.name}', …).`,
    )
}

function notReached({ workload }: BridgeTarget, port: number): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_NO_SERVICE',
    `No Service leads to port ${port} of "${workload}", and a bridge takes what comes by Services here.`,
  )
}
