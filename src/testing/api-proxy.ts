import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { type AddressInfo, type Server, type Socket, connect, createServer as createTcpServer } from 'node:net'

import { KubeConfig } from '../kube/client-node.ts'

/** A way to the API server on which bytes can stop. */
export interface StallingProxy extends AsyncDisposable {
  /** The cluster's, with the proxy's address. */
  readonly kubeconfig: string
  /** From now on the connections that are open pass no more bytes, and stay open. With `all`, neither do new ones. */
  stall(options?: { readonly all?: boolean }): void
  /** Connections of the client that are open. */
  readonly open: number
}

export async function startStallingProxy(kubeconfig: string): Promise<StallingProxy> {
  const { hostname, port } = new URL(serverOf(kubeconfig))
  const pairs = new Set<readonly [Socket, Socket]>()
  let isStalled = false
  const stop = (...sockets: readonly Socket[]) => {
    // Not paused: who does not read learns of no end.
    for (const socket of sockets) socket.unpipe().resume()
  }
  const server = createTcpServer((client) => {
    const upstream = connect(Number(port), hostname)
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const socket of pair) {
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        pairs.delete(pair)
        for (const each of pair) each.destroy()
      })
    }
    if (isStalled) return stop(...pair)
    client.pipe(upstream).pipe(client)
  })
  await listen(server)
  return {
    kubeconfig: withServer(kubeconfig, `https://127.0.0.1:${(server.address() as AddressInfo).port}`),
    stall({ all = false } = {}) {
      isStalled = all
      for (const pair of pairs) stop(...pair)
    },
    get open() {
      return pairs.size
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const [client, upstream] of pairs) {
        client.destroy()
        upstream.destroy()
      }
    },
  }
}

/** A way to the API server that ends watches as a server may. */
export interface WatchProxy extends AsyncDisposable {
  readonly kubeconfig: string
  /** What the client has asked for: `GET /api/v1/pods`, and `watch` with its version. */
  readonly requests: readonly string[]
  /** Ends the watches under way, as a server with a time-out does. */
  end(): void
  /** Ends the watches under way with what a server says that has forgotten their version. */
  expire(): void
}

export async function startWatchProxy(kubeconfig: string): Promise<WatchProxy> {
  const config = new KubeConfig()
  config.loadFromString(kubeconfig)
  const credentials = {}
  await config.applyToHTTPSOptions(credentials)
  const agent = new Agent(credentials)
  const requests: string[] = []
  const watches = new Set<{ readonly upstream: IncomingMessage; readonly response: ServerResponse }>()
  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url!, serverOf(kubeconfig))
    const isWatch = url.searchParams.has('watch')
    requests.push(isWatch ? `watch ${url.pathname} from ${url.searchParams.get('resourceVersion')}` : `${incoming.method} ${url.pathname}`)
    const upstream = httpsRequest(url, { agent, method: incoming.method, headers: { ...incoming.headers, host: url.host } }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.on('error', () => response.destroy())
      answer.pipe(response)
      const watch = { upstream: answer, response }
      if (isWatch) watches.add(watch)
      response.on('close', () => {
        watches.delete(watch)
        answer.destroy()
      })
    })
    upstream.on('error', () => response.destroy())
    incoming.pipe(upstream)
  })
  await listen(server)
  const endAll = (line = '') => {
    for (const { upstream, response } of watches) {
      upstream.unpipe(response)
      response.end(line)
    }
  }
  return {
    // client-node sends nothing without TLS unless it need not verify.
    kubeconfig: withServer(kubeconfig, `http://127.0.0.1:${(server.address() as AddressInfo).port}`).replace(
      /^(\s*)certificate-authority-data: .*$/m,
      '$1insecure-skip-tls-verify: true',
    ),
    requests,
    end: () => endAll(),
    expire: () =>
      endAll(
        `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'too old resource version' } })}\n`,
      ),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      agent.destroy()
    },
  }
}

function serverOf(kubeconfig: string): string {
  return /^\s*server: (\S+)$/m.exec(kubeconfig)![1]!
}

function withServer(kubeconfig: string, server: string): string {
  return kubeconfig.replace(/^(\s*server: )\S+$/m, `$1${server}`)
}

async function listen(server: Server | ReturnType<typeof createServer>): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}
