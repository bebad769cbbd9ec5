import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { zstdCompressSync } from 'node:zlib'

import { pack } from 'tar-stream'
import { expect, onTestFinished, test } from 'vitest'

import type { Docker } from '../../docker/docker.ts'
import { createOwner } from '../ownership/owner.ts'
import { importTemplate } from './template-file.ts'

const description = { key: 'a'.repeat(24), name: 'orders', nodes: [{ hostname: 'k3d-orders-server-0', image: 'rancher/k3s' }] }

test.each([
  ['a name that commands the terminal', { ...description, name: 'orders\u001b[2J' }],
  ['no name', { ...description, name: '' }],
  ['a key that is none', { ...description, key: '../../etc' }],
  ['a hostname with a path', { ...description, nodes: [{ ...description.nodes[0], hostname: '../etc' }] }],
  ['no nodes', { ...description, nodes: [] }],
])('a file is refused for %s, before Docker is asked for anything', async (_, described) => {
  const folder = await mkdtemp(join(tmpdir(), 'template-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const archive = pack()
  archive.entry({ name: 'template.json' }, JSON.stringify(described))
  archive.finalize()
  const file = join(folder, 'orders.tar.zst')
  await writeFile(file, zstdCompressSync(await buffer(archive)))
  const options = { owner: createOwner(), signal: AbortSignal.timeout(5_000) }
  await expect(importTemplate({} as Docker, file, options)).rejects.toMatchObject({
    code: 'ERR_TEMPLATE_INVALID',
    message: expect.stringContaining('its description is none of a template') as string,
  })
})
