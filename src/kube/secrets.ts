import type { KubeClient } from './client.ts'
import type { KubeList } from './types.ts'

export interface Secret {
  readonly metadata?: { readonly uid?: string; readonly name?: string; readonly namespace?: string; readonly resourceVersion?: string }
  readonly data?: Readonly<Record<string, string>>
}

/** The values of a Secret as the containers get them. */
export function secretValues({ data = {} }: Secret): readonly string[] {
  return Object.values(data).map((value) => Buffer.from(value, 'base64').toString())
}

/** The values of all Secrets but those of the cluster itself. */
export async function readSecretValues(kube: KubeClient, signal?: AbortSignal): Promise<readonly string[]> {
  const { items } = await kube.request<KubeList<Secret>>('GET', '/api/v1/secrets', { signal })
  return items.filter(({ metadata }) => metadata?.namespace !== 'kube-system').flatMap(secretValues)
}
