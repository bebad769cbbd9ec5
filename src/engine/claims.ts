import { createHash } from 'node:crypto'

import type { UpStack } from '../cluster/ownership/kept-clusters.ts'
import { describeOwner, ownerLabel, runLabel } from '../cluster/ownership/owner.ts'
import { isNotFound } from '../docker/docker.ts'
import { ClusterTestError } from '../support/errors.ts'
import type { EngineParts } from './parts.ts'

/** That nobody else has a thing. It goes with the run, however that ends; disposal lets others have it before. */
export interface Claim extends AsyncDisposable {
  /** Who has it, unless that is this process. */
  readonly holder: string | undefined
}

type StackName = Pick<UpStack, 'name' | 'file'>

/**
 * Lets nobody else bring a stack up, or run tests in it, while this process does.
 * @throws ClusterTestError `ERR_CLUSTER_IN_USE` that names the other process
 */
export async function claimStack(parts: EngineParts, stack: StackName): Promise<Claim> {
  const claim = await tryStack(parts, stack)
  if (claim.holder)
    throw new ClusterTestError('ERR_CLUSTER_IN_USE', `Stack "${stack.name}" is in use by ${claim.holder}.`, {
      hint: 'Wait for it, or end it.',
    })
  return claim
}

export function tryStack(parts: EngineParts, { name, file }: StackName): Promise<Claim> {
  return tryClaim(parts, ['stack', file, name])
}

/**
 * Lets nobody else bridge a workload of a stack that is up: bridges of one process know of each other, those of two do not.
 * @throws ClusterTestError `ERR_BRIDGE_ALREADY_BRIDGED` that names the other process
 */
export async function claimWorkload(parts: EngineParts, cluster: string, workload: string, namespace: string): Promise<Claim> {
  const claim = await tryClaim(parts, ['workload', cluster, namespace, workload])
  if (claim.holder)
    throw new ClusterTestError('ERR_BRIDGE_ALREADY_BRIDGED', `Workload "${workload}" is bridged by ${claim.holder}.`, {
      hint: 'End that one first.',
    })
  return claim
}

/** Docker creates one volume of a name, and tells all others whose it is. */
async function tryClaim({ docker, owner }: EngineParts, what: readonly string[]): Promise<Claim> {
  const Name = `vitest-kubernetes-claim-${createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 16)}`
  const volume = docker.engine.getVolume(Name)
  let labels: Readonly<Record<string, string>> | undefined
  while (!labels) {
    await docker.engine.createVolume({ Name, Labels: { ...owner.labels } })
    // Whoever had it may let it go at this moment.
    labels = (await unlessGone(volume.inspect()))?.Labels
  }
  if (labels[runLabel] === owner.run)
    return {
      holder: undefined,
      [Symbol.asyncDispose]: async () => void (await unlessGone(volume.remove())),
    }
  const { pid, host } = describeOwner(labels[ownerLabel] ?? '')
  return { holder: `process ${pid} on "${host}"`, [Symbol.asyncDispose]: async () => {} }
}

function unlessGone<T>(request: Promise<T>): Promise<T | undefined> {
  return request.catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
}
