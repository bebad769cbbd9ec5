import { foreignClass, servesDefault } from '../../cluster/network/ingress-routes.ts'
import type { Gateway, GatewayRoute } from '../../kube/gateway-api.ts'
import { describeObject, kindOf } from '../../kube/kinds.ts'
import { listOf } from '../../kube/list-of.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { IngressBackend, Service } from '../../kube/types.ts'
import { formatList } from '../../support/format.ts'
import type { Manifest, ManifestPath } from '../manifests/manifests.ts'
import { specOf } from './controller.ts'

/**
 * What of these Ingresses is not served, or otherwise than it looks. Kubernetes takes all of it, and a Service may still come: no reason
 * to refuse them.
 * @param all manifests of the stack
 */
export function ingressNotes(ingresses: readonly Manifest[], all: readonly Manifest[], defaultNamespace: string): readonly string[] {
  const namespaceOf = ({ metadata }: KubeObject) => metadata.namespace ?? defaultNamespace
  return ingresses.flatMap(({ object, origin, lineOf }) => {
    const beside = all.map((each) => each.object).filter((each) => namespaceOf(each) === namespaceOf(object))
    return [...lostBackends(object, beside), ...missingSecrets(object, beside), ...shadowed(object), ...unserved(object)].map(
      ({ path, text }) => `${origin}${lineOf ? `, line ${lineOf(path)}` : ''}: ${describeObject(object)} ${text}`,
    )
  })
}

/** The same of Gateways whose certificates are not there, and of routes that lead to Services that are not. */
export function gatewayNotes(served: readonly Manifest[], all: readonly Manifest[], defaultNamespace: string): readonly string[] {
  const namespaceOf = ({ metadata }: KubeObject) => metadata.namespace ?? defaultNamespace
  const secrets = new Set(
    all.flatMap(({ object }) => (kindOf(object) === 'Secret' ? [`${namespaceOf(object)}/${object.metadata.name}`] : [])),
  )
  const certificates = ({ object, origin }: Manifest) =>
    listOf((object as Gateway).spec?.listeners)
      .flatMap(({ tls }) => listOf(tls?.certificateRefs))
      .filter(({ name, namespace = namespaceOf(object) }) => !secrets.has(`${namespace}/${name}`))
      .map(({ name }) => `${origin}: ${describeObject(object)} takes its certificate from Secret "${name}", which the stack does not have`)
  const backends = ({ object, origin, lineOf }: Manifest) =>
    listOf((object as GatewayRoute).spec?.rules).flatMap(({ backendRefs }, rule) =>
      listOf(backendRefs).flatMap(({ group = '', kind = 'Service', name, port, namespace = namespaceOf(object) }, index) => {
        if (group !== '' || kind !== 'Service') return []
        const beside = all.map((each) => each.object).filter((each) => namespaceOf(each) === namespace)
        const text = problemOf({ service: { name, port: port === undefined ? {} : { number: port } } }, beside)
        const line = lineOf ? `, line ${lineOf(['spec', 'rules', rule, 'backendRefs', index])}` : ''
        return text ? [`${origin}${line}: ${describeObject(object)} ${text}`] : []
      }),
    )
  return served.flatMap((each) => [...certificates(each), ...backends(each)])
}

interface Finding {
  readonly path: ManifestPath
  readonly text: string
}

/** @param beside the objects of the Ingress' namespace: there is no other that it can lead to */
function lostBackends(object: KubeObject, beside: readonly KubeObject[]): readonly Finding[] {
  const { defaultBackend } = specOf(object) ?? {}
  const backends = [
    ...pathsOf(object).map(({ backend, at }) => ({ backend, path: [...at, 'backend'] })),
    { backend: defaultBackend, path: ['spec', 'defaultBackend'] },
  ]
  return backends.flatMap(({ backend, path }) => {
    const text = backend && problemOf(backend, beside)
    return text ? [{ path, text }] : []
  })
}

function pathsOf(object: KubeObject) {
  return listOf(specOf(object)?.rules).flatMap((rule, index) =>
    listOf(rule.http?.paths).map((each, place) => ({
      ...each,
      host: rule.host ?? '',
      at: ['spec', 'rules', index, 'http', 'paths', place],
    })),
  )
}

function problemOf({ service, resource }: IngressBackend, beside: readonly KubeObject[]): string | undefined {
  if (resource) return `leads to ${resource.kind} "${resource.name}": the ingress controller serves Services only`
  if (!service) return undefined
  const services = beside.filter((each) => kindOf(each) === 'Service') as unknown as readonly Service[]
  const found = services.find(({ metadata }) => metadata?.name === service.name)
  if (!found) {
    const has = services.map(({ metadata }) => metadata!.name!)
    return `leads to Service "${service.name}", which its namespace does not have${has.length > 0 ? `: it has ${formatList(has)}` : ''}`
  }
  const { name, number } = service.port ?? {}
  const ports = listOf(found.spec?.ports)
  if (ports.some((each) => (name === undefined ? each.port === number : each.name === name))) return undefined
  const has = ports.map((each) => (each.name ? `${each.name} (${each.port})` : String(each.port)))
  return `leads to port ${name ?? number} of Service "${service.name}", which has ${has.join(', ') || 'none'}`
}

function missingSecrets(object: KubeObject, beside: readonly KubeObject[]): readonly Finding[] {
  const secrets = new Set(beside.filter((each) => kindOf(each) === 'Secret').map(({ metadata }) => metadata.name))
  return listOf(specOf(object)?.tls).flatMap((tls, index) => {
    const name = tls.secretName
    if (!name || secrets.has(name)) return []
    const text = `takes its certificate from Secret "${name}", which the stack does not have: one that no client trusts is in its place`
    return [{ path: ['spec', 'tls', index], text }]
  })
}

/** Of two rules that fit, Traefik takes the one with the longer text, and not the exact one. */
function shadowed(object: KubeObject): readonly Finding[] {
  const paths = pathsOf(object)
  return paths.flatMap(({ path: exact = '', pathType, host, at }) => {
    if (pathType !== 'Exact') return []
    const longer = paths.find(
      ({ path: prefix = '/', ...other }) =>
        other.pathType !== 'Exact' &&
        other.host === host &&
        `${exact}/`.startsWith(prefix.replace(/\/?$/, '/')) &&
        (prefix === '/' ? 'PathPrefix("/")' : `(Path("${prefix}") || PathPrefix("${prefix}/"))`).length > `Path("${exact}")`.length,
    )
    if (!longer) return []
    const text = `has the exact path "${exact}" beside "${longer.path}", which takes its requests: give it an Ingress of its own, with the annotation traefik.ingress.kubernetes.io/router.priority: "1000"`
    return [{ path: at, text }]
  })
}

function unserved(object: KubeObject): readonly Finding[] {
  const foreign = foreignClass(object)
  const byAnnotation = `names its class "${foreign}" by an annotation and is not served: set spec.ingressClassName`
  const besideRules = 'has a default backend besides its rules, which is not served: give it an Ingress of its own'
  return [
    ...(foreign ? [{ path: ['metadata', 'annotations'], text: byAnnotation }] : []),
    ...(specOf(object)?.defaultBackend && !servesDefault(object) ? [{ path: ['spec', 'defaultBackend'], text: besideRules }] : []),
  ]
}
