import { createHash } from 'node:crypto'

import { describeOwner, ownerLabel, runLabel } from '../cluster/ownership/owner.ts'
import { ClusterTestError } from '../support/errors.ts'
import type { EngineParts } from './parts.ts'

/**
 * Lets nobody else bring a stack up while this process does.
 * @throws ClusterTestError `ERR_CLUSTER_IN_USE` that names the other process
 */
export async function claimStack(parts: EngineParts, { name, file }: { readonly name: string; readonly file: string }): Promise<void> {
  const holder = await claim(parts, ['stack', file, name])
  if (holder)
    throw new ClusterTestError('ERR_CLUSTER_IN_USE', `Stack "${name}" is being brought up by ${holder}.`, {
      hint: 'Wait for it, or end it.',
    })
}

/**
 * Lets nobody else bridge a workload of a stack that is up: bridges of one process know of each other, those of two do not.
 * @throws ClusterTestError `ERR_BRIDGE_ALREADY_BRIDGED` that names the other process
 */
export async function claimWorkload(parts: EngineParts, cluster: string, workload: string, namespace: string): Promise<void> {
  const holder = await claim(parts, ['workload', cluster, namespace, workload])
  if (holder)
    throw new ClusterTestError('ERR_BRIDGE_ALREADY_BRIDGED', `Workload "${workload}" is bridged by ${holder}.`, {
      hint: 'End that one first.',
    })
}

/**
 * Docker creates one volume of a name, and tells all others whose it is. It goes with the run, however that ends.
 * @returns who has it, unless that is this process
 */
async function claim({ docker, owner }: EngineParts, what: readonly string[]): Promise<string | undefined> {
  const Name = `vitest-kubernetes-claim-${createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 16)}`
  await docker.engine.createVolume({ Name, Labels: { ...owner.labels } })
  const { Labels } = await docker.engine.getVolume(Name).inspect()
  if (Labels[runLabel] === owner.run) return undefined
  const { pid, host } = describeOwner(Labels[ownerLabel] ?? '')
  return `process ${pid} on "${host}"`
}
