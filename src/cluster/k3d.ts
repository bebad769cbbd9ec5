import { Readable } from 'node:stream'

import type { Docker } from '../docker/docker.ts'
import { ClusterTestError, diskFullHint } from '../support/errors.ts'
import { CommandError, type RunCommandOptions, runCommand } from '../support/run-command.ts'
import { findFreePort } from './network/free-port.ts'
import { entrypointEnv } from './network/node-starts.ts'

export interface K3dCreateOptions {
  readonly name: string
  /** Node image. @default k3d's own */
  readonly image?: string | undefined
  readonly network: string
  readonly agents: number
  readonly labels: Readonly<Record<string, string>>
  readonly k3sArgs: readonly string[]
  /** Folders of the host on every node: `/host/path:/node/path`. */
  readonly volumes: readonly string[]
  /** Of the nodes. */
  readonly env: Readonly<Record<string, string>>
  /** Private folder: k3d leaves a copy of its config file behind. */
  readonly folder: string
  /** Milliseconds that k3d waits for the servers. */
  readonly timeout: number
}

/** The k3d command line, version 5. */
export interface K3d {
  readonly version: string
  /** The k3s image that it takes unless told otherwise. */
  readonly defaultImage: string
  create(options: K3dCreateOptions, signal: AbortSignal): Promise<void>
  kubeconfig(name: string): Promise<string>
}

/**
 * @param command the program; looked up on PATH when it is no path
 * @throws ClusterTestError `ERR_CLUSTER_K3D_NOT_FOUND`
 */
export async function findK3d(docker: Pick<Docker, 'env'>, command = 'k3d', onChild?: RunCommandOptions['onChild']): Promise<K3d> {
  const run = (args: readonly string[], { env, ...options }: RunCommandOptions = {}) =>
    runCommand(command, args, { env: { ...docker.env, ...env }, ...options, ...(onChild ? { onChild } : {}) })
  const versions = await versionOf(command, run)

  return {
    version: /v?(\d+\.\d+\.\d+\S*)/.exec(versions)?.[1] ?? 'unknown',
    defaultImage: `rancher/k3s:${/^k3s version (\S+)/m.exec(versions)?.[1] ?? 'unknown'}`,
    async create({ name, image, network, agents, labels, k3sArgs, volumes, env, folder, timeout }, signal) {
      // k3d refuses a node filter that matches no node.
      const nodes = agents > 0 ? 'server:*;agent:*' : 'server:*'
      const args = [
        ...['cluster', 'create', name, '--network', network, '--agents', String(agents)],
        // No load balancer container: with one server the API port is published by the node itself, on loopback only.
        ...['--no-lb', '--api-port', `127.0.0.1:${await findFreePort()}`, '--no-rollback'],
        ...['--kubeconfig-update-default=false', '--kubeconfig-switch-context=false', '--timeout', `${Math.ceil(timeout / 1000)}s`],
        ...(image ? ['--image', image] : []),
        ...Object.entries(labels).flatMap(([key, value]) => ['--runtime-label', `${key}=${value}@${nodes}`]),
        ...['--config', '-'],
        ...volumes.flatMap((volume) => ['--volume', `${escapeFilter(volume)}@${nodes}`]),
        ...k3sArgs.flatMap((arg) => ['--k3s-arg', /@/.test(arg) ? arg : `${arg}@server:*`]),
      ]
      try {
        await run(args, {
          signal,
          input: Readable.from([nodeConfig]),
          env: { ...entrypointEnv, [nodeEnvVariable]: JSON.stringify(envConfig(env, nodes)), TMPDIR: folder },
        })
      } catch (error) {
        if (!(error instanceof CommandError)) throw error
        const why = error.endedBy ? `: it was ended by ${error.endedBy}.` : ':'
        const text = `k3d could not create cluster "${name}"${why}\n${error.output.trim()}`
        throw new ClusterTestError('ERR_CLUSTER_CREATE_FAILED', text, { cause: error, hint: diskFullHint(error.output) })
      }
    },
    kubeconfig: (name) => run(['kubeconfig', 'get', name]),
  }
}

/** What follows an @ would be a filter. */
function escapeFilter(value: string): string {
  return value.replaceAll('@', String.raw`\@`)
}

const nodeEnvVariable = 'VITEST_KUBERNETES_NODE_ENV'

/**
 * A proxy's address may hold a password, and arguments can be read by every user of the machine. k3d puts variables of its
 * own environment into the file (`InitViperWithConfigFile`, k3d 5.9.0); what it puts there is JSON, and so YAML.
 */
const nodeConfig = `apiVersion: k3d.io/v1alpha5\nkind: Simple\nenv: \${${nodeEnvVariable}}\n`

function envConfig(env: Readonly<Record<string, string>>, nodes: string): object[] {
  return Object.entries(env).map(([key, value]) => ({ envVar: `${key}=${value}`, nodeFilters: nodes.split(';') }))
}

async function versionOf(command: string, run: (args: readonly string[]) => Promise<string>): Promise<string> {
  try {
    return await run(['version'])
  } catch (error) {
    throw new ClusterTestError('ERR_CLUSTER_K3D_NOT_FOUND', `The program "${command}", which starts the clusters, could not be run.`, {
      cause: error,
      hint: 'Install k3d 5 (https://k3d.io), or name it: kubernetes({ k3d: "/path/to/k3d" }) in vitest.config.ts.',
    })
  }
}
