import { resolve } from 'node:path'

import { encodeMatch } from '../bridge/junction/match.ts'
import type { BridgeOptions, LocalContainerOptions, RunOptions } from '../bridge/options.ts'
import type { BridgeRequest, FilesOption, LocalSide, MemberRequest, RunRequest } from '../bridge/requests.ts'
import { checkEnv } from '../bridge/side/check-env.ts'
import { checkOption } from '../stack/check-option.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { serverPorts } from './local-servers.ts'

/** Options of each kind of local side; what all bridges take comes on top. */
const keys = {
  server: ['server', 'env', 'files', 'fromPod'],
  container: ['container', 'env', 'ports'],
  command: ['command', 'cwd', 'env', 'files', 'fromPod', 'ports'],
  member: ['image', 'build', 'dockerfile', 'target', 'buildArgs', 'command', 'entrypoint', 'mount', 'env', 'files', 'publish', 'configure'],
} as const
const ofTarget = ['namespace', 'containerName']
const ofBridge = [...ofTarget, 'probes', 'match', 'mirror', 'timeout']

/**
 * What the owner of the cluster has to know of a bridge.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for an option that cannot be meant
 */
export function bridgeRequest(workload: string, options: BridgeOptions, folder: string): BridgeRequest {
  const { namespace, containerName, probes = 'original', timeout = 30_000, ports, match, mirror = false, fromPod = [] } = options
  if ('standIn' in options)
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `Option \`standIn\` of the bridge of "${workload}" comes too late: the workload runs already.`,
      { hint: 'Set it in the option `bridge` of the suite, which brings the workload up.' },
    )
  const side = sideOf(workload, options, folder)
  const known = [...ofBridge, ...keys[side.kind], ...(side.kind === 'member' ? ['ports', 'fromPod'] : [])]
  refuseOthers(`the bridge of "${workload}"`, known, options)
  return {
    workload,
    namespace,
    containerName,
    probes,
    timeout,
    match: match && encodeMatch(match),
    mirror,
    fromPod: checkPorts(fromPod, 'fromPod'),
    ports: options.server ? serverPorts(options.server) : ports,
    side,
  }
}

/** Likewise of a local container that replaces nothing. */
export function runRequest(options: RunOptions, folder: string): RunRequest {
  const { namespace, containerName } = options
  refuseOthers('`cluster.run`', [...ofTarget, ...keys.member], options)
  checkEnv('env', options.env)
  checkFiles(options.files)
  return { ...memberRequest(options, folder), namespace, containerName }
}

function sideOf(workload: string, options: BridgeOptions, folder: string): LocalSide & { readonly kind: keyof typeof keys } {
  const { image, build, server, container } = options
  const named = Object.entries({ image, build, server, container }).filter(([, value]) => value !== undefined)
  if (named.length > 1 || (named.length === 0 && !options.command))
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `Expected the bridge of "${workload}" to have one local side, got ${named.map(([name]) => `\`${name}\``).join(' and ') || 'none'}.`,
      { hint: 'Set one of image, build, server, container and command.' },
    )
  const { env = {}, files } = options
  checkEnv('env', options.env)
  checkFiles(files)
  if (server) return { kind: 'server', env, files: files ?? false }
  if (container) return { kind: 'container', id: typeof container === 'string' ? container : container.getId(), env }
  if (image || build) return { kind: 'member', ...memberRequest(options, folder) }
  const { command, cwd = '.' } = options as { command: readonly string[]; cwd?: string }
  return { kind: 'command', command, cwd: resolve(folder, cwd), env, files: files ?? true }
}

function memberRequest(options: LocalContainerOptions, folder: string): MemberRequest {
  const { image, build, dockerfile, target, buildArgs, mount = {}, env = {}, files = true, publish = [] } = options
  if ((image === undefined) === (build === undefined))
    throw new ClusterTestError('ERR_OPTIONS_INVALID', 'A local container needs either `image` or `build`.')
  const mounts = Object.keys(mount).map((path) => resolve(folder, path))
  return { image: image ?? { build: resolve(folder, build!), dockerfile, target, buildArgs }, env, files, mounts, publish }
}

function checkFiles(files: FilesOption | undefined): void {
  checkOption('files', 'a boolean or "all"', files, (value) => typeof value === 'boolean' || value === 'all')
}

function checkPorts(ports: readonly number[], option: string): readonly number[] {
  const wrong = ports.find((port) => !Number.isInteger(port) || port < 1 || port > 65_535)
  if (wrong === undefined) return ports
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected option \`${option}\` of a bridge to be TCP ports, got ${wrong}.`)
}

/** What would be ignored is refused: it was meant. */
function refuseOthers(what: string, known: readonly string[], options: object): void {
  const other = Object.entries(options).find(([name, value]) => value !== undefined && !known.includes(name))?.[0]
  if (other === undefined) return
  const isForServer = other === 'ports' && 'server' in options
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`${other}\` means nothing for ${what}.`, {
    hint: isForServer ? 'Name the port with the server: server: { 8080: app }.' : `It takes ${formatList(known, known.length)}.`,
  })
}
