import { gatewayPath } from '../cluster/network/gateway-routes.ts'
import type { IngressRoute, ServiceAddress } from '../cluster/network/service-address.ts'
import { type KubeClient, KubeStatusError } from '../kube/client.ts'
import { type GatewayRoute, gatewayController, routeKinds } from '../kube/gateway-api.ts'
import { apiPath } from '../kube/kinds.ts'
import { listPods } from '../kube/workload.ts'
import { adminPort } from '../stack/ingress/controller.ts'
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
  readonly observability?: {
    readonly metadata?: {
      readonly ingress?: { readonly namespace: string; readonly ingressName: string; readonly serviceName: string }
    }
  }
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
 * Waits until the ingress controllers among these addresses serve what Ingresses and Gateways say: a ready controller has yet to read them. A rule
 * whose Service is not there is none that anybody waits for. What the controller refuses is told, and fails nothing.
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
    const areServed = async () => {
      const api = { namespace, service, signal: limit }
      const routers = await readTraefik<Router>(kube, 'routers', api)
      const services = missing.some(({ gateway }) => gateway) ? await readTraefik<{ readonly name: string }>(kube, 'services', api) : []
      missing = missing.filter(
        (route) => !(route.gateway ? servesGateway(routers, services, route) : routers.some((router) => serves(router, route))),
      )
      return missing.length === 0 ? true : undefined
    }
    await poll(areServed, { interval: 100, signal: limit }).catch(async (error: unknown) => {
      if (signal.aborted || !isLate(limit)) throw error
      for (const route of missing) refused.add(nameOf(route))
      const rules = formatList([...new Set(missing.map(({ kind, name, host, path }) => `${kind}/${name} ${host}${path}`))])
      const reasons = new Set((await Promise.all(missing.map((route) => readReasons(kube, route, signal)))).flat())
      const why = reasons.size > 0 ? `: ${[...reasons].join('; ')}` : `; deployment/${service} in namespace "${namespace}" logs why`
      const text = `the ingress controller does not serve ${rules}${why}`
      progress({ kind: 'note', step: 'services', text })
    })
  }
}

function nameOf({ kind, namespace, name, host, path, port, backend, gateway }: IngressRoute): string {
  return JSON.stringify([kind, namespace, name, host, path, port, backend, gateway])
}

function serves({ rule, observability }: Router, { namespace, name, host, path, backend }: IngressRoute): boolean {
  const { ingress: of } = observability?.metadata ?? {}
  const isOf = of?.namespace === namespace && of.ingressName === name && of.serviceName === backend?.name
  return isOf && rule.includes(host) && rule.includes(path === '/' ? path : path.replace(/\/$/, ''))
}

/** Traefik 3.7 names what it makes of routes, and the Services that they lead to, by all that they come from. */
function servesGateway(
  routers: readonly Router[],
  services: readonly { readonly name: string }[],
  { kind, namespace, name, gateway, host, path, backend }: IngressRoute,
): boolean {
  const prefix = normalize(`${kind}-${namespace}-${name}-gw-${gateway}-ep-`)
  // Texts stand there in quotes, wildcards and paths as regular expressions.
  const includes = (rule: string, text: string) => rule.replaceAll('\\', '').includes(text.replaceAll('\\', ''))
  const isRouter = (each: Router) =>
    each.name.startsWith(prefix) && includes(each.rule, host.replace(/^\*/, '')) && (kind === 'grpcroute' || includes(each.rule, path))
  const leads = (router: Router) =>
    !backend || services.some((each) => each.name.startsWith(`${withoutProvider(router.name)}-svc-${backend.namespace}-${backend.name}-`))
  return routers.some((router) => isRouter(router) && leads(router))
}

function normalize(name: string): string {
  return name.split(/[^\p{L}\p{N}]+/u).join('-')
}

function withoutProvider(name: string): string {
  return name.replace(/@.*/, '')
}

/** Why a route of the Gateway API is not served, in the controller's words. */
async function readReasons(kube: KubeClient, { kind, namespace, name }: IngressRoute, signal: AbortSignal): Promise<readonly string[]> {
  const plural = Object.values(routeKinds).find((each) => each.startsWith(kind))
  if (!plural) return []
  const route = await kube.find<GatewayRoute>(gatewayPath(plural, namespace, name), { signal })
  return (route?.status?.parents ?? [])
    .filter(({ controllerName }) => controllerName === gatewayController)
    .flatMap(({ conditions = [] }) => conditions.filter(({ status }) => status === 'False'))
    .map(({ reason = '', message = '' }) => [reason, message].filter((each) => each !== '').join(': '))
}

/** All of Traefik's routers, or services, of HTTP. */
async function readTraefik<T>(
  kube: KubeClient,
  what: 'routers' | 'services',
  { namespace, service, signal }: { readonly namespace: string; readonly service: string; readonly signal: AbortSignal },
): Promise<readonly T[]> {
  const [pod] = await listPods(kube, namespace, `deployment/${service}`, signal)
  if (!pod) return []
  try {
    const path = `${apiPath('Pod', namespace, pod.metadata!.name)}:${adminPort}/proxy/api/http/${what}`
    return await kube.request<readonly T[]>('GET', path, { query: { per_page: 100_000 }, signal })
  } catch (error) {
    // The pod has just gone, or does not listen yet.
    if (error instanceof KubeStatusError && (error.statusCode >= 500 || error.statusCode === 404)) return []
    throw error
  }
}
