import { type RunnerTestCase, type TestArtifactBase, recordArtifact } from 'vitest'

import type { KubeClient } from '../kube/client.ts'
import { describeCluster } from '../stack/diagnose.ts'

const artifactType = 'vitest-kubernetes:diagnostics'

/** The state of the cluster when a test failed: pods, warnings and last log lines. */
export interface DiagnosticsArtifact extends TestArtifactBase {
  readonly type: typeof artifactType
  readonly report: string
}

/**
 * Prints the report of the first failing test of a suite, and records it with every one that fails.
 * @param namespaces those of the suite; undefined for all
 */
export function createFailureReport(
  suite: string,
  kube: KubeClient,
  namespaces: readonly string[] | undefined,
): (task: unknown) => Promise<string> {
  let isPrinted = false
  return async (task) => {
    const report = await describeCluster(kube, { logs: 'all', lines: 10, namespaces })
    if (!isPrinted) console.error(`State of the cluster of suite "${suite}" when "${(task as RunnerTestCase).name}" failed:\n${report}`)
    isPrinted = true
    await recordArtifact(task as RunnerTestCase, { type: artifactType, report })
    return report
  }
}

declare module 'vitest' {
  interface TestArtifactRegistry {
    [diagnostics]: DiagnosticsArtifact
  }
}

declare const diagnostics: unique symbol
