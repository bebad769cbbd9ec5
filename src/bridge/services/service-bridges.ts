import { readContainerEnv } from '../../kube/container-env.ts'
import { execInPod } from '../../kube/exec.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import { createTurns } from '../../support/turns.ts'
import { type Bridges, findOpen } from '../bridges.ts'
import { createClaims } from '../conflicts.ts'
import { decodeMatch } from '../junction/match.ts'
import type { Route } from '../junction/route.ts'
import type { LocalReach } from '../reach/local-reach.ts'
import { startRelay } from '../reach/relay.ts'
import type { BridgeRequest, EnvRequest, OpenBridge, StartedSide } from '../requests.ts'
import { type PortMapping, choosePorts } from '../rules/ports.ts'
import type { Forward } from '../rules/rules.ts'
import { type BridgeTarget, findTarget } from '../rules/target.ts'
import { findRunning } from '../side/container-facts.ts'
import { type EnvOptions, parseEnviron, selectEnv } from '../side/env.ts'
import { type ProcessParts, startHostProcess } from '../side/host-process.ts'
import { type ServiceSwitch, type ServiceSwitchOptions, openServiceSwitch } from './service-switch.ts'

export interface ServiceBridgesOptions
  extends Omit<ProcessParts, 'reach' | 'onProblem'>, Pick<ServiceSwitchOptions, 'kube' | 'selector' | 'endIdle'> {
  readonly namespace: string
  /** Starts what stands in the cluster in place of this machine. */
  readonly relay: { readonly token: string; find(): ReturnType<Parameters<typeof startRelay>[0]['run']> }
  readonly cluster: string
  readonly onProblem: (error: unknown) => void
}

type Env = Readonly<Record<string, string>>

interface OpenedBridge extends AsyncDisposable {
  set(side: StartedSide): Promise<void>
  unset(): Promise<void>
  readonly answer: OpenBridge
  readonly env: () => Promise<Env>
  output(): string
  pods(): readonly string[]
  readonly problems: string[]
}

/**
 * Bridges where nobody has a right to nodes: the Services of a workload select a relay in place of its pods, and what comes there comes
 * to this machine. Each request is looked at here: what no bridge is for goes on to the pods.
 */
