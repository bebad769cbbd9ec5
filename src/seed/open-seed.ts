import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

import type { SeedFile } from './plan-seeds.ts'

/** A seed's content while it is read, unpacked where it is packed by gzip. */
export interface OpenSeed {
  /** Its first bytes, unpacked. */
  readonly start: Buffer
  readonly stream: AsyncIterable<Buffer>
}

/** Bytes of the file that have been read, and all of them. */
export type OnRead = (read: number, size: number) => void

/** Never holds more than some chunks in memory. */
export async function openSeed({ path }: SeedFile, onRead: OnRead = () => {}): Promise<OpenSeed> {
  const { size } = await stat(path)
  const file = createReadStream(path, { highWaterMark: 1 << 18 })
  let read = 0
  file.on('data', (chunk) => onRead((read += chunk.length), size))
  file.pause()
  const isPacked = (await firstBytes(path, 2)).equals(Buffer.from([0x1f, 0x8b]))
  // An error of either ends the other, and is thrown by the loop that reads.
  const stream = isPacked ? pipeline(file, createGunzip({ chunkSize: 1 << 18 }), () => {}) : file
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const first = await chunks.next()
  return {
    start: first.done ? Buffer.alloc(0) : first.value.subarray(0, 16),
    stream: (async function* () {
      try {
        if (first.done) return
        yield first.value
        for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
      } finally {
        stream.destroy()
      }
    })(),
  }
}

async function firstBytes(path: string, count: number): Promise<Buffer> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(count), 0, count, 0)
  return buffer.subarray(0, bytesRead)
}
