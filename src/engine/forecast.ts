import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { defaultClusterMemory } from '../cluster/host-limits.ts'
import type { IpFamily } from '../cluster/network/cluster-ranges.ts'
import { cacheFolder } from '../support/cache-folder.ts'
import type { LeaseRequest } from './request.ts'

/** A suite that is likely to ask for a fork, from what its file did in the last run. */
export interface ExpectedSuite {
  readonly file: string
  readonly suite: string
  /** Of its template. */
  readonly key: string
  /** Bytes. */
  readonly memory: number
  readonly k3sArgs?: readonly string[] | undefined
  readonly ipFamily?: IpFamily | undefined
}

/** The suites of test files, in the order in which they came when the files ran last. Nothing of files that nothing is known of. */
export async function readForecast(files: readonly string[]): Promise<readonly ExpectedSuite[]> {
  return (await Promise.all(files.map(readOne))).flat()
}

/** What the files of one run take, written down for the next one. */
export interface Forecast {
  /** Told of each suite that has a template now. */
  note(request: LeaseRequest, key: string): Promise<void>
}

export function createForecast(): Forecast {
  const files = new Map<string, ExpectedSuite[]>()
  return {
    async note({ file, suite, options: { memory = defaultClusterMemory, k3sArgs, ipFamily } }, key) {
      const suites = files.get(file) ?? []
      files.set(file, suites)
      suites.push({ file, suite, key, memory, k3sArgs, ipFamily })
      try {
        await mkdir(join(pathOf(file), '..'), { recursive: true })
        await writeFile(pathOf(file), JSON.stringify(suites), { mode: 0o600 })
      } catch {
        // A home that cannot be written: nothing is started ahead then.
      }
    },
  }
}

function pathOf(file: string): string {
  return cacheFolder('suites', `${createHash('sha256').update(file).digest('hex').slice(0, 24)}.json`)
}

async function readOne(file: string): Promise<readonly ExpectedSuite[]> {
  try {
    const suites = JSON.parse(await readFile(pathOf(file), 'utf8')) as unknown
    return Array.isArray(suites) ? suites.filter((each) => isOf(file, each)) : []
  } catch {
    return []
  }
}

/** Another version may have written it, or something else. */
function isOf(file: string, value: unknown): value is ExpectedSuite {
  const suite = Object(value) as Partial<Record<keyof ExpectedSuite, unknown>>
  return suite.file === file && typeof suite.suite === 'string' && typeof suite.key === 'string' && typeof suite.memory === 'number'
}
