import { relative } from 'node:path'

import { type RunnerTestCase, recordArtifact } from 'vitest'

import type { HeldLease } from '../broker/client.ts'
import type { KubeClient } from '../kube/client.ts'
import type { RequestRecord } from '../report/model.ts'
import { describeCluster } from '../stack/ready/diagnose.ts'
import { artifactType } from './diagnostics-artifact.ts'

/** Milliseconds for a cluster that may not answer any more. */
const patience = 5_000

/** Prints the report of the first failing test of a suite, and records it with every one that fails. */
export function createFailureReport(
  suite: string,
  kube: KubeClient,
  { lease, testFailed }: Pick<HeldLease, 'lease' | 'testFailed'>,
  requests: () => readonly RequestRecord[],
): (task: RunnerTestCase) => Promise<string> {
  const { bundle } = lease
  const namespaces = lease.isShared ? [lease.namespace] : undefined
  let isPrinted = false
  return async (task) => {
    await testFailed(requests())
    const report = await describeCluster(kube, { namespaces, signal: AbortSignal.timeout(patience) })
    const more = bundle ? `\nEverything else: ${relative(process.cwd(), bundle)}` : ''
    if (!isPrinted) console.error(`State of the cluster of suite "${suite}" when "${task.name}" failed:\n${report}${more}`)
    isPrinted = true
    await recordArtifact(task, { type: artifactType, report, bundle })
    return report
  }
}
