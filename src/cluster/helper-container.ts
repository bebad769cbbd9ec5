import type { Container, ContainerCreateOptions, Docker } from '../docker/docker.ts'
import { randomId } from '../support/identity.ts'

/** What a helper has of its cluster. */
export interface HelperCluster {
  readonly name: string
  /** Of its nodes. */
  readonly image: string
  readonly labels: Readonly<Record<string, string>>
}

interface HelperOptions extends Pick<
  ContainerCreateOptions,
  'Tty' | 'OpenStdin' | 'StdinOnce' | 'ExposedPorts' | 'Hostname' | 'Domainname'
> {
  /** A part of its name. */
  readonly role: string
  /** In sh. What it starts with; then it stays. */
  readonly script: readonly string[]
  readonly HostConfig: ContainerCreateOptions['HostConfig']
  /** Besides those of the cluster. */
  readonly labels?: Readonly<Record<string, string>>
}

/** Creates a container that belongs to a cluster, of the node image: that has sh, ip and iptables, and it is there already. */
export function createHelper(
  docker: Docker,
  cluster: HelperCluster,
  { role, script, HostConfig, labels, ...options }: HelperOptions,
): Promise<Container> {
  return docker.engine.createContainer({
    name: `${cluster.name}-${role}-${randomId(3)}`,
    Image: cluster.image,
    Entrypoint: ['/bin/sh', '-ec', [...script, stay].join('\n')],
    Cmd: [],
    Labels: { ...cluster.labels, ...labels },
    HostConfig: { Tmpfs: noVolumes, ...HostConfig },
    ...options,
  })
}

/** The volumes of `rancher/k3s`: anonymous ones of a helper would stay when somebody else removes it, and nothing labels them. */
const noVolumes = Object.fromEntries(['/var/lib/kubelet', '/var/lib/rancher/k3s', '/var/lib/cni', '/var/log'].map((path) => [path, '']))

/** PID 1 ignores SIGTERM unless it handles it; a helper holds nothing worth a grace period. */
const stay = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"
