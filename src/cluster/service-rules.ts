import type { Docker } from '../docker/docker.ts'
import { execInDocker } from '../docker/exec.ts'
import type { Service } from '../kube/types.ts'
import { poll } from '../support/poll.ts'
import type { Cluster } from './cluster.ts'

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
    if (!spec?.clusterIP || spec.clusterIP === 'None') return []
    return (spec.ports ?? []).map(({ port, protocol = 'TCP' }) => ({ address: spec.clusterIP!, port, protocol: protocol.toLowerCase() }))
  })
  await Promise.all(
    cluster.nodes.map(async ({ name }) => {
      let missing = wanted
      await poll(
        async () => {
          const rules = (await execInDocker(docker, name, ['iptables-save', '-t', 'nat'], { signal }))
            .split('\n')
            .filter((rule) => rule.startsWith('-A KUBE-SERVICES '))
          missing = missing.filter(
            ({ address, port, protocol }) =>
              !rules.some(
                (rule) =>
                  rule.includes(`-d ${address}/32 `) &&
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
