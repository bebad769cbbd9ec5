import type { ContainerCreateOptions, Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { shellScript } from '../../support/shell-script.ts'

/** What of a container's settings is the same in all nodes of k3d, whatever network and volumes they have. Some are the engine's defaults. */
const hostSettings = ['CgroupnsMode', 'Init', 'Privileged', 'RestartPolicy', 'SecurityOpt', 'Tmpfs', 'Ulimits', 'UsernsMode']

/** A node as k3d has made it, so that another one can be made like it. */
export interface TemplateNode {
  /** And so the name of the Kubernetes Node. */
  readonly hostname: string
  readonly image: string
  readonly env: readonly string[]
  readonly cmd: readonly string[]
  readonly entrypoint: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly host: NonNullable<ContainerCreateOptions['HostConfig']>
  /** Hexadecimal, by path: what k3d and k3s have put beside the folders that are in the template. */
  readonly files: Readonly<Record<string, string>>
}

/** What stands in the container itself: k3d's entrypoint, and the password that a node of k3s has for its server. */
const readFiles = shellScript(import.meta.dirname, 'read-files.sh')

export async function readTemplateNode(docker: Docker, container: string, signal: AbortSignal): Promise<TemplateNode> {
  const { Config, HostConfig } = await docker.engine.getContainer(container).inspect()
  const printed = await execInContainer(docker, container, readFiles({}), { timeout: 30_000, signal })
  return {
    hostname: Config.Hostname,
    image: Config.Image,
    env: Config.Env,
    cmd: Config.Cmd,
    entrypoint: [Config.Entrypoint ?? []].flat(),
    labels: Config.Labels,
    host: Object.fromEntries(Object.entries(HostConfig).filter(([name]) => hostSettings.includes(name))),
    files: Object.fromEntries(printed.split('\n').flatMap((line) => (line ? [line.split(' ') as [string, string]] : []))),
  }
}
