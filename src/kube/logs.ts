import type { KubeClient } from './client.ts'

export interface LogOptions {
  /** @default the pod's only or first container */
  readonly container?: string
  /** Last lines only. @default all */
  readonly tail?: number
  /** Of the container's previous run, when it has been restarted. @default false */
  readonly previous?: boolean
  readonly signal?: AbortSignal | undefined
}

/** The log of one container of a pod as text. */
export function readPodLog(
  client: KubeClient,
  namespace: string,
  pod: string,
  { container, tail, previous, signal }: LogOptions = {},
): Promise<string> {
  return client.requestText(`/api/v1/namespaces/${namespace}/pods/${pod}/log`, { query: { container, tailLines: tail, previous }, signal })
}
