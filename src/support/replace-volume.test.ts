import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { replaceVolume } from './replace-volume.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'volume-'))))
afterEach(() => rm(folder, { recursive: true }))

/** As kubelet writes it. */
async function volume(name: string, version: string, files: Readonly<Record<string, string>>): Promise<string> {
  const root = join(folder, name)
  await mkdir(join(root, version), { recursive: true })
  await symlink(version, join(root, '..data'))
  for (const [key, text] of Object.entries(files)) {
    await writeFile(join(root, version, key), text)
    await symlink(join('..data', key), join(root, key))
  }
  return root
}

test('keys that are gone go, new ones come, and what else is in the folder stays', async () => {
  const target = await volume('target', '..1', { a: 'old', gone: 'old' })
  await writeFile(join(target, 'own'), 'of the program')
  await replaceVolume(await volume('source', '..2', { a: 'new', b: 'new' }), target)
  expect((await readdir(target)).toSorted()).toEqual(['..2', '..data', 'a', 'b', 'own'])
  expect(await readFile(join(target, 'a'), 'utf8')).toBe('new')
})

test('whoever reads meanwhile sees no old file after a new one, and each file at every moment', async () => {
  const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`)
  const files = (text: string) => Object.fromEntries(keys.map((key) => [key, text]))
  const target = await volume('target', '..0', files('0'))
  let isOver = false
  const seen: string[] = []
  const reading = (async () => {
    for (let index = 0; !isOver; index++) seen.push(await readFile(join(target, keys[index % keys.length]!), 'utf8'))
  })()
  for (let version = 1; version <= 5; version++)
    await replaceVolume(await volume(`source-${version}`, `..${version}`, files(String(version))), target)
  isOver = true
  await reading
  expect(seen).toEqual(seen.toSorted((a, b) => Number(a) - Number(b)))
})
