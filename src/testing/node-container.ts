import { findIptables } from '../bridge/rules/node-scripts.ts'
import { findK3d } from '../cluster/k3d.ts'
import { type ContainerShell, startContainerShell } from '../docker/container-shell.ts'
import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { removeContainer } from '../docker/remove.ts'
import type { ShellScript } from '../support/shell-script.ts'

export interface NodeContainer extends AsyncDisposable {
  /** Runs a script or a line of sh and resolves to what it prints. */
  run(script: ShellScript | string): Promise<string>
  /** As a bridge opens it. */
  openShell(): Promise<ContainerShell>
}

/** A container of the node image that is no node: nothing of Kubernetes runs in it. */
export async function startNodeContainer(): Promise<NodeContainer> {
  const docker = await connectDocker()
  const image = process.env['VITEST_KUBERNETES_NODE_IMAGE'] ?? (await findK3d(docker)).defaultImage
  const container = await docker.engine.createContainer({
    Image: image,
    Entrypoint: ['/bin/sleep', '600'],
    Cmd: [],
    HostConfig: { Privileged: true, Init: true },
  })
  const remove = () => removeContainer(docker, container.id)
  try {
    await container.start()
  } catch (error) {
    await remove()
    throw error
  }
  return {
    run: (script) => execInContainer(docker, container.id, typeof script === 'string' ? ['sh', '-c', script] : script, { timeout: 60_000 }),
    openShell: () => startContainerShell(docker, container.id, findIptables),
    [Symbol.asyncDispose]: remove,
  }
}
