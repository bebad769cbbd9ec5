import type { Docker } from '../../docker/docker.ts'
import { putFiles } from '../../docker/put-files.ts'
import { together } from '../../support/together.ts'
import { findFreePort } from '../network/free-port.ts'
import { type Gateways, startCopier, templateMount } from './copy-files.ts'
import type { TemplateNode } from './template-node.ts'
import type { Template } from './template.ts'

export interface ForkOptions {
  /** Name of the new cluster, and of its network, which is there. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Its part of the processors beside that of others, which have 1,024 (`--cpu-shares` of `docker run`). @default 1024 */
  readonly cpuShares?: number | undefined
  readonly signal: AbortSignal
}

/**
 * Starts the nodes of a cluster that has everything that was in a template. It is k3d's as any other: nodes of k3d's names and labels, with
 * the hostnames of the template's, since those are the names of the Kubernetes Nodes. Resolves to the kubeconfig, as soon as they start.
 *
 * That k3s goes on from its folder at another address rests on what it does at each start (k3s 1.36): it issues the certificates of API server
 * and kubelet for the node's addresses, and registers the node by its name, with the password from `/etc/rancher/node`.
 */
export async function startFork(docker: Docker, template: Template, { name, labels, cpuShares, signal }: ForkOptions): Promise<string> {
  const { nodes, volume, kubeconfig } = template
  const network = (await docker.engine.getNetwork(name).inspect()) as {
    Id: string
    IPAM: { Config: { Subnet: string; Gateway: string }[] }
  }
  const { Subnet: range = '', Gateway: gateway = '' } = network.IPAM.Config[0] ?? {}
  const gateways = { from: template.gateway, to: gateway }
  const port = await findFreePort()
  await docker.engine.createVolume({ Name: `k3d-${name}-images`, Labels: { app: 'k3d', 'k3d.cluster': name } })
  await using cleanup = new AsyncDisposableStack()
  const options = { name, labels, port, volume, gateway, network: { id: network.Id, range }, cpuShares }
  const [copier, created] = await together(signal, [
    async () => cleanup.use(await startCopier(docker, { name, image: nodes[0]!.image, labels }, volume)),
    () =>
      Promise.all(
        nodes.map(async (node) => {
          const container = await docker.engine.createContainer(containerOf(node, options))
          await putFiles(container, filesOf(node, gateways))
          return { hostname: node.hostname, container: container.id }
        }),
      ),
  ])
  await copier.restore(created, gateways, signal)
  await Promise.all(created.map(({ container }) => docker.engine.getContainer(container).start()))
  return kubeconfig.replace(/(?<=server: https:\/\/127\.0\.0\.1:)\d+/, String(port)).replaceAll(nodes[0]!.labels['k3d.cluster']!, name)
}

interface ContainerOptions {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly port: number
  readonly volume: string
  readonly gateway: string
  readonly network: { readonly id: string; readonly range: string }
  readonly cpuShares: number | undefined
}

/** As k3d 5.9.0 creates it. */
function containerOf(node: TemplateNode, { name, labels, port, volume, gateway, network, cpuShares }: ContainerOptions) {
  const from = node.labels['k3d.cluster']!
  const isServer = node.labels['k3d.role'] === 'server'
  const kept = Object.entries(node.labels).filter(([key]) => key === 'app' || key.startsWith('k3d.'))
  return {
    name: node.hostname.replace(from, name),
    Hostname: node.hostname,
    Image: node.image,
    Env: [...node.env],
    Cmd: [...node.cmd],
    Entrypoint: [...node.entrypoint],
    ...(isServer && { ExposedPorts: { '6443': {} } }),
    Labels: {
      ...Object.fromEntries(kept),
      'k3d.cluster': name,
      'k3d.cluster.imageVolume': `k3d-${name}-images`,
      'k3d.cluster.network': name,
      'k3d.cluster.network.id': network.id,
      'k3d.cluster.network.iprange': network.range,
      ...(isServer && { 'k3d.server.api.port': String(port) }),
      ...labels,
    },
    HostConfig: {
      ...node.host,
      Binds: [`k3d-${name}-images:/k3d/images`, templateMount(volume)],
      ExtraHosts: [`host.k3d.internal:${gateway}`],
      NetworkMode: name,
      ...(cpuShares && { CpuShares: cpuShares }),
      ...(isServer && { PortBindings: { '6443': [{ HostIp: '127.0.0.1', HostPort: String(port) }] } }),
    },
    // Agents know their server by its hostname.
    NetworkingConfig: { EndpointsConfig: { [name]: { Aliases: [node.hostname] } } },
  }
}

/** The files of a node, with the address of its new network's gateway in k3d's entrypoint. */
function filesOf({ files }: TemplateNode, { from, to }: Gateways): Parameters<typeof putFiles>[1] {
  const whole = new RegExp(`(?<![\\w.:])${RegExp.escape(from)}(?![\\w.:])`, 'g')
  return Object.fromEntries(
    Object.entries(files).map(([path, hex]) => {
      const bytes = Buffer.from(hex, 'hex')
      return [
        path,
        path.startsWith('/bin/') ? { content: bytes.toString().replaceAll(whole, to), mode: 0o755 } : { content: bytes, mode: 0o600 },
      ]
    }),
  )
}
