import { whileWaiting } from '../../support/deadline.ts'
import type { BridgeParts } from '../parts.ts'
import type { BridgeRequest, LocalSide, OpenMember, StartedSide } from '../requests.ts'
import { reachPodAddress } from '../rules/pod-address.ts'
import type { PortMapping } from '../rules/ports.ts'
import type { Forward } from '../rules/rules.ts'
import type { BridgeTarget } from '../rules/target.ts'
import type { RunningContainer } from './container-facts.ts'
import { copyFiles, putInto } from './copy-files.ts'
import { createMember } from './create-member.ts'
import { bringFromPod } from './from-pod.ts'
import { startHostFiles } from './host-files.ts'
import { startHostProcess } from './host-process.ts'
import { joinContainer } from './join-container.ts'
import { reachLoopback, waitForListeners } from './member.ts'
import type { LocalContainers } from './note-ends.ts'
import { noteOwnNames } from './note-own-names.ts'
import { keepFilesCurrent } from './refresh-files.ts'
import { replaceInContainer } from './replace-in-container.ts'

/** What answers in place of the pods, as far as the owner of the cluster has to do with it. */
export interface Side {
  /** What a local container is to be created with. */
  readonly member?: OpenMember
  /** Where a server in the test process is to listen. */
  readonly listenOn?: readonly string[]
  /** Where the calls of a local container come from; none for what runs on this machine; undefined where nothing runs. */
  readonly addresses?: readonly string[]
  /** Folder on the host with the files of the replaced container. */
  readonly root?: string | undefined
  /** Copies the files of the replaced container into a local container. */
  bringFiles(container: string, signal: AbortSignal): Promise<void>
  /** Resolves when it listens, to where each port leads. What belongs to the bridge from then on goes into `owned`. */
  listen(started: StartedSide, owned: AsyncDisposableStack, signal: AbortSignal): Promise<readonly Forward[]>
  /** Those whose end is a problem while they are bridged. */
  containers(started: StartedSide): LocalContainers | undefined
  /** What a process on the host has printed. */
  output(): string
}

export interface SideOptions {
  readonly id: string
  readonly request: BridgeRequest
  readonly target: BridgeTarget
  readonly ports: readonly PortMapping[]
  readonly namespace: string
  /** Where the environment and the files come from. */
  readonly source: RunningContainer | undefined
  readonly env: Promise<OpenMember['env']>
  /** For what it starts. */
  readonly cleanup: AsyncDisposableStack
  readonly signal: AbortSignal
}

type Kind<Name extends LocalSide['kind']> = LocalSide & { readonly kind: Name }

/** Starts what of a local side is not the worker's own. */
export async function startSide(parts: BridgeParts, options: SideOptions): Promise<Side> {
  const { request, signal } = options
  const { side } = request
  // A junction is in this process too.
  if (isOnThisMachine(side) || side.kind === 'disturbance' || request.match || request.mirror) await whileWaiting(parts.reach(), signal)
  if (side.kind !== 'member' && side.kind !== 'disturbance') noteOwnNames(parts, options.target)
  switch (side.kind) {
    case 'member':
      return startContainerSide(parts, side, options)
    case 'command':
      return startCommandSide(parts, side, options)
    case 'container':
      return joinRunningSide(parts, side, options)
    case 'server':
      return startServerSide(parts, side, options)
    case 'disturbance':
      // The junction has to know the ports only: nothing is sent there.
      return {
        ...noContainer,
        listen: async () => options.ports.map(({ port }) => ({ protocol: 'tcp', port, address: '0.0.0.0', targetPort: port })),
      }
  }
}

/** Whether what answers runs on this machine itself. */
export function isOnThisMachine({ kind }: LocalSide): boolean {
  return kind === 'server' || kind === 'command'
}

/** Nothing to copy into, and nothing that prints. */
const noContainer = { bringFiles: async () => {}, containers: () => undefined, output: () => '' }

async function startContainerSide(parts: BridgeParts, side: Kind<'member'>, options: SideOptions): Promise<Side> {
  const { docker } = parts
  const { request, ports, source } = options
  const member = await createMember(parts, side, options)
  const { holder, podAddress } = member
  await bringPorts(parts, options, holder)
  return {
    member,
    addresses: addressesOf(member),
    bringFiles: (container, signal) => copyFiles(parts, source, side.files, putInto(docker, container), signal),
    async listen({ container = '' }, owned, signal) {
      const what = `The local container for "${request.workload}"`
      const onLoopback = await waitForListeners(docker, holder, ports, { container, what, timeout: request.timeout, signal })
      await reachLoopback(docker, holder, onLoopback)
      const tcp = ports.filter(({ protocol }) => protocol === 'tcp').map(({ local }) => local)
      if (podAddress) await reachPodAddress(docker, holder, podAddress, tcp)
      if (source && side.files) owned.use(keepFilesCurrent(parts, source, replaceInContainer(docker, parts.cluster, container)))
      return forwardTo(parts, member, ports)
    },
    containers: ({ container }) => (container === undefined ? undefined : { container, holder }),
    output: () => '',
  }
}

async function startCommandSide(parts: BridgeParts, side: Kind<'command'>, options: SideOptions): Promise<Side> {
  const { request, ports, namespace, cleanup, signal } = options
  const root = await bringHostFiles(parts, side, options)
  await bringPorts(parts, options)
  const env = { ...(await options.env), ...(root !== undefined && { VITEST_KUBERNETES_ROOT: root }) }
  const process = cleanup.use(await startHostProcess(parts, { ...side, env, ports, namespace, timeout: request.timeout, signal }))
  return { ...noContainer, root, addresses: [], listen: async () => process.forwards, output: () => process.output() }
}

async function joinRunningSide(
  parts: BridgeParts,
  side: Kind<'container'>,
  { request, ports, cleanup, signal }: SideOptions,
): Promise<Side> {
  const joined = cleanup.use(await joinContainer(parts, side.id, ports, request.timeout, signal))
  return {
    ...noContainer,
    addresses: addressesOf(joined),
    containers: () => ({ container: side.id }),
    listen: async () => forwardTo(parts, joined, ports),
  }
}

async function startServerSide(parts: BridgeParts, side: Kind<'server'>, options: SideOptions): Promise<Side> {
  const root = await bringHostFiles(parts, side, options)
  await bringPorts(parts, options)
  const { addresses: listenOn } = await parts.reach()
  return { ...noContainer, root, listenOn, addresses: [], listen: async ({ forwards = [] }) => forwards }
}

async function bringHostFiles(
  parts: BridgeParts,
  { files }: Kind<'command'> | Kind<'server'>,
  { id, source, cleanup, signal }: SideOptions,
): Promise<string | undefined> {
  return files ? cleanup.use(await startHostFiles(parts, { id, source, files, signal })).root : undefined
}

async function bringPorts(parts: BridgeParts, { request, target, cleanup }: SideOptions, holder?: string): Promise<void> {
  if (request.fromPod.length > 0) cleanup.use(await bringFromPod(parts, { target, ports: request.fromPod, holder }))
}

interface Addresses {
  readonly address: string
  readonly address6: string | undefined
}

function addressesOf({ address, address6 }: Addresses): readonly string[] {
  return address6 ? [address, address6] : [address]
}

function forwardTo({ network }: BridgeParts, { address, address6 }: Addresses, ports: readonly PortMapping[]): readonly Forward[] {
  const addresses = addressesOf({ address, address6: network.hasIPv6 ? address6 : undefined })
  return addresses.flatMap((each) => ports.map(({ protocol, port, local }) => ({ protocol, port, address: each, targetPort: local })))
}
