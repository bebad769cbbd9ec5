import { messageOf } from '../support/errors.ts'
import { createDiversion } from './diversion.ts'
import { decodeMatch } from './junction/match.ts'
import { noteOtherPorts } from './other-ports.ts'
import type { BridgeParts } from './parts.ts'
import type { BridgeRequest, OpenBridge, OpenMember, RunRequest, StartedSide } from './requests.ts'
import { choosePorts } from './rules/ports.ts'
import { findTarget } from './rules/target.ts'
import type { SharedParts } from './shared-parts.ts'
import { findRunning } from './side/container-facts.ts'
import { copyFiles, putInto } from './side/copy-files.ts'
import { createMember, findSource } from './side/create-member.ts'
import { noteEnds } from './side/note-ends.ts'
import { keepFilesCurrent } from './side/refresh-files.ts'
import { replaceInContainer } from './side/replace-in-container.ts'
import { readSelectedEnv } from './side/replaced-env.ts'
import { isOnThisMachine, startSide } from './side/start-side.ts'

type Env = Readonly<Record<string, string>>

/** A bridge, or a local container that replaces nothing, from the moment that its target is known. */
export interface OpenedBridge extends AsyncDisposable {
  readonly id: string
  /** Copies the files of the replaced container into a local container that has not started. */
  bringFiles(container: string, signal: AbortSignal): Promise<void>
  /** Resolves when the next request to any pod is answered by the local side. */
  set(side: StartedSide, signal: AbortSignal): Promise<void>
  /** Resolves when new connections to any pod are answered by that pod. Disposal ends the old ones too. */
  unset(): Promise<void>
  /** UIDs of the pods that are bridged. */
  pods(): Iterable<string>
  /** Environment of the replaced container, as the options select it. */
  env(): Promise<Env>
  /** What a process on the host has printed. */
  output(): string
  /** What went wrong since it was set. */
  readonly problems: string[]
}

interface OpenOptions<Request> {
  readonly id: string
  readonly request: Request
  readonly signal: AbortSignal
}

/** The whole life of a bridge, top to bottom: what it replaces, the local side, the rules, and all of it undone. */
export async function openBridge(
  shared: SharedParts,
  { id, request, signal }: OpenOptions<BridgeRequest>,
): Promise<OpenedBridge & { readonly answer: OpenBridge }> {
  const { parts, problems } = noteProblems(shared)
  const { cluster } = parts
  const { workload, namespace = parts.namespace, mirror } = request
  await using cleanup = new AsyncDisposableStack()
  const target = cleanup.use(await findTarget({ cluster, namespace, workload, container: request.containerName, signal }))
  const match = request.match && decodeMatch(request.match)
  const disturbance = request.side.kind === 'disturbance' ? request.side.disturbance : undefined
  const isSelective = match !== undefined || mirror || disturbance !== undefined
  const ports = choosePorts(target.ports, request.ports, workload, { tcpOnly: isSelective })
  const diversion = createDiversion(parts, {
    ...{ id, target, match, mirror, disturbance },
    isOnThisMachine: isOnThisMachine(request.side),
    keepProbes: request.probes === 'original',
  })
  const claim = {
    id,
    target,
    ports,
    match,
    isBeside: mirror || disturbance !== undefined,
    direct: () => diversion.direct(),
    onProblem: parts.onProblem,
  }
  cleanup.use(parts.claims.claim(claim))

  const source = await findSource(parts, request.side, target, { cleanup, signal })
  // A server may ask for it much later, when that container is gone.
  const env = readSelectedEnv(parts, request.side, source)
  env.catch(() => 'whoever asks for it is told')
  const side = await startSide(parts, { id, request, target, ports, namespace, source, env, cleanup, signal })
  // Cut off from others before it runs.
  if (side.addresses) cleanup.use(await parts.localCallers.add({ target, addresses: side.addresses, onProblem: parts.onProblem }))
  const watched = new AsyncDisposableStack()
  const owned = cleanup.move()
  return {
    id,
    answer: { id, ports, listenOn: side.listenOn ?? [], member: side.member, root: side.root },
    bringFiles: (container, abort) => side.bringFiles(container, abort),
    async set(started, abort) {
      const forwards = await side.listen(started, owned, abort)
      const containers = side.containers(started)
      if (containers) watched.use(await noteEnds(parts, workload, containers))
      // A single server is for one port, which is known when it listens.
      claim.ports = ports.filter(({ port, protocol }) => forwards.some((forward) => forward.port === port && forward.protocol === protocol))
      await diversion.set(forwards, abort)
      owned.use(noteOtherPorts(target, ports, parts.onProblem))
    },
    async unset() {
      // Before the local side is ended by us.
      await watched.disposeAsync()
      await diversion.unset()
    },
    pods: () => target.pods().flatMap(({ metadata }) => (diversion.pods().has(metadata!.uid!) ? [metadata!.uid!] : [])),
    env: () => env,
    output: () => side.output(),
    problems,
    async [Symbol.asyncDispose]() {
      // Whatever becomes of the rules, the local side has to go too. Its last packets still need the way back.
      await using ends = new AsyncDisposableStack()
      ends.defer(() => diversion.forget())
      ends.use(owned)
      await watched.disposeAsync()
      await diversion.unset()
    },
  }
}

/** A local container that replaces nothing. */
export async function openMember(
  parts: BridgeParts,
  { id, request, signal }: OpenOptions<RunRequest>,
): Promise<OpenedBridge & { readonly member: OpenMember }> {
  const { namespace = parts.namespace } = request
  await using cleanup = new AsyncDisposableStack()
  const { from } = request.env
  const find = async (workload: string) =>
    findRunning(cleanup.use(await findTarget({ cluster: parts.cluster, namespace, workload, container: request.containerName, signal })))
  const source = from ? await find(from) : undefined
  const member = await createMember(parts, request, { cleanup, namespace, source, env: readSelectedEnv(parts, request, source), signal })
  const owned = cleanup.move()
  return {
    id,
    member,
    bringFiles: (container, abort) => copyFiles(parts, source, request.files, putInto(parts.docker, container), abort),
    async set({ container }) {
      if (source && request.files && container)
        owned.use(keepFilesCurrent(parts, source, replaceInContainer(parts.docker, parts.cluster, container)))
    },
    unset: async () => {},
    pods: () => [],
    env: async () => member.env,
    output: () => '',
    problems: [],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Problems of one bridge, for whoever asks it; the terminal shows those of all. */
function noteProblems(shared: SharedParts): { readonly parts: SharedParts; readonly problems: string[] } {
  const problems: string[] = []
  const onProblem = (error: unknown) => {
    problems.push(messageOf(error))
    shared.onProblem(error)
  }
  return { parts: { ...shared, onProblem }, problems }
}
