import { buffer } from 'node:stream/consumers'

import { pack } from 'tar-stream'

import type { Container } from './docker.ts'

interface PutFile {
  readonly content: Buffer | string
  /** Permissions. */
  readonly mode: number
}

/** Writes files into a container, whether it runs or not. */
export async function putFiles(container: Pick<Container, 'putArchive'>, files: Readonly<Record<string, PutFile>>): Promise<void> {
  const archive = pack()
  for (const [path, { content, mode }] of Object.entries(files)) archive.entry({ name: path, mode }, content)
  archive.finalize()
  await container.putArchive(await buffer(archive), { path: '/' })
}
