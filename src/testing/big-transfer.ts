import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request as httpRequest } from 'node:http'

/** Bytes in each direction. */
const size = 1 << 30
const chunkSize = 1 << 20

/** `GET /` sends a gibibyte, `PUT /` answers the hash of what came. Listens on the address and port of its arguments. */
export const bigServerScript = `
const http = require('node:http'), crypto = require('node:crypto')
http.createServer(async (request, response) => {
  if (request.method === 'PUT') {
    const hash = crypto.createHash('sha256')
    for await (const chunk of request) hash.update(chunk)
    return response.end(hash.digest('hex'))
  }
  for (let i = 0; i < ${size / chunkSize}; i++) {
    const chunk = Buffer.alloc(${chunkSize}, 'city of bridges')
    chunk.writeUInt32BE(i)
    if (!response.write(chunk)) await require('node:events').once(response, 'drain')
  }
  response.end()
}).listen(Number(process.argv[1]), process.argv[2])`

function* chunks(): Generator<Buffer> {
  for (let i = 0; i < size / chunkSize; i++) {
    const chunk = Buffer.alloc(chunkSize, 'city of bridges')
    chunk.writeUInt32BE(i)
    yield chunk
  }
}

/** Of what the server sends and `upload` does. */
export function bigHash(): string {
  const hash = createHash('sha256')
  for (const chunk of chunks()) hash.update(chunk)
  return hash.digest('hex')
}

/** Resolves to the hash of what came. */
export async function download(url: string): Promise<string> {
  const [response] = (await once(httpRequest(url, { agent: false }).end(), 'response')) as [IncomingMessage]
  const hash = createHash('sha256')
  for await (const chunk of response) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** Resolves to the hash of what the server got. */
export async function upload(url: string): Promise<string> {
  const request = httpRequest(url, { method: 'PUT', agent: false })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  for (const chunk of chunks()) if (!request.write(chunk)) await once(request, 'drain')
  request.end()
  const [response] = await answered
  return (await response.setEncoding('utf8').toArray()).join('')
}

/** Resolves to the bytes by which the memory of each process was above its start at its highest, as the kernel counts it (proc(5), VmHWM). */
export async function measurePeaks(pids: readonly number[], work: () => Promise<void>): Promise<readonly number[]> {
  const read = async (pid: number, field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
  await Promise.all(pids.map((pid) => writeFile(`/proc/${pid}/clear_refs`, '5')))
  const before = await Promise.all(pids.map((pid) => read(pid, 'VmRSS')))
  await work()
  return Promise.all(pids.map(async (pid, index) => (await read(pid, 'VmHWM')) - before[index]!))
}
