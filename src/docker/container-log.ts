import { PassThrough, Readable } from 'node:stream'

import type { Docker } from './docker.ts'

/** What a container prints, both outputs; goes on until it ends when it follows. */
export async function streamContainerLog(
  docker: Docker,
  container: string,
  { tail, follow }: { readonly tail: number | undefined; readonly follow: boolean },
): Promise<Readable> {
  const target = docker.engine.getContainer(container)
  const options = { stdout: true, stderr: true, ...(tail === undefined ? {} : { tail }) }
  // dockerode gives all at once unless it follows.
  const raw = follow
    ? ((await target.logs({ ...options, follow: true })) as unknown as Readable)
    : Readable.from(inPieces(await target.logs({ ...options, follow: false })))
  const both = new PassThrough()
  docker.engine.modem.demuxStream(raw, both, both)
  raw.once('end', () => both.end())
  raw.once('error', (error) => both.destroy(error))
  return both
}

/** docker-modem takes a piece apart by recursion, line by line: a large one would exceed the stack (docker-modem 5.0). */
function* inPieces(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += 16_384) yield bytes.subarray(start, start + 16_384)
}
