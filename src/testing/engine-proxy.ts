import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type Server, type Socket, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { connectDocker } from '../docker/docker.ts'

/** A way to the Docker engine that can go, as an engine does that is restarted: its socket, and all connections at once. */
export interface EngineProxy extends AsyncDisposable {
  /** For DOCKER_HOST. */
  readonly address: string
  stop(): Promise<void>
  /** Takes connections and what comes on them, and never answers: until it is stopped. */
  stall(): void
  start(): Promise<void>
}

export async function startEngineProxy(): Promise<EngineProxy> {
  const { engine } = await connectDocker()
  const { socketPath, host, port } = engine.modem as { socketPath?: string; host?: string; port?: number }
  const folder = await mkdtemp(join(tmpdir(), 'engine-'))
  const path = join(folder, 'docker.sock')
  const sockets = new Set<Socket>()
  let server: Server | undefined
  let isStalled = false
  const proxy: EngineProxy = {
    address: `unix://${path}`,
    async start() {
      server = createServer({ allowHalfOpen: true }, (client) => {
        if (isStalled) return void sockets.add(client.on('error', () => client.destroy()).resume())
        const upstream = connect({ ...(socketPath ? { path: socketPath } : { host, port: Number(port) }), allowHalfOpen: true })
        for (const socket of [client, upstream]) {
          sockets.add(socket)
          socket.on('error', () => socket.destroy())
          socket.on('close', () => {
            sockets.delete(socket)
            for (const each of [client, upstream]) each.destroy()
          })
        }
        client.pipe(upstream).pipe(client)
      })
      await once(server.listen(path), 'listening')
    },
    stall() {
      isStalled = true
      for (const socket of sockets) socket.unpipe().resume()
    },
    async stop() {
      isStalled = false
      const closed = once(server!, 'close')
      server!.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
    async [Symbol.asyncDispose]() {
      if (server?.listening) await proxy.stop()
      await rm(folder, { recursive: true })
    },
  }
  await proxy.start()
  return proxy
}
