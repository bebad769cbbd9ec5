import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { slug } from '../support/identity.ts'
import type { SuiteRecorder } from './recorder.ts'

/** Writes the log of a build into the bundle of its suite. Resolves with its path; undefined when no reports are written. */
export async function keepBuildLog({ folder, redact }: SuiteRecorder, name: string, log: string): Promise<string | undefined> {
  if (!folder) return undefined
  await mkdir(join(folder, 'builds'), { recursive: true })
  const path = join(folder, 'builds', `${slug(name, 60)}.log`)
  await writeFile(path, redact(log))
  return path
}
