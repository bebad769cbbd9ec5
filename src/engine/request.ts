import { resolve } from 'node:path'

import type { BridgedWorkload } from '../bridge/stand-in.ts'
import type { UpStack } from '../cluster/ownership/kept-clusters.ts'
import type { SuiteClusterOptions } from '../stack/options.ts'

export interface LeaseRequest {
  /** Name of the suite. */
  readonly suite: string
  /** vitest's id of it. */
  readonly id: string
  /** Absolute path of the test file. */
  readonly file: string
  /** Absolute path of the test file's folder. */
  readonly folder: string
  readonly options: SuiteClusterOptions
  /** Files and folders that the suite is made of besides those of its options, relative to the folder. */
  readonly sources: readonly string[]
  /** What is bridged with the suite: its image may not exist yet. */
  readonly bridged: readonly BridgedWorkload[]
  /** The one that it has been given, in a cluster of others. @default one of its own in a shared cluster, else `default` */
  readonly namespace?: string | undefined
  /** Of a stack without tests: its cluster stays until it is taken down, unless its set-up fails. */
  readonly up?: UpStack | undefined
}

/** What the paths of a suite's stack are relative to. */
export function stackFolder({ folder, options }: Pick<LeaseRequest, 'folder' | 'options'>): string {
  return resolve(folder, options.folder ?? '.')
}
