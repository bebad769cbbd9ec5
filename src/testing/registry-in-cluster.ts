import { once } from 'node:events'
import { connect, createServer } from 'node:net'

import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'

/**
 * The part of the distribution API that pushes and pulls need, in a pod that listens on its node's own addresses: what is called
 * `localhost:5000` there, which nodes pull from without TLS, is called so on this machine too while this runs.
 */
export async function startRegistryInCluster(cluster: TestCluster, port: number): Promise<AsyncDisposable> {
  const container = {
    name: 'registry',
    image: 'node:24-slim',
    command: ['node', '-e', script],
    env: [{ name: 'PORT', value: String(port) }],
  }
  const readinessProbe = { httpGet: { path: '/v2/', port }, periodSeconds: 1 }
  const spec = { hostNetwork: true, terminationGracePeriodSeconds: 0, containers: [{ ...container, readinessProbe }] }
  await cluster.apply([{ apiVersion: 'v1', kind: 'Pod', metadata: { name: `registry-${port}` }, spec }])
  const { NetworkSettings } = await (await connectDocker()).engine.getContainer(`k3d-${cluster.name}-server-0`).inspect()
  const host = NetworkSettings.Networks[cluster.name]!.IPAddress
  const server = createServer((socket) => {
    const other = connect({ host, port })
    for (const each of [socket, other]) each.on('error', () => each.destroy())
    socket.pipe(other).pipe(socket)
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')
  return { [Symbol.asyncDispose]: async () => void server.close() }
}

const script = `
const { createHash, randomUUID } = require('node:crypto')
const blobs = new Map()
const uploads = new Map()
const digestOf = (bytes) => 'sha256:' + createHash('sha256').update(bytes).digest('hex')
require('node:http').createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part)).on('end', () => {
    const body = Buffer.concat(parts)
    const { pathname, searchParams } = new URL(request.url, 'http://registry')
    const answer = (status, headers = {}, content) => response.writeHead(status, headers).end(content)
    const [, name, kind, id] = /^\\/v2\\/(.+)\\/(blobs\\/uploads|blobs|manifests)\\/(.*)$/.exec(pathname) ?? []
    if (!kind) return answer(pathname === '/v2/' ? 200 : 404)
    if (kind === 'blobs/uploads') {
      const upload = id || randomUUID()
      const bytes = Buffer.concat([uploads.get(upload) ?? Buffer.alloc(0), body])
      uploads.set(upload, bytes)
      if (request.method === 'PUT') {
        blobs.set(searchParams.get('digest'), { bytes })
        return answer(201, { location: '/v2/' + name + '/blobs/' + searchParams.get('digest'), 'docker-content-digest': searchParams.get('digest') })
      }
      return answer(202, { location: '/v2/' + name + '/blobs/uploads/' + upload, range: '0-' + Math.max(0, bytes.length - 1), 'docker-upload-uuid': upload })
    }
    if (request.method === 'PUT') {
      const entry = { bytes: body, type: request.headers['content-type'] }
      blobs.set(digestOf(body), entry)
      blobs.set(name + ':' + id, entry)
      return answer(201, { 'docker-content-digest': digestOf(body) })
    }
    const found = blobs.get(id) ?? blobs.get(name + ':' + id)
    if (!found) return answer(404, { 'content-type': 'application/json' }, JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN' }] }))
    const headers = { 'content-type': found.type ?? 'application/octet-stream', 'content-length': found.bytes.length, 'docker-content-digest': digestOf(found.bytes) }
    answer(200, headers, request.method === 'HEAD' ? undefined : found.bytes)
  })
}).listen(Number(process.env.PORT), '0.0.0.0')
`
