import { gatewayResource } from '../cluster/network/gateway-routes.ts'
import type { IngressRoute, ServiceAddress } from '../cluster/network/service-address.ts'
import { type KubeClient, KubeStatusError } from '../kube/client.ts'
import { type Condition, type Gateway, type GatewayKind, type GatewayRoute, gatewayController, routeKinds } from '../kube/gateway-api.ts'
import { apiPath } from '../kube/kinds.ts'
import { listPods } from '../kube/workload.ts'
import { adminPort, entryPointOf } from '../stack/ingress/controller.ts'
import { isLate } from '../support/deadline.ts'
import { formatList } from '../support/format.ts'
import { poll } from '../support/poll.ts'
import type { Progress } from '../support/progress.ts'

/** A rule of Traefik's, as its API tells it. */
interface Router {
  /** Of the Gateway API: `httproute-default-web-gw-default-shop-ep-web-0-1a2b3c@kubernetesgateway`. */
  readonly name: string
  /** `Host("shop.localhost") && PathPrefix("/cart")` */
  readonly rule: string
  /** `disabled` where it has an error. */
  readonly status?: string
  readonly error?: readonly string[]
  readonly observability?: {
    readonly metadata?: {
      readonly ingress?: { readonly namespace: string; readonly ingressName: string; readonly serviceName: string }
    }
  }
}

/** What Traefik serves. */
interface Served {
  readonly routers: readonly Router[]
  /** Names of what it has for Services, where routes of the Gateway API are asked for. */
  readonly services: readonly string[]
}

/** Milliseconds. What is served at all is so within a second of the controller's start. */
const patience = 10_000

interface WaitForRoutesOptions {
  /** Rules that the controllers do not serve, as far as is known: nobody waits for them again. Added to. */
  readonly refused: Set<string>
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * Waits until the ingress controllers among these addresses serve what Ingresses and Gateways say: a ready controller has yet to read them.
 * A rule whose Service is not there is none that anybody waits for. What the controller refuses is told, and fails nothing.
 */
export async function waitForRoutes(
  kube: KubeClient,
  addresses: readonly ServiceAddress[],
  { refused, progress, signal }: WaitForRoutesOptions,
): Promise<void> {
  const isThere = ({ backend }: IngressRoute) =>
    !backend || addresses.some(({ namespace, service }) => namespace === backend.namespace && service === backend.name)
  for (const { namespace, service, portName, routes = [] } of addresses) {
    let missing = routes.filter((route) => isThere(route) && !refused.has(nameOf(route)))
    if (portName !== 'http' || missing.length === 0) continue
    const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)])
    let served: Served = { routers: [], services: [] }
    const areServed = async () => {
      served = await readServed(kube, { namespace, service, routes: missing, signal: limit })
      missing = missing.filter((route) => !serves(served, route))
      return missing.length === 0 ? true : undefined
    }
    await poll(areServed, { interval: 100, signal: limit }).catch(async (error: unknown) => {
      if (signal.aborted || !isLate(limit)) throw error
      for (const route of missing) refused.add(nameOf(route))
      for (const [name, group = []] of Object.entries(Object.groupBy(missing, ({ kind, name }) => `${kind}/${name}`))) {
        const rules = formatList([...new Set(group.map(({ host, path }) => `${name} ${host}${path}`))])
        const reasons = [...new Set([...errorsOf(served, group), ...(await readReasons(kube, group[0]!, signal))])]
        const why = reasons.length > 0 ? `: ${reasons.join('; ')}` : `; deployment/${service} in namespace "${namespace}" logs why`
        progress({ kind: 'note', step: 'services', text: `the ingress controller does not serve ${rules}${why}` })
      }
    })
  }
}

function nameOf({ kind, namespace, name, host, path, port, backend, gateway }: IngressRoute): string {
  return JSON.stringify([kind, namespace, name, host, path, port, backend, gateway])
}

function serves({ routers, services }: Served, route: IngressRoute): boolean {
  if (!route.gateway) return routers.some((router) => router.status !== 'disabled' && servesIngress(router, route))
  const { backend } = route
  const leads = ({ name }: Router) => {
    const prefix = `${withoutProvider(name)}-svc-${backend?.namespace}-${backend?.name}-`
    return services.some((each) => each.startsWith(prefix) && /^\d+(?:@|$)/.test(each.slice(prefix.length)))
  }
  return routers.some((router) => router.status !== 'disabled' && servesRoute(router, route) && (!backend || leads(router)))
}

function servesIngress({ rule, observability }: Router, { namespace, name, host, path, backend }: IngressRoute): boolean {
  const { ingress: of } = observability?.metadata ?? {}
  const isOf = of?.namespace === namespace && of.ingressName === name && of.serviceName === backend?.name
  return isOf && rule.includes(host) && rule.includes(path === '/' ? path : path.replace(/\/$/, ''))
}

