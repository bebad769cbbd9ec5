import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { extract } from 'tar-stream'
import { expect, test } from 'vitest'

import { runCommand } from '../support/run-command.ts'
import { listContext, packContext } from './build-context.ts'
import { basesOf } from './build-image.ts'

test('lists what .dockerignore leaves, folders included', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
  try {
    for (const path of ['a.txt', 'docs/a.md', 'docs/keep/b.md', 'src/deep/x.test.ts', 'src/index.ts', 'src/temp/y']) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), '')
    }
    await mkdir(join(folder, 'empty'))
    const list = (rules: string) => listContext(folder, rules)
    expect(await list('')).toHaveLength(12)
    expect(await list('docs\n!docs/keep\n**/*.test.ts\n/src/temp/\n')).toEqual([
      'a.txt',
      'docs/keep',
      'docs/keep/b.md',
      'empty',
      'src',
      'src/deep',
      'src/index.ts',
    ])
    const left = [join(folder, 'docs/keep'), join(folder, 'a.txt'), join(folder, 'src')]
    expect(await listContext(folder, '!a.txt', left)).toEqual(['docs', 'docs/a.md', 'empty'])
    expect(await list('# a comment\n\n*\n!*.txt\n')).toEqual(['a.txt'])
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('knows the images that a Dockerfile begins with', () => {
  const dockerfile =
    'ARG BASE=x\nFROM --platform=linux/amd64 node:24 AS build\nFROM build\nFROM $BASE\nFROM scratch\nfrom redis:8 as Cache\nFROM cache\nFROM node:24\n'
  expect(basesOf(dockerfile)).toEqual(['node:24', 'redis:8'])
})

test('hard links, named pipes and links go to the engine as the Docker CLI sends them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
  try {
    await writeFile(join(folder, 'a'), 'content')
    await link(join(folder, 'a'), join(folder, 'b'))
    await symlink('a', join(folder, 'c'))
    await runCommand('mkfifo', [join(folder, 'd')])
    const found: (string | undefined)[][] = []
    const tar = extract()
    ;(await packContext(folder, 'Dockerfile', 'FROM scratch')).pipe(tar)
    for await (const entry of tar) {
      const { name, type, linkname, size } = entry.header
      found.push([name, type, linkname ?? undefined, String(size)])
      entry.resume()
    }
    expect(found.slice(0, -2).toSorted((a, b) => String(a[0]).localeCompare(String(b[0])))).toEqual([
      ['a', 'file', undefined, '7'],
      ['b', 'link', 'a', '0'],
      ['c', 'symlink', 'a', '0'],
      ['d', 'fifo', undefined, '0'],
    ])
  } finally {
    await rm(folder, { recursive: true })
  }
})
