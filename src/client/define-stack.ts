import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getCallSites } from 'node:util'

import { type StackOptions, checkSpelling, checkStack } from '../stack/options.ts'
import type { SeedOption } from '../stack/seed-options.ts'
import type { ServiceDefinition } from '../stack/services/definition.ts'
import type { TestCluster } from './test-cluster.ts'

/**
 * A stack that test files, the CLI and examples share. Its relative paths are relative to the file that calls this function,
 * wherever the stack is used; for that it gets the key `folder`, which a stack of another file takes along when it is spread.
 *
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for an option that cannot be meant
 * @example
 * // stack.ts
 * export const shop = defineStack({ images: ['./orders'], manifests: './k8s', services: { db: postgres() } })
 * // orders.test.ts
 * describe.withCluster('orders', { ...shop, timeout: 30_000 }, (test) => { … })
 */
export function defineStack<
  const Stack extends WithoutSeed<StackOptions>,
  const Services extends ServiceDefinitions = Record<string, never>,
>(stack: Stack & SeedOf<Services>): Stack & { readonly folder: string } {
  checkSpelling(stack)
  checkStack(stack)
  return { ...stack, folder: stack.folder ?? folderOfCaller() }
}

type ServiceDefinitions = Readonly<Record<string, ServiceDefinition>>

/** The type of functions among the seeds follows from the services beside them. */
export type WithoutSeed<Options> = Omit<Options, 'seed'> & { readonly seed?: unknown }

export interface SeedOf<Services extends object> {
  readonly services?: Services | undefined
  readonly seed?: SeedOption<TestCluster<string, Services>> | undefined
}

/** The first frame is this function, the second one `defineStack`. */
function folderOfCaller(): string {
  const file = getCallSites(3)[2]!.scriptName
  return dirname(file.startsWith('file:') ? fileURLToPath(file) : file)
}
