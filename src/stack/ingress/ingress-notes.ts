import { foreignClass, servesDefault } from '../../cluster/network/ingress-routes.ts'
import { describeObject, kindOf } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Ingress, IngressBackend, Service } from '../../kube/types.ts'
import { formatList } from '../../support/format.ts'
import type { Manifest, ManifestPath } from '../manifests/manifests.ts'
import { specOf } from './controller.ts'

/**
 * What of these Ingresses nobody will serve. Kubernetes takes all of it, and a Service may still come: no reason to refuse them.
 * @param all manifests of the stack
 */
export function ingressNotes(ingresses: readonly Manifest[], all: readonly Manifest[], defaultNamespace: string): readonly string[] {
  const namespaceOf = ({ metadata }: KubeObject) => metadata.namespace ?? defaultNamespace
  const objects = all.map(({ object }) => object)
  return ingresses.flatMap(({ object, origin, lineOf }) => {
    const within = objects.filter((each) => namespaceOf(each) === namespaceOf(object))
    const note = (path: ManifestPath, text: string) =>
      `${origin}${lineOf ? `, line ${lineOf(path)}` : ''}: ${describeObject(object)} ${text}`
    const lost = backendsOf(object).flatMap(({ backend, path }) => {
      const problem = problemOf(backend, within)
      return problem ? [note(path, problem)] : []
    })
    const missing = listOf(specOf(object)?.tls).flatMap((tls, index) => {
      const secretName = tls?.secretName
      return secretName && !within.some((each) => kindOf(each) === 'Secret' && each.metadata.name === secretName)
        ? [
            note(
              ['spec', 'tls', index],
              `takes its certificate from Secret "${secretName}", which the stack does not have: one that no client trusts is in its place`,
            ),
          ]
        : []
    })
    return [...lost, ...missing, ...unserved(object).map(({ path, text }) => note(path, text))]
  })
}

interface Backend {
  readonly backend: IngressBackend
  readonly path: ManifestPath
}

function backendsOf(object: KubeObject): readonly Backend[] {
  const { rules, defaultBackend } = specOf(object) ?? {}
  return [
    ...listOf(rules).flatMap((each, rule) =>
      listOf(each?.http?.paths).map((at, path) => ({
        backend: at?.backend ?? {},
        path: ['spec', 'rules', rule, 'http', 'paths', path, 'backend'],
      })),
    ),
    ...(defaultBackend ? [{ backend: defaultBackend, path: ['spec', 'defaultBackend'] }] : []),
  ]
}

/** What is no list is for the API server to refuse. */
function listOf<T>(value: readonly T[] | undefined): readonly (T | undefined)[] {
  return Array.isArray(value) ? (value as readonly T[]) : []
}

/** @param objects those of the Ingress' namespace: there is no other that it can lead to */
function problemOf({ service, resource }: IngressBackend, objects: readonly KubeObject[]): string | undefined {
  if (resource) return `leads to ${resource.kind} "${resource.name}": the ingress controller serves Services only`
  if (!service) return undefined
  const services = objects.filter((each) => kindOf(each) === 'Service') as unknown as readonly Service[]
  const found = services.find(({ metadata }) => metadata?.name === service.name)
  if (!found) {
    const has = services.map(({ metadata }) => metadata!.name!)
    return `leads to Service "${service.name}", which its namespace does not have${has.length > 0 ? `: it has ${formatList(has)}` : ''}`
  }
  const { name, number } = service.port ?? {}
  const ports = found.spec?.ports ?? []
  if (ports.some((each) => (name === undefined ? each.port === number : each.name === name))) return undefined
  const has = ports.map((each) => (each.name ? `${each.name} (${each.port})` : String(each.port)))
  return `leads to port ${name ?? number} of Service "${service.name}", which has ${has.join(', ') || 'none'}`
}

function unserved(object: KubeObject): readonly { readonly path: ManifestPath; readonly text: string }[] {
  const spec = specOf(object)
  const foreign = foreignClass(object as Ingress)
  const text = {
    class: `names its class "${foreign}" by an annotation and is not served: set spec.ingressClassName`,
    backend: 'has a default backend besides its rules, which is not served: give it an Ingress of its own',
  }
  return [
    ...(foreign ? [{ path: ['metadata', 'annotations'], text: text.class }] : []),
    ...(spec?.defaultBackend && !servesDefault(spec) ? [{ path: ['spec', 'defaultBackend'], text: text.backend }] : []),
  ]
}
