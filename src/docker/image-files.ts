import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'

import { type Header, extract } from 'tar-stream'

type Entry = AsyncIterable<Buffer> & { readonly header: Header }

/** A file of one layer of an image. */
export interface ImageFile {
  /** `app/node_modules/pg/package.json` */
  readonly path: string
  readonly size: number
  /** Of files that are asked for. */
  readonly content?: string
}

/**
 * Reads which files the layers of an image hold, from its archive as `docker save` writes it, whatever the engine's version:
 * layers are `<id>/layer.tar` before Docker 25, and `blobs/sha256/<digest>` since, among blobs that are JSON.
 * @param wants files whose text is needed
 */
export async function readImageFiles(archive: Readable, wants: (path: string) => boolean): Promise<readonly ImageFile[]> {
  const files: ImageFile[] = []
  await visitTar(archive, async (entry) => {
    const { name, type, size } = entry.header
    const mayBeLayer = type === 'file' && size >= 512 && (name.endsWith('/layer.tar') || name.startsWith('blobs/sha256/'))
    if (mayBeLayer) await readLayer(entry, (each) => describeFile(each, files, wants))
    else await drain(entry)
  })
  return files
}

/** A blob that is no archive, but a manifest or the configuration, is left out. */
async function readLayer(blob: Entry, visit: (entry: Entry) => Promise<void>): Promise<void> {
  const chunks = blob[Symbol.asyncIterator]()
  const { value: head = Buffer.alloc(0) } = (await chunks.next()) as { value?: Buffer }
  async function* all() {
    yield head
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
  }
  const isGzip = head[0] === 0x1f && head[1] === 0x8b
  if (isGzip) {
    const gunzip = createGunzip()
    await Promise.all([pipeline(Readable.from(all()), gunzip), visitTar(gunzip, visit)])
  } else if (head.subarray(257, 262).toString() === 'ustar') await visitTar(Readable.from(all()), visit)
  else for (let next = await chunks.next(); !next.done; next = await chunks.next());
}

async function describeFile(entry: Entry, files: ImageFile[], wants: (path: string) => boolean): Promise<void> {
  const { name, type, size } = entry.header
  const path = name.replace(/^(?:\.?\/)+/, '')
  const isWanted = type === 'file' && size < 1e6 && wants(path)
  const content = isWanted ? await text(entry) : await drain(entry)
  if (type === 'file') files.push({ path, size, ...(content === undefined ? {} : { content }) })
}

async function visitTar(source: Readable, visit: (entry: Entry) => Promise<void>): Promise<void> {
  const tar = extract()
  const entries = async () => {
    for await (const entry of tar) await visit(entry as unknown as Entry)
  }
  await Promise.all([pipeline(source, tar as unknown as NodeJS.WritableStream), entries()])
}

async function drain(entry: Entry): Promise<undefined> {
  for await (const _ of entry);
}
