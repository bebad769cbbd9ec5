import { resolve } from 'node:path'

import { encodeMatch } from '../bridge/junction/match.ts'
import type { Bridge, BridgeOptions, LocalContainerOptions, Member, ReceivedRequest, RunOptions } from '../bridge/options.ts'
import type { BridgeRequest, LocalSide, MemberRequest, OpenMember } from '../bridge/requests.ts'
import type { Forward } from '../bridge/rules/rules.ts'
import { checkEnv } from '../bridge/side/check-env.ts'
import { createReceived } from '../bridge/side/received.ts'
import type { HeldLease } from '../broker/client.ts'
import type { StartedTestContainer } from '../docker/test-container.ts'
import type { RequestRecord } from '../report/model.ts'
import { checkOption } from '../stack/check-option.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { serverPorts, startServers } from './local-servers.ts'

/** The bridges of a suite. Disposal ends those that the tests have not ended, the last one first. */
export interface Bridging extends AsyncDisposable {
  bridge(workload: string, options: BridgeOptions): Promise<Bridge>
  run(options: RunOptions): Promise<Member>
  /** What the servers in this process have received since this was last called. The last ones only. */
  requests(): readonly RequestRecord[]
}

/** Requests that are remembered for reports. */
const requestLimit = 500

/** @param folder of the test file: paths are relative to it */
export function createBridging({ bridges, signal }: Pick<HeldLease, 'bridges' | 'signal'>, folder: string): Bridging {
  const owned = new AsyncDisposableStack()
  const requests: RequestRecord[] = []
  const remember = (workload: string, { method, url }: ReceivedRequest) => {
    requests.push({ at: Date.now(), workload, method, url })
    if (requests.length > requestLimit) requests.shift()
  }

  return {
    requests: () => requests.splice(0),
    async bridge(workload, options) {
      await using cleanup = new AsyncDisposableStack()
      const request = requestOf(workload, options, folder)
      const open = await bridges.openBridge(request, signal)
      cleanup.defer(() => bridges.closeBridge(open.id))
      const received = createReceived(workload)
      const noted = (each: ReceivedRequest) => {
        received.add(each)
        remember(workload, each)
      }
      let container: StartedTestContainer | undefined
      let forwards: readonly Forward[] | undefined
      if (options.server) {
        forwards = await startServers(options.server, open, workload, noted, cleanup)
      } else if (open.member) {
        container = await startContainer(options, open.member, folder, workload, cleanup)
      }
      // Last in, first out: the pods answer again before the local side goes.
      cleanup.defer(() => bridges.unsetBridge(open.id))
      await bridges.setBridge(open.id, { forwards, container: container?.getId() }, signal)
      signal.throwIfAborted()
      const own = cleanup.move()
      owned.defer(() => own.disposeAsync())
      return {
        id: open.id,
        workload,
        ports: [...new Set((forwards ?? open.ports).map(({ port }) => port))],
        env: () => bridges.replacedEnv(open.id),
        root: open.root,
        container,
        received: received.all,
        expectLocal: (expected = {}, { timeout = 1_000 } = {}) => received.expect(expected, timeout),
        address: (port) => publishedAddress(open.member, port),
        pods: () => bridges.bridgedPods(open.id),
        output: () => bridges.bridgeOutput(open.id),
        problems: () => bridges.bridgeProblems(open.id),
        [Symbol.asyncDispose]: () => own.disposeAsync(),
      }
    },
    async run(options) {
      await using cleanup = new AsyncDisposableStack()
      const { namespace, containerName } = options
      checkEnv('env', options.env)
      const { id, member } = await bridges.openRun({ ...memberRequest(options, folder), namespace, containerName }, signal)
      cleanup.defer(() => bridges.closeBridge(id))
      const container = await startContainer(options, member, folder, 'cluster.run', cleanup)
      await bridges.setBridge(id, { container: container.getId() }, signal)
      signal.throwIfAborted()
      const own = cleanup.move()
      owned.defer(() => own.disposeAsync())
      return { container, address: (port) => publishedAddress(member, port), [Symbol.asyncDispose]: () => own.disposeAsync() }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` unless the options name exactly one local side */
function requestOf(workload: string, options: BridgeOptions, folder: string): BridgeRequest {
  const { namespace, containerName, probes = 'original', timeout = 30_000, ports, match, mirror = false, fromPod = [] } = options
  if ('standIn' in options)
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `Option \`standIn\` of the bridge of "${workload}" comes too late: the workload runs already.`,
      {
        hint: 'Set it in the option `bridge` of the suite, which brings the workload up.',
      },
    )
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
    side: sideOf(),
  }

  function sideOf(): LocalSide {
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
    checkOption('files', 'a boolean', files, (value) => typeof value === 'boolean')
    if (server) return { kind: 'server', env, files: files ?? false }
    if (container) return { kind: 'container', id: typeof container === 'string' ? container : container.getId(), env }
    if (image || build) return { kind: 'member', ...memberRequest(options, folder) }
    const { command, cwd = '.' } = options as { command: readonly string[]; cwd?: string }
    return { kind: 'command', command, cwd: resolve(folder, cwd), env, files: files ?? true }
  }
}

function checkPorts(ports: readonly number[], option: string): readonly number[] {
  const wrong = ports.find((port) => !Number.isInteger(port) || port < 1 || port > 65_535)
  if (wrong === undefined) return ports
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected option \`${option}\` of a bridge to be TCP ports, got ${wrong}.`)
}

function memberRequest(options: LocalContainerOptions, folder: string): MemberRequest {
  const { image, build, dockerfile, target, buildArgs, env = {}, files = true, publish = [] } = options
  if ((image === undefined) === (build === undefined))
    throw new ClusterTestError('ERR_OPTIONS_INVALID', 'A local container needs either `image` or `build`.')
  return { image: image ?? { build: resolve(folder, build!), dockerfile, target, buildArgs }, env, files, publish }
}

async function startContainer(
  { command, entrypoint, mount = {}, configure }: LocalContainerOptions,
  { holder, image, env, labels, archives }: OpenMember,
  folder: string,
  what: string,
  cleanup: AsyncDisposableStack,
): Promise<StartedTestContainer> {
  // Only suites that use a container pay for loading testcontainers.
  const { startTestContainer, stopTestContainer } = await import('../docker/test-container.ts')
  try {
    const container = await startTestContainer({
      image,
      holder,
      env,
      labels,
      command,
      entrypoint,
      configure,
      mount: Object.fromEntries(Object.entries(mount).map(([source, target]) => [resolve(folder, source), target])),
      archives: archives.map((archive) => Buffer.from(archive, 'base64')),
    })
    cleanup.defer(() => stopTestContainer(container))
    return container
  } catch (error) {
    throw new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', `The local container for "${what}" did not start: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function publishedAddress(member: OpenMember | undefined, port: number): { readonly host: string; readonly port: number } {
  const published = member?.published[port]
  if (published) return { host: '127.0.0.1', port: published }
  throw new ClusterTestError('ERR_BRIDGE_PORT_NOT_FOUND', `Port ${port} of the local container is not published.`, {
    hint: `Set publish: [${port}].`,
  })
}
