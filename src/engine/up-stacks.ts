import { createHash } from 'node:crypto'
import { dirname } from 'node:path'

import { type AttachOptions, attachCluster } from '../cluster/attach-cluster.ts'
import { withAccess } from '../cluster/network/k3d-access.ts'
import { type KeptCluster, type UpCluster, listUp, readDefinition } from '../cluster/ownership/kept-clusters.ts'
import type { Docker } from '../docker/docker.ts'
import { whileWaiting } from '../support/deadline.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { createTurns } from '../support/turns.ts'
import { tryStack } from './claims.ts'
import { type StartedCluster, clusterOf } from './cluster-life.ts'
import { createImportOnce } from './import-once.ts'
import { createObjectOwners } from './object-owners.ts'
import type { EngineParts } from './parts.ts'
import { type LeaseRequest, stackFolder } from './request.ts'
import type { Reservation } from './reservation.ts'

/** Stacks that are up, as suites use them. */
export interface UpStacks {
  /**
   * The stack that is up and defined as the suite's options are, once no other suite of the run uses it; undefined where there is none,
   * and where another process has it. Disposal lets the next one in.
   */
  take(request: LeaseRequest, report: Progress, signal: AbortSignal): Promise<Reservation | undefined>
}

export function createUpStacks(parts: EngineParts): UpStacks {
  const { docker } = parts
  const inTurn = createTurns()
  return {
    async take(request, report, signal) {
      const instead = (why: string) => report({ kind: 'note', step: 'cluster', text: `${why}: the suite gets a cluster of its own` })
      const all = await listUp(docker)
      const definition = definitionOf(request)
      const known = await Promise.all(all.map(readDefinition))
      const kept = all.find((_, index) => known[index] === definition)
      if (!kept) {
        const near = all.find(({ stack }) => dirname(stack.file) === stackFolder(request))
        if (near) instead(`stack "${near.stack.name}" is up, but this suite asks for something else, or its file has changed since`)
        return undefined
      }
      await using cleanup = new AsyncDisposableStack()
      const entered = Promise.withResolvers<void>()
      const left = Promise.withResolvers<void>()
      cleanup.defer(left.resolve)
      void inTurn(kept.name, () => {
        entered.resolve()
        return left.promise
      })
      await whileWaiting(entered.promise, signal)
      const claim = cleanup.use(await tryStack(parts, kept.stack))
      if (claim.holder) {
        instead(`stack "${kept.stack.name}" is in use by ${claim.holder}`)
        return undefined
      }
      return reserve(docker, kept, { owned: cleanup.move(), report })
    },
  }
}

interface ReserveOptions {
  /** What its disposal ends. */
  readonly owned: AsyncDisposableStack
  readonly report: Progress
}

function reserve(docker: Docker, kept: UpCluster, { owned, report }: ReserveOptions): Reservation {
  return {
    up: kept,
    enter: (signal) =>
      runStep(report, 'cluster', `stack "${kept.stack.name}", which is up`, () =>
        enterUp(docker, kept, { owned, progress: report, signal }),
      ),
    explain: async (error) => error,
    fail: () => {},
    isKept: true,
    leave: (part) => void owned.use(part),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What is created for it stays with it. */
export async function enterUp(
  docker: Docker,
  kept: KeptCluster,
  { owned, ...options }: Omit<AttachOptions, 'labels'> & { readonly owned: AsyncDisposableStack },
): Promise<StartedCluster> {
  const cluster = withAccess(docker, owned.use(await attachCluster(docker, kept, { ...options, labels: kept.labels })))
  return {
    ...{ cluster, baseline: undefined, importOnce: createImportOnce(docker, Promise.resolve(cluster)), objectOwners: createObjectOwners() },
    inBackground: async () => {},
  }
}

/** Equal for what brings the same stack up, as far as its options tell; what the files hold that they name is for an update to see. */
export function definitionOf(request: LeaseRequest): string {
  const { cluster: _cluster, keep: _keep, keepFor: _keepFor, memory: _memory, setupTimeout: _limit, ...options } = request.options
  const entries = Object.entries({ ...options, ...clusterOf(request), folder: stackFolder(request) }).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex')
}
