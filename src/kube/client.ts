import { whileWaiting } from '../support/deadline.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { HttpMethod, IsomorphicFetchHttpLibrary, KubeConfig, RequestContext } from './client-node.ts'

export interface KubeRequest {
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
  readonly body?: unknown
  readonly contentType?: string
  readonly signal?: AbortSignal | undefined
  /** Milliseconds until a silent API server is given up. @default 30_000 */
  readonly timeout?: number
}

/** A thin client for any resource of one API server: what is sent is what was given, unlike the typed classes of client-node, which drop unknown fields. */
export interface KubeClient {
  readonly config: KubeConfig
  /** The one namespace that it may look into: that of the kubeconfig's context. undefined where the context names none, for all of them. */
  readonly scope: string | undefined
  request<T>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, request?: KubeRequest): Promise<T>
  requestText(path: string, request?: KubeRequest): Promise<string>
  /** A GET that resolves to undefined for what is not there. */
  find<T>(path: string, request?: KubeRequest): Promise<T | undefined>
  /** Where the objects of a kind live, from the server's discovery; undefined for a kind that it does not know. */
  resource(apiVersion: string, kind: string, signal?: AbortSignal): Promise<KubeResource | undefined>
}

export interface KubeResource {
  readonly namespaced: boolean
  path(namespace?: string, name?: string): string
}

/** What the API server answered instead of the result. */
export class KubeStatusError extends ClusterTestError {
  readonly statusCode: number
  /** Such as `NotFound`, `Conflict`, `Invalid`. */
  readonly reason: string

  constructor(method: string, path: string, statusCode: number, reason: string, message: string) {
    super('ERR_KUBE_REQUEST_FAILED', `The API server refused ${method} ${path}: ${message} (${statusCode} ${reason}).`)
    this.statusCode = statusCode
    this.reason = reason
    this.serverMessage = message
  }

  /** The server's own words, without ours around them. */
  readonly serverMessage: string
}

/** Opens no connection yet: the first request does. */
export function createKubeClient(kubeconfig: string): KubeClient {
  const config = new KubeConfig()
  config.loadFromString(kubeconfig)
  useTokenFiles(config, kubeconfig)
  const server = config.getCurrentCluster()?.server
  if (!server) throw new ClusterTestError('ERR_KUBE_UNREACHABLE', 'The kubeconfig has no current cluster.')
  const http = new IsomorphicFetchHttpLibrary()
  const discovery = new Map<string, Promise<ApiResourceList>>()

  async function send(method: string, path: string, { query, body, contentType, signal, timeout = 30_000 }: KubeRequest) {
    const url = new URL(server + path)
    for (const [name, value] of Object.entries(query ?? {})) {
      for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) url.searchParams.append(name, String(each))
    }
    const context = new RequestContext(url.href, HttpMethod[method as keyof typeof HttpMethod])
    if (body !== undefined) {
      context.setHeaderParam('Content-Type', contentType ?? 'application/json')
      context.setBody(JSON.stringify(body))
    }
    const silence = AbortSignal.timeout(timeout)
    context.setSignal(signal ? AbortSignal.any([signal, silence]) : silence)
    await config.applySecurityAuthentication(context)
    try {
      const response = await http.send(context).toPromise()
      return { status: response.httpStatusCode, text: await response.body.text() }
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      const why = silence.aborted
        ? `no answer within ${timeout} ms`
        : messageOf(error instanceof Error && error.cause ? error.cause : error)
      throw new ClusterTestError('ERR_KUBE_UNREACHABLE', `The API server at ${server} did not answer ${method} ${path}: ${why}.`, {
        cause: error,
      })
    }
  }

  async function requestText(method: string, path: string, request: KubeRequest = {}): Promise<string> {
    const { status, text } = await send(method, path, request)
    if (status >= 200 && status < 300) return text
    throw statusError(method, path, status, text)
  }

  async function request<T>(method: string, path: string, options?: KubeRequest): Promise<T> {
    return JSON.parse(await requestText(method, path, options)) as T
  }

  function find<T>(path: string, options?: KubeRequest): Promise<T | undefined> {
    return unlessAbsent(request<T>('GET', path, options))
  }

  async function resource(apiVersion: string, kind: string, signal?: AbortSignal): Promise<KubeResource | undefined> {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
    const look = async () => {
      const list = await whileWaiting(discovery.get(root) ?? remember(), signal)
      return list.resources.find((entry) => entry.kind === kind && !entry.name.includes('/'))
    }
    const remember = () => {
      // Others may wait for it too, and longer.
      const list = find<ApiResourceList>(root).then(
        (found) => found ?? { resources: [] },
        (error: unknown) => {
          discovery.delete(root)
          throw error
        },
      )
      discovery.set(root, list)
      return list
    }
    let found = await look()
    if (!found) {
      // A CustomResourceDefinition may have come since the list was read.
      discovery.delete(root)
      found = await look()
    }
    if (!found) return undefined
    const { name: plural, namespaced } = found
    return {
      namespaced,
      path: (namespace, name) =>
        root + (namespaced && namespace ? `/namespaces/${namespace}` : '') + `/${plural}` + (name ? `/${name}` : ''),
    }
  }

  const scope = config.getContextObject(config.getCurrentContext())?.namespace
  return { config, scope, request, requestText: (path, options) => requestText('GET', path, options), find, resource }
}

/** client-node knows tokens in files, which others renew, in its own way alone: as that of a pod (client-node 2.0). */
function useTokenFiles(config: KubeConfig, kubeconfig: string): void {
  if (!kubeconfig.includes('"tokenFile"')) return
  const { users } = JSON.parse(kubeconfig) as { users: readonly { name: string; user: { tokenFile?: string } }[] }
  for (const { name, user } of users) {
    const known = config.getUser(name)
    if (known && user.tokenFile !== undefined)
      Object.assign(known, { authProvider: { name: 'tokenFile', config: { tokenFile: user.tokenFile } } })
  }
}

/** Resolves to undefined where the API server answers that there is no such thing. */
export async function unlessAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}

/** Resolves also where an object is gone already, or is not the one that was meant any more. */
export async function unlessGone(deletion: Promise<unknown>): Promise<void> {
  try {
    await deletion
  } catch (error) {
    if (!hasStatus(error, 404, 409)) throw error
  }
}

/** Whether it is an answer of the API server with one of these codes. */
export function hasStatus(error: unknown, ...codes: readonly number[]): error is KubeStatusError {
  return error instanceof KubeStatusError && codes.includes(error.statusCode)
}

export function statusError(method: string, path: string, code: number, text: string): KubeStatusError {
  try {
    const status = JSON.parse(text) as { message?: string; reason?: string }
    return new KubeStatusError(method, path, code, status.reason ?? 'Unknown', status.message ?? text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return new KubeStatusError(method, path, code, 'Unknown', text.slice(0, 500) || 'no message')
  }
}

interface ApiResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[]
}
