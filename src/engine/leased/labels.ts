/** On a namespace that an administrator has prepared for suites. Its value says nothing. */
export const poolLabel = 'vitest-kubernetes.pool'
/** On what a run creates for itself in a cluster: its id. */
export const runLabelOfObjects = 'vitest-kubernetes.run'
