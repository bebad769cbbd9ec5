import type { Container, ContainerCreateOptions, Docker } from '../docker/docker.ts'
import { randomId } from '../support/identity.ts'
import type { Cluster } from './cluster.ts'

interface HelperOptions extends Pick<ContainerCreateOptions, 'Tty' | 'ExposedPorts' | 'Hostname' | 'Domainname'> {
  /** A part of its name. */
  readonly role: string
  /** In sh. What it starts with; then it stays. */
  readonly script: readonly string[]
  readonly HostConfig: ContainerCreateOptions['HostConfig']
}

/** Creates a container that belongs to a cluster, of the node image: that has sh, ip and iptables, and it is there already. */
export function createHelper(docker: Docker, cluster: Cluster, { role, script, ...options }: HelperOptions): Promise<Container> {
  return docker.engine.createContainer({
    name: `${cluster.name}-${role}-${randomId(3)}`,
    Image: cluster.image,
    Entrypoint: ['/bin/sh', '-ec', [...script, stay].join('\n')],
    Cmd: [],
    Labels: { ...cluster.labels },
    ...options,
  })
}

/** PID 1 ignores SIGTERM unless it handles it; a helper holds nothing worth a grace period. */
const stay = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"
