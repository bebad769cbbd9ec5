import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'

import { extract } from 'tar-stream'

/** A registry with one image, for whoever has the password: the part of the distribution API that a pull needs. */
export interface TestRegistry extends AsyncDisposable {
  /** `localhost:5000` */
  readonly host: string
  /** Of the image's manifest. */
  readonly digest: string
}

/** @param archive of one image, as `docker save` writes it @param credentials `user:password` */
export async function startRegistry(archive: Readable, name: string, credentials: string): Promise<TestRegistry> {
  const { blobs, manifest, digest } = await readImage(archive)
  const server = createServer((request, response) => {
    response.setHeader('docker-distribution-api-version', 'registry/2.0')
    if (request.headers.authorization !== `Basic ${Buffer.from(credentials).toString('base64')}`) {
      const body = { errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }
      return response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end(JSON.stringify(body))
    }
    const blob = blobs.get(request.url!.replace(`/v2/${name}/blobs/`, ''))
    const isManifest = request.url!.startsWith(`/v2/${name}/manifests/`)
    const body = isManifest ? manifest : blob
    if (request.url === '/v2/') return response.end('{}')
    if (!body) return response.writeHead(404).end(JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN' }] }))
    response.writeHead(200, {
      'content-type': isManifest ? mediaType('manifest.v2') : 'application/octet-stream',
      'content-length': body.length,
      'docker-content-digest': isManifest ? digest : digestOf(body),
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    digest,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function readImage(archive: Readable) {
  const files = new Map<string, Buffer>()
  const tar = extract()
  archive.pipe(tar)
  for await (const entry of tar) files.set(entry.header.name, await buffer(Readable.from(entry as AsyncIterable<Buffer>)))
  const [{ Config, Layers }] = JSON.parse(files.get('manifest.json')!.toString()) as [{ Config: string; Layers: readonly string[] }]
  const config = files.get(Config)!
  const layers = Layers.map((name) => gzipSync(files.get(name)!, { level: 1 }))
  const describe = (type: string, bytes: Buffer) => ({ mediaType: mediaType(type), size: bytes.length, digest: digestOf(bytes) })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaType('manifest.v2'),
      config: describe('container.image.v1', config),
      layers: layers.map((layer) => ({ ...describe('', layer), mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' })),
    }),
  )
  return { blobs: new Map([config, ...layers].map((blob) => [digestOf(blob), blob])), manifest, digest: digestOf(manifest) }
}

function mediaType(type: string): string {
  return type === 'manifest.v2' ? 'application/vnd.docker.distribution.manifest.v2+json' : `application/vnd.docker.${type}+json`
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
