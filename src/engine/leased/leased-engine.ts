import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { claimFolder, removeDeadFolders } from '../../cluster/ownership/folders.ts'
import { startLifeline } from '../../cluster/ownership/lifeline.ts'
import { createOwner, folderPrefix } from '../../cluster/ownership/owner.ts'
import { substituteImage } from '../../stack/images/image-names.ts'
import type { SuiteClusterOptions } from '../../stack/options.ts'
import { withDeadline } from '../../support/deadline.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { createEndings } from '../endings.ts'
import type { EngineOptions, SuiteEngine } from '../engine.ts'
import { type SuitePlan, planSuite } from '../plan-suite.ts'
import { type RecordedSuite, recordSuite, setupDeadline } from '../record-suite.ts'
import type { LeaseRequest } from '../request.ts'
import type { RunningSuite } from '../start-suite.ts'
import { checkNamespace } from './check-namespace.ts'
import { readContext } from './kubeconfig.ts'
import { openLeasedCluster } from './leased-cluster.ts'
import { refuseBuilds } from './leased-images.ts'
import type { LeasedParts } from './leased-parts.ts'
import { refuseOutside } from './leased-space.ts'
import { leaseNamespace } from './namespace-lease.ts'
import { type KubeconfigCluster, poolNames } from './options.ts'
import { createNamespace, pruneNamespaces } from './own-namespaces.ts'
import { startLeasedSuite } from './start-leased-suite.ts'

/** Sets suites up in namespaces of an existing cluster. Needs neither Docker nor k3d. */
export async function startLeasedEngine(options: EngineOptions, wanted: KubeconfigCluster): Promise<SuiteEngine> {
  const { substitutes, buildNetwork, outputs, progress, recorder } = options
  const context = readContext(wanted.kubeconfig, wanted.context)
  const { kube } = context
  const owner = createOwner()
  const { run } = owner
  const relayImage = substituteImage(substitutes, wanted.relayImage ?? 'busybox:1.37')
  await using cleanup = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), folderPrefix(run)))
  await claimFolder(folder, owner)
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  await removeDeadFolders()
  const lifeline = cleanup.use(startLifeline(undefined, run))
  const { registry } = wanted
  const parts: LeasedParts = {
    owner,
    folder,
    registry,
    buildNetwork,
    outputs,
    relayImage,
    substitutes,
    trackChild: (event, pid) => lifeline.trackChild(event, pid),
  }
  const endings = cleanup.use(createEndings())
  const { pool, create = '' }: { readonly pool?: string | readonly string[]; readonly create?: string } = wanted.namespaces
  const names = pool === undefined ? undefined : poolNames(pool)
  if (!names) await pruneNamespaces(kube, create)
  /** Each namespace is looked at once. */
  const checked = new Map<string, Promise<void>>()
  const check = (name: string) => {
    const known = checked.get(name) ?? checkNamespace(kube, name)
    checked.set(name, known)
    known.catch(() => checked.delete(name))
    return known
  }
  const owned = cleanup.move()

  return {
    start: (request, held, signal) =>
      recordSuite({ recorder, progress }, request, held, (recorded) => start(request, recorded, held, signal)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }

  async function start(
    request: LeaseRequest,
    recorded: RecordedSuite,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<RunningSuite> {
    refuseOptions(request.options)
    await using failed = new AsyncDisposableStack()
    // What is wrong with a suite need not wait for a namespace.
    const first = await plan(request, names?.[0] ?? `${create}suite`, signal)
    const note = (text: string) => recorded.progress({ kind: 'note', step: 'cluster', text })
    let lost: unknown
    const created = names ? undefined : await createNamespace(kube, create, run, signal)
    if (created) failed.defer(() => endings.add(created.remove()))
    const lease = failed.use(
      await leaseNamespace(kube, {
        names: names ?? [created!.name],
        run,
        onWait: note,
        check,
        onLost(error) {
          lost = error
          note(messageOf(error))
        },
        signal,
      }),
    )
    const { namespace } = lease
    const planned = namespace === first.namespace ? first : await plan(request, namespace, signal)
    // The clock runs from here: waiting for a namespace is nobody's fault.
    const suite = await withDeadline({ ...setupDeadline(request), signal }, async (limit) => {
      const opened = await openLeasedCluster({ context, lease, run, ...parts, endings, progress: recorded.progress, signal: limit })
      failed.use(opened)
      return startLeasedSuite(parts, planned, opened, recorded, limit)
    })
    failed.use(suite)
    held.use(failed.move())
    return {
      ...suite,
      async finish(...args) {
        await suite.finish(...args)
        // What its tests have seen is worth nothing.
        if (lost !== undefined) throw lost
      },
    }
  }

  async function plan(request: LeaseRequest, namespace: string, signal: AbortSignal): Promise<SuitePlan> {
    // What serves Ingresses is the cluster's own.
    const planned = await planSuite({ ...request, namespace, options: { ...request.options, ingress: false } }, folder, signal)
    refuseBuilds(planned.images, registry)
    await refuseOutside(kube, planned.manifests, namespace, signal)
    return planned
  }
}

/** What only a cluster of one's own has. */
const ownOptions = ['agents', 'nodeImage', 'k3sArgs', 'nodeEnv', 'mount'] as const satisfies readonly (keyof SuiteClusterOptions)[]

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` */
function refuseOptions(options: SuiteClusterOptions): void {
  const given = ownOptions.filter((key) => options[key] !== undefined)
  if (given.length === 0) return
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `The suite sets ${formatList(given)}, which an existing cluster does not take.`, {
    hint: 'They are of clusters that k3d makes for a suite. Leave them out, or run the suite without `cluster` in the options of the plugin.',
  })
}
