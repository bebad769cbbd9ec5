import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

import type { Identity } from './tls.ts'

export interface ChartRegistry extends AsyncDisposable {
  /** `localhost:5000` */
  readonly host: string
}

/** A registry that `helm push` and `helm pull` can use: the part of the distribution API that they need, in memory. */
export async function startChartRegistry(identity: Identity): Promise<ChartRegistry> {
  const blobs = new Map<string, Buffer>()
  const manifests = new Map<string, { readonly type: string; readonly body: Buffer }>()

  const unknown = Buffer.from(JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN', message: 'repository name not known to registry' }] }))
  const answer = async (request: IncomingMessage): Promise<readonly [number, Record<string, string>, Buffer?]> => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'https://localhost')
    const [, name, kind, reference = ''] = /^\/v2\/(.+)\/(blobs|manifests|tags)\/(.+)$/.exec(pathname) ?? []
    if (request.method === 'POST') return [202, { location: `${pathname}${randomUUID()}` }]
    if (request.method === 'PUT') {
      const body = await buffer(request)
      const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
      if (kind === 'blobs') blobs.set(searchParams.get('digest')!, body)
      else for (const key of [reference, digest]) manifests.set(`${name}@${key}`, { type: request.headers['content-type']!, body })
      return [201, { location: pathname, 'docker-content-digest': digest }]
    }
    if (kind === 'tags') {
      const tags = [...manifests.keys()].flatMap((key) => (key.startsWith(`${name}@`) && !key.includes('sha256:') ? key.split('@')[1] : []))
      const body = Buffer.from(JSON.stringify({ name, tags }))
      return tags.length > 0 ? [200, { 'content-type': 'application/json' }, body] : [404, {}, unknown]
    }
    const manifest = kind === 'manifests' ? manifests.get(`${name}@${reference}`) : undefined
    const body = kind === 'blobs' ? blobs.get(reference) : manifest?.body
    if (!body) return [404, {}, unknown]
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
    return [200, { 'content-type': manifest?.type ?? 'application/octet-stream', 'docker-content-digest': digest }, body]
  }

  const server = createServer(identity, async (request, response) => {
    const [status, headers, body = Buffer.alloc(0)] = await answer(request)
    response.writeHead(status, { ...headers, 'content-length': body.length })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
