import { setTimeout as sleep } from 'node:timers/promises'

import { isForKubeProxy } from '../../cluster/network/service-rules.ts'
import { clusterAddresses } from '../../cluster/network/service-targets.ts'
import type { TunnelPorts } from '../../cluster/network/tunnel-ports.ts'
import type { Tunnel } from '../../cluster/network/tunnel.ts'
import type { ServiceAccess } from '../../cluster/suite-cluster.ts'
import type { KubeClient } from '../../kube/client.ts'
import { apiPath } from '../../kube/kinds.ts'
import { selectorFits } from '../../kube/labels.ts'
import type { EndpointSlice, KubeList, Pod, Service } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { formatList } from '../../support/format.ts'
import { bracketed } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import { tunnelGateway } from './tunnel-gateway.ts'

/** Milliseconds. */
const limits = { services: 10_000, refused: 3_000 }

interface TunnelAccessOptions {
  readonly kube: KubeClient
  readonly namespace: string
  readonly note: (text: string) => void
}

/** How this machine comes to the Services of a namespace: through its relay. */
export function tunnelAccess(tunnels: TunnelPorts, { kube, namespace, note }: TunnelAccessOptions): ServiceAccess {
  /** Addresses that were not reached, and need not be: the user was told, or their pods do not listen. */
  const unreached = new Set<string>()
  const access: ServiceAccess = {
    openGateway: (options) => tunnelGateway(tunnels, options),
    /** From the relay's node, which stands for the others. */
    async waitForServices(services, signal) {
      const begun = performance.now()
      const limit = AbortSignal.any([signal, AbortSignal.timeout(limits.services)])
      let missing = services
        .filter(isForKubeProxy)
        .flatMap(tcpAddresses)
        .filter((address) => !unreached.has(address))
      const areReached = async () => {
        const { tunnel } = await tunnels.current()
        const reasons = await Promise.all(missing.map((address) => whyUnreached(tunnel, address)))
        // A pod may be ready and not listen; a Service is refused on its own account for a moment only.
        const isLate = performance.now() - begun > limits.refused
        missing = missing.filter((address, index) => {
          if (isLate && reasons[index]?.includes('refused')) unreached.add(address)
          return reasons[index] !== undefined && !unreached.has(address)
        })
        return missing.length === 0 ? true : undefined
      }
      await poll(areReached, { interval: 50, signal: limit }).catch((error: unknown) => {
        if (signal.aborted || !limit.aborted) throw error
        for (const address of missing) unreached.add(address)
        note(`the relay does not reach ${formatList(missing)}: a NetworkPolicy may not let it`)
      })
    },
    async waitForPods(signal) {
      const list = async <T>(kind: 'EndpointSlice' | 'Pod' | 'Service') =>
        (await kube.request<KubeList<T>>('GET', apiPath(kind, namespace), { signal })).items
      const haveFollowed = async () => {
        const [pods, slices, services] = await Promise.all([
          list<Pod>('Pod'),
          list<EndpointSlice>('EndpointSlice'),
          list<Service>('Service'),
        ])
        const selecting = services.filter((service) => service.spec?.selector && isForKubeProxy(service))
        return selecting.every((service) => leadsToPods(service, slices, pods)) ? { selecting, pods } : undefined
      }
      const limit = AbortSignal.any([signal, AbortSignal.timeout(limits.services)])
      const found = await poll(haveFollowed, { interval: 50, signal: limit }).catch((error: unknown) => {
        if (signal.aborted || !limit.aborted) throw error
        return undefined
      })
      // Somebody else writes endpoints there too.
      if (!found) return
      const { selecting, pods } = found
      const answering = ({ spec }: Service) => pods.some((pod) => isPodReady(pod) && selectorFits(spec?.selector, pod.metadata?.labels))
      await access.waitForServices(selecting.filter(answering), signal)
    },
  }
  return access
}

/** Connections that are tried, and milliseconds for each. */
const trials = { count: 4, limit: 1_000 }

/** One that a node forwards to a pod that is gone hangs, where the next one may lead to another pod. */
async function whyUnreached(tunnel: Tunnel, address: string): Promise<string | undefined> {
  const isLate = sleep(trials.limit, 'no answer', { ref: false })
  const reasons = Array.from({ length: trials.count }, () => Promise.race([tunnel.whyUnreached(address), isLate]))
  return (await Promise.all(reasons)).find((reason) => reason !== undefined)
}

/** Whether the endpoints of a Service are those of all ready pods, and of none that is gone: they follow a moment later. */
function leadsToPods({ metadata, spec }: Service, slices: readonly EndpointSlice[], pods: readonly Pod[]): boolean {
  const own = slices.filter(({ metadata: { labels } }) => labels?.['kubernetes.io/service-name'] === metadata?.name)
  const addresses = own.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses: each }) => each))
  const ofPod = ({ status }: Pod) => (status?.podIPs ?? []).map(({ ip }) => ip ?? '')
  const meant = pods.filter((pod) => selectorFits(spec?.selector, pod.metadata?.labels))
  const there = new Set(meant.flatMap(ofPod))
  return (
    addresses.every((address) => there.has(address)) &&
    meant.filter(isPodReady).every((pod) => ofPod(pod).some((ip) => addresses.includes(ip)))
  )
}

function tcpAddresses({ spec }: Service): readonly string[] {
  const ports = (spec?.ports ?? []).filter(({ protocol = 'TCP' }) => protocol === 'TCP')
  return clusterAddresses(spec).flatMap((address) => ports.map(({ port }) => `${bracketed(address)}:${port}`))
}
