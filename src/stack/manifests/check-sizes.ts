import { kindOf } from '../../kube/kinds.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatBytes } from '../../support/format.ts'
import type { Manifest } from './manifests.ts'

/** Bytes that a ConfigMap or Secret may hold (MaxSecretSize in pkg/apis/core/types.go). */
const limit = 1024 * 1024

/** @throws ClusterTestError `ERR_MANIFEST_INVALID` for a ConfigMap or Secret that no API server takes */
export function checkSizes(manifests: readonly Manifest[]): void {
  for (const { object, origin } of manifests) {
    const kind = kindOf(object)
    if (kind !== 'ConfigMap' && kind !== 'Secret') continue
    const encoded = kind === 'ConfigMap' ? ['binaryData'] : ['data']
    const sizes = ['data', 'binaryData', 'stringData'].flatMap((field) =>
      Object.entries((object[field] ?? {}) as Record<string, unknown>).map(
        ([key, value]) => [key, Buffer.byteLength(String(value), encoded.includes(field) ? 'base64' : 'utf8')] as const,
      ),
    )
    const size = sizes.reduce((sum, [, each]) => sum + each, 0)
    if (size <= limit) continue
    const [largest] = sizes.toSorted(([, a], [, b]) => b - a)
    throw new ClusterTestError(
      'ERR_MANIFEST_INVALID',
      `Manifest ${origin}: ${kind} "${object.metadata.name}" holds ${formatBytes(size)}, and Kubernetes allows 1 MiB. The largest is "${largest![0]}" with ${formatBytes(largest![1])}.`,
      { hint: 'Put the file into the image, bring its folder into the pods by the option "mount", or load it as a seed.' },
    )
  }
}
