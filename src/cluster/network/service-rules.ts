import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { apiPath } from '../../kube/kinds.ts'
import { listAll } from '../../kube/list-all.ts'
import type { EndpointSlice, Pod, Service } from '../../kube/types.ts'
import { randomId } from '../../support/identity.ts'
import { isIPv6 } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import { shellScript } from '../../support/shell-script.ts'
import type { Cluster } from '../cluster.ts'
import { clusterAddresses } from './service-targets.ts'

/** A port of a Service at one of its addresses. */
interface ServicePort {
  readonly address: string
  readonly port: number
  /** In lower case. */
  readonly protocol: string
}

const serviceRules = shellScript<'families'>(import.meta.dirname, 'service-rules.sh')

/**
 * Waits until every node forwards to the endpoints of these Services. A Service that has a ready endpoint is not
 * reachable yet: kube-proxy writes its rules up to a second later (iptables mode, which k3s uses), and until then refuses connections.
 * With `internalTrafficPolicy: Local`, a node without an endpoint of its own drops them for good.
 */
export async function waitForServiceRules(
  docker: Docker,
  cluster: Pick<Cluster, 'nodes'>,
  services: readonly Service[],
  signal: AbortSignal,
): Promise<void> {
  const wanted = services.filter(isForKubeProxy).flatMap(portsOf)
  await Promise.all(
    cluster.nodes.map(async ({ container }) => {
      let missing = wanted
      await poll(
        async () => {
          const script = serviceRules({ families: missing.some(({ address }) => isIPv6(address)) ? '4 6' : '4' })
          const rules = rulesOfServices(await execInContainer(docker, container, script, { timeout: 30_000, signal }))
          missing = missing.filter((port) => !rules.some((rule) => isOf(port, rule) && / -j (?:KUBE-SV[CL]-|DROP$)/.test(rule)))
          return missing.length === 0 ? true : undefined
        },
        { interval: 50, signal },
      )
    }),
  )
}

/**
 * Waits until the rules of every node have followed the pods: none leads to a pod that is gone, where a connection would hang, and each
 * port of a Service leads on or refuses. Endpoints follow pods, and kube-proxy follows endpoints, up to a second later.
 */
export async function waitForRulesOfPods(
  docker: Docker,
  { kube, nodes }: Pick<Cluster, 'kube' | 'nodes'>,
  signal: AbortSignal,
): Promise<void> {
  const script = serviceRules({ families: '4 6' })
  let asked = performance.now()
  await poll(
    async () => {
      const rules = await Promise.all(nodes.map(({ container }) => execInContainer(docker, container, script, { timeout: 30_000, signal })))
      // Read after the rules: a pod that comes meanwhile is none that is gone.
      const known = await listEndpoints(kube, signal)
      if (!rules.flatMap(targetsOf).every((address) => known.has(address))) return undefined
      const ports = (await listAll<Service>(kube, 'Service', signal)).filter(isForKubeProxy).flatMap(portsOf)
      const lost = rules.map(rulesOfServices).flatMap((each) => ports.filter((port) => !each.some((rule) => isOf(port, rule))))
      if (lost.length === 0) return true
      if (performance.now() - asked < patience) return undefined
      asked = performance.now()
      await askKubeProxy(kube, new Set(lost.map(({ address }) => (isIPv6(address) ? 'IPv6' : 'IPv4'))), signal)
      return undefined
    },
    { interval: 50, signal },
  )
}

/** Addresses of pods, and those that Services lead to besides. Endpoints are late themselves: those of pods do not count. */
async function listEndpoints(kube: Cluster['kube'], signal: AbortSignal): Promise<ReadonlySet<string>> {
  const [pods, slices] = await Promise.all([listAll<Pod>(kube, 'Pod', signal), listAll<EndpointSlice>(kube, 'EndpointSlice', signal)])
  const others = slices.flatMap(({ endpoints }) => (endpoints ?? []).filter(({ targetRef }) => targetRef?.kind !== 'Pod'))
  return new Set([
    ...pods.flatMap(({ status }) => (status?.podIPs ?? []).map(({ ip }) => ip)),
    ...others.flatMap(({ addresses }) => addresses),
  ])
}

/** Where a node forwards to, and the pods whose network policies it keeps. */
function targetsOf(rules: string): readonly string[] {
  const found = rules.matchAll(/^-A KUBE-(?:SEP-.* --to-destination \[?([0-9a-f.:]+?)\]?:\d+|ROUTER-\w+ -[sd] ([0-9a-f.:]+)\/.*)$/gm)
  return [...found].map(([, forwarded, filtered]) => (forwarded ?? filtered)!)
}

function rulesOfServices(rules: string): readonly string[] {
  return rules.split('\n').filter((rule) => rule.startsWith('-A KUBE-SERVICES '))
}

/** Milliseconds: kube-proxy waits for one second between two writes. */
const patience = 2_000

/**
 * Has kube-proxy write its rules. k3s' controller of network policies (kube-router) follows pods as well, and puts the whole table of
 * filters back as it has read it: of what kube-proxy has written meanwhile, nothing is left, and for up to an hour a Service without pods
 * swallows connections instead of refusing them (seen with k3s 1.36.3). kube-proxy writes all refusals with any change that it is told of,
 * such as an EndpointSlice of no Service.
 */
async function askKubeProxy(kube: Cluster['kube'], addressTypes: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
  const path = apiPath('EndpointSlice', 'kube-system')
  for (const addressType of addressTypes) {
    const name = `vitest-kubernetes-${randomId(4)}`
    const metadata = { name, labels: { 'kubernetes.io/service-name': name } }
    await kube.request('POST', path, { body: { addressType, metadata, endpoints: [], ports: [] }, signal })
    await kube.request('DELETE', `${path}/${name}`, { signal })
  }
}

function portsOf({ spec }: Service): readonly ServicePort[] {
  return clusterAddresses(spec).flatMap((address) =>
    (spec?.ports ?? []).map(({ port, protocol = 'TCP' }) => ({ address, port, protocol: protocol.toLowerCase() })),
  )
}

function isOf({ address, port, protocol }: ServicePort, rule: string): boolean {
  return (
    rule.includes(`-d ${address}/${isIPv6(address) ? 128 : 32} `) && rule.includes(`--dport ${port} `) && rule.includes(`-p ${protocol} `)
  )
}

/** Others are left to another proxy: https://kubernetes.io/docs/reference/labels-annotations-taints/ */
export function isForKubeProxy({ metadata }: Service): boolean {
  return metadata?.labels?.['service.kubernetes.io/service-proxy-name'] === undefined
}
