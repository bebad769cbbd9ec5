import { stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'

import { type Manifest, loadManifests } from '../stack/manifests/manifests.ts'
import type { StackOptions } from '../stack/options.ts'
import { type SeedExec, type SeedHttp, type SeedStep, declaredSeeds } from '../stack/seed-options.ts'
import { workloadOf } from '../stack/services/check-services.ts'
import { ClusterTestError } from '../support/errors.ts'

/** A file, and its name in messages. */
export interface SeedFile {
  readonly path: string
  readonly shown: string
}

/** A step with everything that can be read before there is a cluster. */
export type PlannedStep =
  | { readonly kind: 'file'; readonly file: SeedFile }
  | ({ readonly kind: 'exec' } & Omit<SeedExec, 'input'> & { readonly input?: SeedFile | undefined })
  | ({ readonly kind: 'http' } & Omit<SeedHttp, 'file'> & { readonly file?: SeedFile | undefined })
  | { readonly kind: 'job'; readonly name: string; readonly manifests: readonly Manifest[] }

/** The steps of one workload, in order. */
export interface PlannedSeed {
  readonly workload: string
  readonly steps: readonly PlannedStep[]
}

/**
 * Reads the declared part of the option `seed`: one list for each stage.
 * @throws ClusterTestError `ERR_SEED_NOT_FOUND` for a file that is not there, `ERR_MANIFEST_…` for a Job that is none
 */
export async function planSeeds({ seed, services }: StackOptions, folder: string): Promise<readonly (readonly PlannedSeed[])[]> {
  const find = async (path: string): Promise<SeedFile> => {
    const file = { path: resolve(folder, path), shown: relative(folder, resolve(folder, path)) }
    await checkFile(file.path)
    return file
  }
  const stages: PlannedSeed[][] = []
  for (const stage of declaredSeeds(seed)) {
    const planned: PlannedSeed[] = []
    for (const [name, value] of Object.entries(stage)) {
      const steps: PlannedStep[] = []
      for (const step of (Array.isArray(value) ? value : [value]) as readonly SeedStep[]) steps.push(await planStep(step, folder, find))
      planned.push({ workload: workloadOf(name, services), steps })
    }
    stages.push(planned)
  }
  return stages
}

async function planStep(step: SeedStep, folder: string, find: (path: string) => Promise<SeedFile>): Promise<PlannedStep> {
  if (typeof step === 'string') return { kind: 'file', file: await find(step) }
  if ('exec' in step) return { ...step, kind: 'exec', input: step.input === undefined ? undefined : await find(step.input) }
  if ('http' in step) return { ...step, kind: 'http', file: step.file === undefined ? undefined : await find(step.file) }
  const manifests = await loadManifests(step.job, folder)
  const job = manifests.find(({ object }) => object.kind === 'Job')
  if (job) return { kind: 'job', name: job.object.metadata.name, manifests }
  throw new ClusterTestError(
    'ERR_MANIFEST_INVALID',
    `The seed's Job ${typeof step.job === 'string' ? `"${step.job}"` : ''} contains no Job.`,
  )
}

async function checkFile(file: string): Promise<void> {
  const isFile = await stat(file).then(
    (stats) => stats.isFile(),
    () => false,
  )
  if (!isFile)
    throw new ClusterTestError('ERR_SEED_NOT_FOUND', `Seed "${file}" does not exist or is not a file.`, {
      hint: 'Paths in "seed" are relative to the test file, or to the file that calls defineStack.',
    })
}
