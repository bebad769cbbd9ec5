import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getCallSites } from 'node:util'

import { type ClusterOptions, type ServiceDefinitions, type StackOptions, checkOptions, checkSpelling } from '../stack/options.ts'
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
export function defineStack<Seed, const Services extends ServiceDefinitions = Record<string, never>>(
  stack: Inferring<Services, Seed> & StackCluster,
): DefinedStack<Seed, Services> {
  checkSpelling(stack)
  checkOptions(stack)
  return { ...stack, folder: stack.folder ?? folderOfCaller() } as DefinedStack<Seed, Services>
}

/** The options of a stack of which two are inferred: tests know the services, and what was seeded. Functions among the seeds know the services beside them. */
export type Inferring<Services extends object, Seed> = StackOptions<TestCluster<string, ServicesOf<Services>>, Services, Seed>

/** The services of a stack; none where nothing was inferred. */
export type ServicesOf<Services extends object> = string extends keyof Services ? object : Services

/** What a stack may say of its cluster. How long that lives is for its suite, or for `up` and `down`. */
type StackCluster = Omit<ClusterOptions, 'cluster' | 'keep' | 'keepFor'>

type DefinedStack<Seed, Services> = Omit<StackOptions, 'seed' | 'services' | 'folder'> &
  StackCluster & {
    readonly folder: string
    readonly services: Services
    readonly seed: Seed
  }

/** The first frame is this function, the second one `defineStack`. */
function folderOfCaller(): string {
  const file = getCallSites(3)[2]!.scriptName
  return dirname(file.startsWith('file:') ? fileURLToPath(file) : file)
}
