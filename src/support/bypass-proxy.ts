import http from 'node:http'
import https from 'node:https'

type Env = Readonly<Record<string, string | undefined>>

/** What is always this machine. Ranges are for Node.js' own clients. */
const loopback = ['localhost', '127.0.0.1', '127.0.0.0-127.255.255.255', '::1', '[::1]']

/**
 * The variables that keep requests to loopback and to these hosts from a proxy; none where the environment has no proxy.
 * Clients read either spelling: where there are both, both are set.
 */
export function noProxyEnv(env: Env, hosts: readonly string[] = []): Readonly<Record<string, string>> {
  if (!['http_proxy', 'https_proxy', 'all_proxy'].some((name) => env[name] || env[name.toUpperCase()])) return {}
  const given = env['no_proxy'] ?? env['NO_PROXY'] ?? ''
  const entries = given.split(/[\s,]+/).filter(Boolean)
  const value = [...new Set([...entries, ...loopback, ...hosts])].join(',')
  return { NO_PROXY: value, ...(env['no_proxy'] !== undefined && { no_proxy: value }) }
}

/** What this process asks directly. Disposal gives back what there was. */
export interface ProxyBypass extends Disposable {
  /** These from now on, in place of those before. */
  update(hosts: readonly string[]): void
}

/** Of suites that run at the same time. */
const wanted = new Map<object, readonly string[]>()
let original: Original | undefined

/**
 * Lets this process ask loopback and these hosts directly. `fetch` and most packages read the variables with each request,
 * Node.js' agents once, when they are made: with NODE_USE_ENV_PROXY there are new ones.
 */
export function bypassProxy(hosts: readonly string[] = []): ProxyBypass {
  const update = (more: readonly string[]) => {
    wanted.set(bypass, more)
    original ??= readOriginal()
    apply(original, [...wanted.values()].flat())
  }
  const bypass: ProxyBypass = {
    update,
    [Symbol.dispose]() {
      wanted.delete(bypass)
      if (!original) return
      if (wanted.size > 0) return apply(original, [...wanted.values()].flat())
      setEnv(original.env)
      ;[http.globalAgent, https.globalAgent] = original.agents
      original = undefined
    },
  }
  update(hosts)
  return bypass
}

interface Original {
  readonly env: Env
  readonly agents: readonly [http.Agent, https.Agent]
}

function readOriginal(): Original {
  const { NO_PROXY, no_proxy } = process.env
  return { env: { NO_PROXY, no_proxy }, agents: [http.globalAgent, https.globalAgent] }
}

function apply({ env, agents }: Original, hosts: readonly string[]): void {
  const variables = noProxyEnv({ ...process.env, ...env }, hosts)
  setEnv({ ...env, ...variables })
  // Not in the types yet (@types/node 24).
  const [options, secure] = agents.map((agent) => (agent as unknown as { options: http.AgentOptions & { proxyEnv?: object } }).options)
  if (!options?.proxyEnv || !variables['NO_PROXY']) return
  http.globalAgent = new http.Agent(options)
  https.globalAgent = new https.Agent(secure)
}

function setEnv(env: Env): void {
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}