export function createServiceBridges(options: ServiceBridgesOptions): Bridges {
  const owned = new AsyncDisposableStack()
  const open = new Map<string, OpenedBridge>()
  const claims = createClaims()
  const inTurn = createTurns()
  const switches = new Map<string, Promise<ServiceSwitch>>()
  const tell = (error: unknown) => open.forEach(({ problems }) => void problems.push(messageOf(error)))
  const onProblemOfAll = (error: unknown) => {
    tell(error)
    options.onProblem(error)
  }
  let starting: Promise<LocalReach> | undefined
  const reach = () =>
    (starting ??= startRelay({
      run: () => options.relay.find(),
      token: options.relay.token,
      cluster: options.cluster,
      onProblem: onProblemOfAll,
    }).then((relay) => owned.use(relay).reach))
  const find = (id: string) => findOpen(open, id)
  const close = async (id: string) => {
    const opened = open.get(id)
    open.delete(id)
    await opened?.[Symbol.asyncDispose]()
  }
  const findOwn = (request: Pick<BridgeRequest, 'workload' | 'namespace' | 'containerName'>, signal: AbortSignal) => {
    const { workload, namespace = options.namespace, containerName: container } = request
    return findTarget({ cluster: { kube: options.kube, nodes: [] }, namespace, workload, container, signal })
  }
  /** Bridges of one workload share what its Services are switched to, which outlives each of them. */
  const openSwitch = async (request: BridgeRequest): Promise<ServiceSwitch> => {
    const target = await findOwn(request, AbortSignal.timeout(findLimit))
    return owned.use(openServiceSwitch({ ...options, target, reach: await reach() }))
  }
  const switchOf = (request: BridgeRequest, { namespace, workload }: BridgeTarget): Promise<ServiceSwitch> => {
    const key = `${namespace}/${workload}`
    const known = switches.get(key) ?? openSwitch(request)
    switches.set(key, known)
    known.catch(() => switches.delete(key))
    return known
  }

  async function openOne(id: string, request: BridgeRequest, signal: AbortSignal): Promise<OpenedBridge> {
    refuseUnsupported(request)
    const { workload, namespace = options.namespace, side, mirror } = request
    await using cleanup = new AsyncDisposableStack()
    const target = cleanup.use(await findOwn(request, signal))
    const problems: string[] = []
    const onProblem = (error: unknown) => {
      problems.push(messageOf(error))
      options.onProblem(error)
    }
    const match = request.match && decodeMatch(request.match)
    const ports = choosePorts(target.ports, request.ports, workload, { tcpOnly: true })
    const isBeside = mirror || side.kind === 'disturbance'
    cleanup.use(claims.claim({ id, target, ports, match, isBeside, direct: async () => [], onProblem }))
    const env = readSelected(side.env, target, signal)
    env.catch(() => 'whoever asks for it is told')
    const process =
      side.kind === 'command'
        ? cleanup.use(
            await startHostProcess(
              { ...options, reach, onProblem },
              { ...side, env: await env, ports, namespace, timeout: request.timeout, signal },
            ),
          )
        : undefined
    const ended = new AbortController()
    const disturbance = side.kind === 'disturbance' ? { ...side.disturbance, ended: ended.signal } : undefined
    let current: ServiceSwitch | undefined
    const inWorkload = <T>(action: () => Promise<T>) => inTurn(`${namespace}/${workload}`, action)
    const owns = cleanup.move()
    return {
      problems,
      env: () => env,
      answer: { id, ports, listenOn: side.kind === 'server' ? ['127.0.0.1'] : [] },
      output: () => process?.output() ?? '',
      pods: () => (current ? target.pods().map(({ metadata }) => metadata!.uid!) : []),
      set: ({ forwards = process?.forwards ?? nowhere(ports, disturbance !== undefined) }) =>
        inWorkload(async () => {
          current = await switchOf(request, target)
          await current.add(
            forwards.map(({ port, address, targetPort }): { port: number; route: Route } => ({
              port,
              route: { id, endpoint: { host: address, port: targetPort }, match, mirror, disturbance, onProblem },
            })),
          )
        }),
      unset() {
        // What is held up keeps nobody waiting.
        ended.abort()
        return inWorkload(async () => {
          await current?.remove(id)
          current = undefined
        })
      },
      async [Symbol.asyncDispose]() {
        await using _ends = owns
        ended.abort()
        await inWorkload(async () => current?.remove(id))
      },
    }
  }

  async function readSelected(env: EnvOptions, target: BridgeTarget, signal: AbortSignal): Promise<Env> {
    if (env.from === false) return selectEnv({}, env)
    if (env.from === undefined || env.from === target.workload) return selectEnv(await readEnv(target, signal), env)
    using other = await findOwn({ workload: env.from, namespace: target.namespace }, signal)
    return selectEnv(await readEnv(other, signal), env)
  }

  /** As the container's first process has it; without `cat` in the image, as its spec says. */
  async function readEnv(target: BridgeTarget, signal: AbortSignal): Promise<Env> {
    const { kube } = options
    const { name: container } = target.container
    const pod = findRunning(target)?.pod
    if (!pod) return {}
    const { namespace = '', name = '' } = pod.metadata ?? {}
    const chunks: Buffer[] = []
    const onOutput = (chunk: Buffer, output: string) => void (output === 'stdout' && chunks.push(chunk))
    const read = execInPod(kube, { namespace, pod: name, container }, ['cat', '/proc/1/environ'], { onOutput, signal })
    const { exitCode } = await read.catch(() => ({ exitCode: -1 }))
    signal.throwIfAborted()
    return exitCode === 0 ? parseEnviron(Buffer.concat(chunks)).env : readContainerEnv(kube, pod, target.container, signal)
  }

  return {
    async openBridge(request, signal) {
      const id = randomId(4)
      const opened = await openOne(id, request, signal)
      open.set(id, opened)
      return opened.answer
    },
    setBridge: (id, side) => inTurn(id, () => find(id).set(side)),
    unsetBridge: (id) => inTurn(id, () => find(id).unset()),
    closeBridge: (id) => inTurn(id, () => close(id)),
    async readEnv({ workload, namespace = options.namespace, containerName, env }: EnvRequest, signal) {
      using target = await findOwn({ workload, namespace, containerName }, signal)
      return readSelected({ ...env, from: undefined }, target, signal)
    },
    replacedEnv: async (id) => find(id).env(),
    bridgedPods: async (id) => find(id).pods(),
    bridgeOutput: async (id) => find(id).output(),
    bridgeProblems: async (id) => find(id).problems,
    openRun: () => refuse('A local container'),
    bringFiles: () => refuse('A local container'),
    openCut: () => refuse('cluster.cut'),
    closeCut: async () => {},
    tell,
    async [Symbol.asyncDispose]() {
      await using ends = owned
      for (const id of open.keys()) ends.defer(() => inTurn(id, () => close(id)))
    },
  }
}

/** Milliseconds to find a workload once more. */
const findLimit = 30_000

/** A disturbance sends nothing anywhere: the ports are all that counts. */
function nowhere(ports: readonly PortMapping[], isDisturbed: boolean): readonly Forward[] {
  return isDisturbed ? ports.map(({ port, protocol }) => ({ protocol, port, address: '127.0.0.1', targetPort: port })) : []
}

/** @throws ClusterTestError `ERR_BRIDGE_UNSUPPORTED` */
function refuseUnsupported({ side, fromPod, probes }: BridgeRequest): void {
  if (side.kind === 'member' || side.kind === 'container') throw unsupported('A local container')
  if (fromPod.length > 0) throw unsupported('Option `fromPod`')
  if (probes === 'local') throw unsupported("probes: 'local'")
}

function refuse(what: string): Promise<never> {
  return Promise.reject(unsupported(what))
}

function unsupported(what: string): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_UNSUPPORTED',
    `${what} needs a cluster that runs on this machine, and this one is known by a kubeconfig.`,
    {
      hint: 'Bridges to `server` and `command` work here. For the rest, run the suite in clusters that k3d makes.',
    },
  )
}
