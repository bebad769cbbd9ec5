import type { TestArtifactBase } from 'vitest'

export const artifactType = 'vitest-kubernetes:diagnostics'

/** The state of the cluster when a test failed: pods, what happened last, and last log lines. */
export interface DiagnosticsArtifact extends TestArtifactBase {
  readonly type: typeof artifactType
  readonly report: string
  /** Absolute path of the folder with the whole state of the cluster at the suite's first failure; undefined when no reports are written. */
  readonly bundle: string | undefined
}

declare module 'vitest' {
  interface TestArtifactRegistry {
    [diagnostics]: DiagnosticsArtifact
  }
}

declare const diagnostics: unique symbol