/** Traefik 3.7 names what it makes of routes, and the Services that they lead to, by all that they come from. */
function servesRoute({ name, rule }: Router, route: IngressRoute): boolean {
  const { kind, host, path } = route
  if (!name.startsWith(prefixOf(route))) return false
  const domain = quoted(host.slice(1).replaceAll('.', '\\.')).slice(1, -1)
  const hasHost = rule.includes(host.startsWith('*') ? `${domain}$"` : `"${host}"`)
  // What stands in quotes is written as Go writes it, which is JSON's way for such texts only; calls have rules of another kind.
  const isPlain = kind === 'httproute' && /^[ -~]*$/.test(path)
  return (host === '' || hasHost) && (!isPlain || [path, path.replace(/\/$/, '')].some((each) => rule.includes(quoted(each))))
}

function prefixOf({ kind, namespace, name, gateway, port }: IngressRoute): string {
  const whole = `${kind}-${namespace}-${name}-gw-${gateway!.namespace}-${gateway!.name}-ep-${entryPointOf(port)}-`
  return whole.split(/[^\p{L}\p{N}]+/u).join('-')
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

function withoutProvider(name: string): string {
  return name.replace(/@.*/, '')
}

/** Why Traefik has no use for what it has made of routes. */
function errorsOf({ routers }: Served, routes: readonly IngressRoute[]): readonly string[] {
  const own = routers.filter((router) => routes.some((route) => route.gateway && servesRoute(router, route)))
  return own.flatMap(({ status, error = [] }) => (status === 'disabled' ? error : []))
}

/** Why a route of the Gateway API is not served, in the controller's words. */
async function readReasons(
  kube: KubeClient,
  { kind, namespace, name, gateway }: IngressRoute,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const routeKind = routeKinds.find((each) => each.toLowerCase() === kind)
  if (!routeKind || !gateway) return []
  const read = async <T>(of: GatewayKind, object: { readonly namespace: string; readonly name: string }) => {
    const resource = await gatewayResource(kube, of, signal)
    return resource && kube.find<T>(resource.path(object.namespace, object.name), { signal })
  }
  const { status: ofRoute } = (await read<GatewayRoute>(routeKind, { namespace, name })) ?? {}
  const { status } = (await read<Gateway>('Gateway', gateway)) ?? {}
  const parents = (ofRoute?.parents ?? []).filter(({ controllerName }) => controllerName === gatewayController)
  return [
    ...reasonsOf(parents.flatMap(({ conditions = [] }) => conditions)),
    ...(status?.listeners ?? []).flatMap((listener) =>
      reasonsOf(listener.conditions).map((each) => `listener "${listener.name}": ${each}`),
    ),
  ]
}

function reasonsOf(conditions: readonly Condition[] = []): readonly string[] {
  const untrue = conditions.filter(({ status }) => status === 'False')
  return untrue.map(({ reason = '', message = '' }) => [reason, message].filter((each) => each !== '').join(': '))
}

interface ReadOptions {
  readonly namespace: string
  readonly service: string
  /** Those that are asked for. */
  readonly routes: readonly IngressRoute[]
  readonly signal: AbortSignal
}

async function readServed(kube: KubeClient, { namespace, service, routes, signal }: ReadOptions): Promise<Served> {
  const [pod] = await listPods(kube, namespace, `deployment/${service}`, signal)
  const port = pod?.spec?.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === adminPort)?.containerPort
  if (!pod || !port) return { routers: [], services: [] }
  const read = async <T>(what: string) => {
    const path = `${apiPath('Pod', namespace, pod.metadata!.name)}:${port}/proxy/api/${what}`
    return kube.request<readonly T[]>('GET', path, { query: { per_page: 100_000 }, signal })
  }
  const protocols = [...new Set(routes.map(({ kind }) => (kind === 'tlsroute' ? 'tcp' : 'http')))]
  const areNamed = routes.some(({ gateway }) => gateway)
  try {
    const [routers, services] = await Promise.all([
      Promise.all(protocols.map((protocol) => read<Router>(`${protocol}/routers`))),
      Promise.all(areNamed ? protocols.map((protocol) => read<{ readonly name: string }>(`${protocol}/services`)) : []),
    ])
    return { routers: routers.flat(), services: services.flat().map(({ name }) => name) }
  } catch (error) {
    // The pod has just gone, or does not listen yet.
    if (error instanceof KubeStatusError && (error.statusCode >= 500 || error.statusCode === 404)) return { routers: [], services: [] }
    throw error
  }
}
