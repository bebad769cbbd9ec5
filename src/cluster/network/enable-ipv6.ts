import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

import { type Docker, isNotFound } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'

const command = ['sh', '-c', 'echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6']

/**
 * Docker gives a container on a network with IPv6 an address, and leaves the kernel's main switch off: kube-proxy takes that for
 * a machine without IPv6 (kubernetes/kubernetes, cmd/kube-proxy/app/server_linux.go). k3d cannot set it, so this does in the
 * moment that a node starts, also when it is restarted: seconds before kube-proxy looks.
 */
export async function enableIPv6(docker: Docker, cluster: string, onProblem: (error: unknown) => void): Promise<Disposable> {
  const filters = { type: ['container' as const], event: ['start'], label: [`k3d.cluster=${cluster}`] }
  const events = (await docker.engine.getEvents({ filters })) as Readable
  events.on('error', onProblem)
  createInterface({ input: events }).on('line', (line) => {
    const { Actor } = JSON.parse(line) as { Actor: { ID: string; Attributes: Record<string, string> } }
    if (!['server', 'agent'].includes(Actor.Attributes['k3d.role'] ?? '')) return
    execInContainer(docker, Actor.ID, command).catch((error: unknown) => {
      if (!isNotFound(error)) onProblem(error)
    })
  })
  return { [Symbol.dispose]: () => void events.destroy() }
}
