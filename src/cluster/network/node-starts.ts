import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { putFiles } from '../../docker/put-files.ts'
import { type ShellScript, shellScript } from '../../support/shell-script.ts'
import type { ClusterRanges } from './cluster-ranges.ts'

const nodeStart = shellScript<'ranges' | 'ipv6'>(import.meta.dirname, 'node-start.sh')

/**
 * k3d's entrypoint of a node runs all files of this pattern at every start, before k3s: `/bin/k3d-entrypoint-*.sh`
 * (pkg/types/fixes/assets/k3d-entrypoint.sh of k3d 5.9.0), of which ours is the last.
 */
const entrypoint = 'k3d-entrypoint-vitest-kubernetes.sh'

/** k3d uses its entrypoint when it has a fix of its own to apply. This one, which it applies by default, does not depend on the host. */
export const entrypointEnv = { K3D_FIX_MOUNTS: 'true' } as const

/** Whatever a cluster's nodes have to do at every start, while k3d creates them. */
export interface NodeStarts extends Disposable {
  /** Resolves when all of these nodes do. */
  ready(nodes: readonly { readonly container: string }[]): Promise<void>
}

/**
 * Gives each node a script that it runs at every start. Its file has to be there between k3d's creation of the container and its
 * start, and k3d's own configuration brings none that can be run (`files`, mode 0644). A mount would have to outlive this run, and to
 * be known to the machine of the Docker engine.
 */
export async function watchNodeStarts(docker: Docker, cluster: string, ranges: ClusterRanges): Promise<NodeStarts> {
  const script = nodeStart({ ranges: ranges.services.join(' '), ipv6: ranges.family === 'dual' ? 'yes' : 'no' })
  const prepared = new Map<string, Promise<void>>()
  const prepare = (name: string) => {
    const started = prepareNode(docker, name, script)
    // Looked at when all nodes are there: the error that k3d has may be the cause.
    started.catch(() => {})
    prepared.set(name, started)
    return started
  }
  const filters = { type: ['container' as const], event: ['create'], label: [`k3d.cluster=${cluster}`] }
  const events = (await docker.engine.getEvents({ filters })) as Readable
  // Nodes that are missed are prepared in the end.
  events.on('error', () => {})
  createInterface({ input: events }).on('line', (line) => {
    const { name = '', 'k3d.role': role = '' } = (JSON.parse(line) as { Actor: { Attributes: Record<string, string> } }).Actor.Attributes
    if (['server', 'agent'].includes(role)) void prepare(name)
  })
  return {
    ready: async (nodes) => void (await Promise.all(nodes.map(({ container }) => prepared.get(container) ?? prepare(container)))),
    [Symbol.dispose]: () => void events.destroy(),
  }
}

async function prepareNode(docker: Docker, name: string, script: ShellScript): Promise<void> {
  const container = docker.engine.getContainer(name)
  await putFiles(container, { [`/bin/${entrypoint}`]: { content: `#!/bin/sh\n${script.text}`, mode: 0o755 } })
  // k3d may have been faster.
  const { State } = await container.inspect()
  if (State.Running) await execInContainer(docker, name, script, { timeout: 30_000 })
}
