import { mkdir, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import { pack } from 'tar-fs'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { extractArchive } from './extract-archive.ts'

let parent: string
let folder: string

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'extract-'))
  folder = join(parent, 'root')
  await mkdir(folder)
})
afterEach(() => rm(parent, { recursive: true }))

interface Entry {
  readonly name: string
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'fifo'
  readonly linkname?: string
  readonly mode?: number
  readonly text?: string
}

function archive(...entries: readonly Entry[]): Readable {
  const tar = pack(folder, { entries: [], finalize: false })
  for (const { text = '', ...header } of entries) tar.entry(header, text)
  tar.finalize()
  return Readable.from(tar)
}

const read = (path: string) => readFile(join(folder, path), 'utf8')

test('puts files at their paths, readable by their owner alone whatever their mode was', async () => {
  await extractArchive(
    archive({ name: './etc/settings', type: 'directory', mode: 0o555 }, { name: './etc/settings/a.json', mode: 0, text: '{}' }),
    folder,
  )
  expect(await read('etc/settings/a.json')).toBe('{}')
  expect((await stat(join(folder, 'etc/settings/a.json'))).mode & 0o400).toBe(0o400)
  expect(await readdir(parent)).toEqual(['root'])
})

test('replaces a file that nobody may write to, and leaves the others', async () => {
  await extractArchive(archive({ name: 'a', mode: 0o400, text: '1' }, { name: 'b', text: '2' }), folder)
  await extractArchive(archive({ name: 'a', mode: 0o400, text: '3' }), folder)
  expect([await read('a'), await read('b')]).toEqual(['3', '2'])
})

test('links lead to where they did in the container, also through each other', async () => {
  await extractArchive(
    archive(
      { name: 'data/v1', type: 'directory' },
      { name: 'data/v1/file', text: 'v1' },
      { name: 'data/current', type: 'symlink', linkname: '/data/v1' },
      { name: 'data/latest', type: 'symlink', linkname: 'current' },
      { name: 'data/above', type: 'symlink', linkname: '../../../../data/v1/file' },
      { name: 'data/same', type: 'link', linkname: 'data/v1/file' },
    ),
    folder,
  )
  for (const path of ['data/current/file', 'data/latest/file', 'data/above', 'data/same']) expect(await read(path), path).toBe('v1')
})

test('leaves out what is no file, folder or link', async () => {
  await extractArchive(archive({ name: 'pipe', type: 'fifo' }, { name: 'file', text: '1' }), folder)
  expect(await readdir(folder)).toEqual(['file'])
})

const outside = { name: 'x', text: 'outside' }

test.for([
  ['a path with ..', [{ ...outside, name: '../../evil' }]],
  ['an absolute path', [{ ...outside, name: '/evil' }]],
  [
    'a file through a link',
    [
      { name: 'out', type: 'symlink', linkname: '../..' },
      { ...outside, name: 'out/evil' },
    ],
  ],
  [
    'a file through a link to a link',
    [
      { name: 'a', type: 'symlink', linkname: '..' },
      { name: 'b', type: 'symlink', linkname: 'a/..' },
      { ...outside, name: 'b/evil' },
    ],
  ],
  [
    'a file in place of a link',
    [
      { name: 'evil', type: 'symlink', linkname: '/../../evil' },
      { ...outside, name: 'evil' },
    ],
  ],
  [
    'a folder in place of a link',
    [
      { name: 'out', type: 'symlink', linkname: '..' },
      { name: 'out', type: 'directory' },
      { ...outside, name: 'out/evil' },
    ],
  ],
] as const)('%s writes nothing outside', async ([, entries]) => {
  const refused = await extractArchive(archive(...entries), folder).catch((error: Error) => error.message)
  expect(refused ?? '').toMatch(/^$|is not a valid path$/)
  expect(await readdir(parent)).toEqual(['root'])
  expect(await readdir(tmpdir())).not.toContain('evil')
})

test('no link shows a file from outside', async () => {
  const secret = join(parent, 'secret')
  await mkdir(secret)
  const links = [
    { name: 'absolute', type: 'symlink', linkname: secret },
    { name: 'deep/relative', type: 'symlink', linkname: '../../secret' },
  ] as const
  await extractArchive(archive(...links), folder)
  for (const { name } of links) await expect(stat(join(folder, name))).rejects.toThrow('ENOENT')
  await expect(extractArchive(archive({ name: 'hard', type: 'link', linkname: '../secret' }), folder)).rejects.toThrow(
    'not a valid hardlink',
  )
})
