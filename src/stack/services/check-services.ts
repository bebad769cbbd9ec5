import { parseWorkload } from '../../kube/workload.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import type { Manifest } from '../manifests/manifests.ts'

/**
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for what is no service, or a name that no Service can have
 */
export function checkServices(services: unknown): void {
  if (services === undefined) return
  if (typeof services !== 'object' || services === null || Array.isArray(services))
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `Expected option \`services\` to be an object from name to service, got ${JSON.stringify(services)}.`,
    )
  for (const [name, definition] of Object.entries(services as Record<string, unknown>)) {
    if (!/^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$/.test(name))
      throw new ClusterTestError(
        'ERR_OPTIONS_INVALID',
        `Service "${name}" of option \`services\` has a name that is not valid for a Kubernetes Service.`,
        {
          hint: 'Names consist of lower-case letters, digits and "-", start with a letter, and have at most 52 characters.',
        },
      )
    if (typeof definition !== 'object' || definition === null || !('ports' in definition && 'secretEnv' in definition))
      throw new ClusterTestError(
        'ERR_OPTIONS_INVALID',
        `Service "${name}" of option \`services\` is not a service: ${JSON.stringify(definition) ?? String(definition)}.`,
        {
          hint: 'Create it with postgres(), mariadb(), mysql(), redis(), rabbitmq(), nats(), mongodb(), kafka() or service({ image, port }).',
        },
      )
  }
}

/**
 * The workload that a key of `seed`, or a workload's name in a test, stands for: itself, or the one of a service.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` when it is neither
 */
export function workloadOf(text: string, services: object = {}): string {
  if (text in services) return `statefulset/${text}`
  if (text.includes('/') || Object.keys(services).length === 0) {
    parseWorkload(text)
    return text
  }
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `"${text}" is neither a service of the stack nor a workload.`, {
    hint: `Services are ${formatList(Object.keys(services))}; a workload is written "kind/name", for example "deployment/orders".`,
  })
}

/** @throws ClusterTestError `ERR_MANIFEST_INVALID` when manifests hold what a service brings itself */
export function checkNames(manifests: readonly Manifest[], ofServices: readonly Manifest[], namespace: string): void {
  const nameOf = ({ object }: Manifest) => `${object.kind} "${object.metadata.name}" in ${object.metadata.namespace ?? namespace}`
  const own = new Map(ofServices.map((manifest) => [nameOf(manifest), manifest]))
  for (const manifest of manifests) {
    const same = own.get(nameOf(manifest))
    if (same)
      throw new ClusterTestError(
        'ERR_MANIFEST_INVALID',
        `Manifest ${manifest.origin} is ${manifest.object.kind} "${manifest.object.metadata.name}", which is ${same.origin} too.`,
        {
          hint: 'A service creates a Secret, a Service and a StatefulSet with its name. Rename it, or remove the manifest.',
        },
      )
  }
}
