import type { IngressRoute, ServiceAddress } from '../cluster/network/service-address.ts'
import { type KubeClient, KubeStatusError } from '../kube/client.ts'
import { apiPath } from '../kube/kinds.ts'
import { listPods } from '../kube/workload.ts'
import { adminPort } from '../stack/ingress/controller.ts'
import { isLate } from '../support/deadline.ts'
import { formatList } from '../support/format.ts'
import { poll } from '../support/poll.ts'
import type { Progress } from '../support/progress.ts'

/** A rule of Traefik's, as its API tells it. */
interface Router {
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
 * Waits until the ingress controllers among these addresses serve what Ingresses say: a ready controller has yet to read them. A rule
 * whose Service is not there is none that anybody waits for. What the controller refuses is told, and fails nothing.
 */
export async function waitForRoutes(
  kube: KubeClient,
  addresses: readonly ServiceAddress[],
  { refused, progress, signal }: WaitForRoutesOptions,
): Promise<void> {
  const isThere = ({ namespace, service }: IngressRoute) =>
    addresses.some((address) => address.namespace === namespace && address.service === service)
  for (const { namespace, service, portName, routes = [] } of addresses) {
    let missing = routes.filter((route) => isThere(route) && !refused.has(nameOf(route)))
    if (portName !== 'http' || missing.length === 0) continue
    const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)])
    const areServed = async () => {
      const routers = await readRouters(kube, { namespace, service, signal: limit })
      missing = missing.filter((route) => !routers.some((router) => serves(router, route)))
      return missing.length === 0 ? true : undefined
    }
    await poll(areServed, { interval: 100, signal: limit }).catch((error: unknown) => {
      if (signal.aborted || !isLate(limit)) throw error
      for (const route of missing) refused.add(nameOf(route))
      const rules = formatList(missing.map(({ ingress, host, path }) => `ingress/${ingress} ${host}${path}`))
      const text = `the ingress controller does not serve ${rules}; deployment/${service} in namespace "${namespace}" logs why`
      progress({ kind: 'note', step: 'services', text })
    })
  }
}

function nameOf({ namespace, ingress, host, path, service }: IngressRoute): string {
  return JSON.stringify([namespace, ingress, host, path, service])
}

function serves({ rule, observability }: Router, { namespace, ingress, host, path, service }: IngressRoute): boolean {
  const { ingress: of } = observability?.metadata ?? {}
  const isOf = of?.namespace === namespace && of.ingressName === ingress && of.serviceName === service
  return isOf && rule.includes(host) && rule.includes(path === '/' ? path : path.replace(/\/$/, ''))
}

async function readRouters(
  kube: KubeClient,
  { namespace, service, signal }: { readonly namespace: string; readonly service: string; readonly signal: AbortSignal },
): Promise<readonly Router[]> {
  const [pod] = await listPods(kube, namespace, `deployment/${service}`, signal)
  if (!pod) return []
  try {
    const path = `${apiPath('Pod', namespace, pod.metadata!.name)}:${adminPort}/proxy/api/http/routers`
    return await kube.request<readonly Router[]>('GET', path, { query: { per_page: 100_000 }, signal })
  } catch (error) {
    // The pod has just gone, or does not listen yet.
    if (error instanceof KubeStatusError && (error.statusCode >= 500 || error.statusCode === 404)) return []
    throw error
  }
}
