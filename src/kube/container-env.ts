import type { V1Container, V1EnvVar } from '@kubernetes/client-node'

import type { KubeClient } from './client.ts'
import type { Pod } from './types.ts'

/**
 * The variables that a container's spec gives it: values, ConfigMap and Secret keys, and whole ConfigMaps and Secrets.
 * Field references and `$(NAME)` are left out: nothing that reads this needs them.
 */
export async function readContainerEnv(
  kube: KubeClient,
  pod: Pod,
  container: V1Container,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const namespace = pod.metadata!.namespace!
  const sources = new Map<string, Promise<Readonly<Record<string, string>>>>()
  const read = (kind: 'configmaps' | 'secrets', name: string) => {
    const path = `/api/v1/namespaces/${namespace}/${kind}/${name}`
    const known = sources.get(path) ?? readData(kube, path, kind === 'secrets', signal)
    sources.set(path, known)
    return known
  }
  const env: Record<string, string> = {}
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data = configMapRef?.name
      ? await read('configmaps', configMapRef.name)
      : secretRef?.name
        ? await read('secrets', secretRef.name)
        : {}
    for (const [key, value] of Object.entries(data)) env[prefix + key] = value
  }
  for (const variable of container.env ?? []) {
    const value = await valueOf(variable, read)
    if (value !== undefined) env[variable.name] = value
  }
  return env
}

async function valueOf(
  { value, valueFrom }: V1EnvVar,
  read: (kind: 'configmaps' | 'secrets', name: string) => Promise<Readonly<Record<string, string>>>,
): Promise<string | undefined> {
  if (valueFrom?.configMapKeyRef?.name) return (await read('configmaps', valueFrom.configMapKeyRef.name))[valueFrom.configMapKeyRef.key]
  if (valueFrom?.secretKeyRef?.name) return (await read('secrets', valueFrom.secretKeyRef.name))[valueFrom.secretKeyRef.key]
  return valueFrom ? undefined : (value ?? '')
}

/** An absent object is no error here: kubelet allows it where the reference is optional, and reports it where it is not. */
async function readData(
  kube: KubeClient,
  path: string,
  isBase64: boolean,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const { data = {} } = (await kube.find<{ data?: Record<string, string> }>(path, { signal })) ?? {}
  return isBase64 ? Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])) : data
}
