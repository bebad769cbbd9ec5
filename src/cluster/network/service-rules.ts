import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { type EndpointSlice, type KubeList, type Pod, type Service, slicesPath } from '../../kube/types.ts'
import { isIPv6 } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import { shellScript } from '../../support/shell-script.ts'
import type { Cluster } from '../cluster.ts'
import { clusterAddresses } from './service-targets.ts'

const serviceRules = shellScript<'families'>(import.meta.dirname, 'service-rules.sh')

/**
 * Waits until every node forwards to the endpoints of these Services. A Service that has a ready endpoint is not
 * reachable yet: kube-proxy writes its rules up to a second later (iptables mode, which k3s uses), and until then refuses connections.
 */
export async function waitForServiceRules(
  docker: Docker,
  cluster: Cluster,
  services: readonly Service[],
  signal: AbortSignal,
): Promise<void> {
  const wanted = services.flatMap(({ spec }) => {
    return clusterAddresses(spec).flatMap((address) =>
      (spec?.ports ?? []).map(({ port, protocol = 'TCP' }) => ({ address, port, protocol: protocol.toLowerCase() })),
    )
  })
  await Promise.all(
    cluster.nodes.map(async ({ container }) => {
      let missing = wanted
      await poll(
        async () => {
          const script = serviceRules({ families: missing.some(({ address }) => isIPv6(address)) ? '4 6' : '4' })
          const rules = (await execInContainer(docker, container, script, { timeout: 30_000, signal }))
            .split('\n')
            .filter((rule) => rule.startsWith('-A KUBE-SERVICES '))
          missing = missing.filter(
            ({ address, port, protocol }) =>
              !rules.some(
                (rule) =>
                  rule.includes(`-d ${address}/${isIPv6(address) ? 128 : 32} `) &&
                  rule.includes(`--dport ${port} `) &&
                  rule.includes(`-p ${protocol} `) &&
                  / -j KUBE-SV[CL]-/.test(rule),
              ),
          )
          return missing.length === 0 ? true : undefined
        },
        { interval: 50, signal },
      )
    }),
  )
}

/**
 * Waits until no node forwards to a pod that is gone: a connection to it would hang. Endpoints follow pods, and kube-proxy follows
 * endpoints, up to a second later.
 */
export async function waitForGonePods(docker: Docker, { kube, nodes }: Cluster, signal: AbortSignal): Promise<void> {
  const script = serviceRules({ families: '4 6' })
  await poll(
    async () => {
      const rules = await Promise.all(nodes.map(({ container }) => execInContainer(docker, container, script, { timeout: 30_000, signal })))
      // Read after the rules: a pod that comes meanwhile is none that is gone. Endpoints are late themselves: those of pods do not count.
      const [pods, slices] = await Promise.all([
        kube.request<KubeList<Pod>>('GET', '/api/v1/pods', { signal }),
        kube.request<KubeList<EndpointSlice>>('GET', slicesPath, { signal }),
      ])
      const others = slices.items.flatMap(({ endpoints }) => (endpoints ?? []).filter(({ targetRef }) => targetRef?.kind !== 'Pod'))
      const known = new Set([
        ...pods.items.flatMap(({ status }) => (status?.podIPs ?? []).map(({ ip }) => ip)),
        ...others.flatMap(({ addresses }) => addresses),
      ])
      const targets = rules.join('\n').matchAll(/ -j DNAT --to-destination \[?([0-9a-f.:]+?)\]?:\d+$/gm)
      return targets.every(([, address]) => known.has(address!)) || undefined
    },
    { interval: 50, signal },
  )
}
