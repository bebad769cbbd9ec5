import { relative } from 'node:path'

import type { UpCluster } from '../../cluster/ownership/kept-clusters.ts'
import { claimStack } from '../../engine/claims.ts'
import type { EngineParts } from '../../engine/parts.ts'
import { type SuitePlan, planSuite } from '../../engine/plan-suite.ts'
import { updateStack } from '../../engine/update-stack.ts'
import { parseWorkload } from '../../kube/workload.ts'
import { parseImageName } from '../../stack/images/image-names.ts'
import { mapContainers } from '../../stack/manifests/pod-spec.ts'
import { messageOf } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { createTerminalProgress } from '../../support/terminal.ts'
import type { CliContext } from '../command.ts'
import { requestFor } from './bring-up.ts'
import type { DefinedStack } from './find-stacks.ts'
import { watchStack } from './watch-stack.ts'

export interface UpdateOnChangeOptions {
  readonly kept: UpCluster
  readonly parts: EngineParts
  /** Those that are bridged: what their images are built from is run by somebody else. */
  readonly workloads: readonly string[]
  readonly context: CliContext
  readonly signal: AbortSignal
}

/** Brings a change of an image's folder, a manifest or a chart into a stack that is up, as soon as it is saved. */
export async function updateOnChange(
  stack: DefinedStack,
  { kept, parts, workloads, context: { note, cwd }, signal }: UpdateOnChangeOptions,
): Promise<Disposable> {
  const progress = createTerminalProgress(note)(stack.name)
  const request = requestFor(stack)
  const plan = await planSuite(request, parts.folder, signal)
  return watchStack(request, {
    // What is mounted is in the pods already.
    except: [...buildsOf(workloads, plan), ...plan.mounts.map(({ source }) => source)],
    async onChange(files) {
      if (signal.aborted) return
      progress({ kind: 'note', step: 'changed', text: formatList(files.map((file) => relative(cwd, file))) })
      const seeds = files.filter((file) => isSeed(file, plan))
      if (seeds.length > 0)
        progress({ kind: 'note', step: 'seed', text: `not loaded again: npx vitest-kubernetes up ${stack.name} --recreate` })
      if (seeds.length === files.length) return
      try {
        await using _claim = await claimStack(parts, stack)
        await updateStack(parts, request, kept, progress, signal)
      } catch (error) {
        if (!signal.aborted) note(messageOf(error))
      }
    },
  })
}

/** Folders of the images that workloads run. */
function buildsOf(workloads: readonly string[], { manifests, images }: SuitePlan): readonly string[] {
  const names = workloads.flatMap((workload) => {
    const { kind, name } = parseWorkload(workload)
    const found: string[] = []
    for (const { object } of manifests)
      if (object.kind === kind && object.metadata.name === name)
        mapContainers(object, (container) => {
          found.push(parseImageName(container.image).base)
          return container
        })
    return found
  })
  return images.builds.filter(({ name }) => names.includes(parseImageName(name).base)).map(({ context }) => context)
}

function isSeed(file: string, { seeds }: SuitePlan): boolean {
  return seeds.flat().some(({ steps }) => steps.some((step) => step.kind === 'file' && step.file.path === file))
}
