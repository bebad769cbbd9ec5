import { createHash } from 'node:crypto'
import { dirname } from 'node:path'

import { installClusterNames } from '../../bridge/side/host-names.ts'
import { createTestCluster } from '../../client/create-test-cluster.ts'
import { inProcessLease } from '../../client/in-process-lease.ts'
import { runSeedFunctions } from '../../client/run-seed-functions.ts'
import { createTestBridges } from '../../client/test-bridges.ts'
import { withRoutes } from '../../cluster/network/ingress-routes.ts'
import { reachAddresses } from '../../cluster/network/published-ports.ts'
import { listAddresses } from '../../cluster/ownership/inventory.ts'
import { type KeptCluster, type UpCluster, listUp, noteDefinition, removeKept } from '../../cluster/ownership/kept-clusters.ts'
import { clusterLabel, ownerLabel } from '../../cluster/ownership/owner.ts'
import { removeUnfinished } from '../../cluster/template/template.ts'
import { type DockerEngine, connectDocker } from '../../docker/docker.ts'
import { removeContainer } from '../../docker/remove.ts'
import { claimStack } from '../../engine/claims.ts'
import { clusterOf } from '../../engine/cluster-life.ts'
import { type Engine, startEngine } from '../../engine/engine.ts'
import type { LeaseRequest } from '../../engine/request.ts'
import { readSettings } from '../../engine/settings.ts'
import { definitionOf } from '../../engine/up-stacks.ts'
import { updateStack } from '../../engine/update-stack.ts'
import { createRecorder } from '../../report/recorder.ts'
import { declaredSeeds } from '../../stack/seed-options.ts'
import { bypassProxy } from '../../support/bypass-proxy.ts'
import { withDeadline } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { type Progress, runStep } from '../../support/progress.ts'
import { createTerminalProgress } from '../../support/terminal.ts'
import type { CliContext } from '../command.ts'
import type { DefinedStack } from './find-stacks.ts'

export interface BringUpOptions {
  /** What becomes of a stack that is up already. */
  readonly ifUp: 'update' | 'recreate' | 'leave'
  readonly context: CliContext
}

/** Brings a stack up, to stay until it is taken down. What fails or is cancelled takes the new cluster with it. */
export async function bringUp(stack: DefinedStack, { ifUp, context }: BringUpOptions): Promise<UpCluster> {
  const { env, note } = context
  const signal = context.stopSignal()
  const known = ifUp === 'leave' && (await findUp(await connectDocker(), stack))
  if (known) return known
  const recorder = createRecorder(undefined)
  const progress = createTerminalProgress((line) => note(recorder.redact(line)))
  await using engine = await startEngine({
    ...readSettings(env),
    ...{ outputs: [], maxClusters: undefined, isWatch: false, idleTimeout: 300_000, progress, recorder },
  })
  const { docker } = engine.parts
  await using _claim = await claimStack(engine.parts, stack)
  const request = requestFor(stack)
  const found = await findUp(docker, stack)
  if (found && ifUp === 'leave') return found
  if (found && ifUp === 'update') {
    if (found.stack.cluster !== request.up!.cluster)
      throw new ClusterTestError('ERR_CLUSTER_IN_USE', `Stack "${stack.name}" is up in a cluster that was made of other options.`, {
        hint: `Make it anew, and seed it again: npx vitest-kubernetes up ${stack.name} --recreate`,
      })
    await updateStack(engine.parts, request, found, progress(stack.name), signal)
    await noteDefinition(found, definitionOf(request))
    return found
  }
  if (found) await takeDown(docker, found, progress(stack.name))
  await start(engine, request, stack, signal)
  const started = (await findUp(docker, stack))!
  await noteDefinition(started, definitionOf(request))
  return started
}

/** The cluster of a stack that is up. */
export async function findUp(docker: DockerEngine, { name, file }: Pick<DefinedStack, 'name' | 'file'>): Promise<UpCluster | undefined> {
  return (await listUp(docker)).find(({ stack }) => stack.name === name && stack.file === file)
}

export async function takeDown(docker: DockerEngine, kept: KeptCluster, progress: Progress) {
  await runStep(progress, 'teardown', `cluster "${kept.name}"`, async () => {
    // What a process has that bridges a workload: it would hold the network.
    const others = await docker.engine.listContainers({ all: true, filters: { network: [kept.name], label: [ownerLabel] } })
    for (const { Id, Labels } of others) if (!Labels[clusterLabel]) await removeContainer(docker, Id)
    await removeKept(docker, kept)
    await removeUnfinished(docker)
  })
}

async function start(engine: Engine, request: LeaseRequest, { options }: DefinedStack, signal: AbortSignal): Promise<void> {
  await using held = new AsyncDisposableStack()
  const suite = await engine.start(request, held, signal)
  try {
    const { cluster, namespace } = suite
    const published = await listAddresses(engine.parts.docker, cluster.name)
    const addresses = await withRoutes(cluster.kube, await reachAddresses(cluster.ports, published), signal)
    using _direct = bypassProxy()
    using _names = installClusterNames(() => addresses, namespace)
    const lease = inProcessLease({
      ...suite,
      apply: (manifests, limit) =>
        withDeadline({ limit, code: 'ERR_WORKLOAD_NOT_READY', what: 'cluster.apply', signal }, (each) => suite.apply(manifests, each)),
    })
    await using bridges = createTestBridges(lease, request.folder)
    const testCluster = createTestCluster({ held: lease, kube: cluster.kube, bridges, addresses: () => addresses, stack: options })
    await runSeedFunctions(options, testCluster, cluster.kube)
    signal.throwIfAborted()
  } catch (error) {
    suite.fail()
    throw error
  }
}

/** What the engine is asked for. */
export function requestFor({ name, file, options }: DefinedStack): LeaseRequest {
  const { keep: _keep, keepFor: _keepFor, ...own } = options
  const request = {
    ...{ suite: name, id: name, file, folder: dirname(file), sources: [], bridged: [] },
    options: { ...own, cluster: 'own' as const, seed: declaredSeeds(options.seed) },
  }
  const cluster = createHash('sha256')
    .update(JSON.stringify(clusterOf(request)))
    .digest('hex')
  return { ...request, up: { name, file, cluster } }
}
