import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { release, releaseNotes, repositoryOf } from './release.ts'

let folder: string
const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trim()
const read = (name: string) => readFile(join(folder, name), 'utf8')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'release-'))
  git('init', '--quiet')
  for (const [key, value] of Object.entries({ 'user.name': 'Ann', 'user.email': 'ann@example.com' })) git('config', key, value)
  git('remote', 'add', 'origin', 'git@github.com:example/tool.git')
  await writeFile(join(folder, 'package.json'), `${JSON.stringify({ name: 'tool', version: '0.1.0', license: 'MIT' }, null, 2)}\n`)
  await writeFile(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## [Unreleased]\n\n- The first thing.\n')
  git('add', '.')
  git('commit', '--quiet', '--message', 'Start')
})
afterAll(() => rm(folder, { recursive: true }))

test('a version is a commit and a tag, with links to the repository and the changelog of its own', async () => {
  await release(folder, '0.1.0', '2026-01-02')
  expect(git('status', '--porcelain')).toBe('')
  expect(git('describe', '--exact-match')).toBe('v0.1.0')
  expect(await read('CHANGELOG.md')).toBe('# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-02\n\n- The first thing.\n')
  expect(JSON.parse(await read('package.json'))).toEqual({
    ...{ name: 'tool', version: '0.1.0', license: 'MIT' },
    repository: { type: 'git', url: 'git+https://github.com/example/tool.git' },
    homepage: 'https://github.com/example/tool#readme',
    bugs: 'https://github.com/example/tool/issues',
  })
})

test('what cannot be released changes nothing', async () => {
  const head = git('rev-parse', 'HEAD')
  for (const version of ['0.1.0', '0.0.9', '1.2', 'v2.0.0', ''])
    await expect(release(folder, version), version).rejects.toThrow('later than 0.1.0')
  await expect(release(folder, '0.2.0')).rejects.toThrow('nothing below "## [Unreleased]"')
  await writeFile(join(folder, 'new.txt'), 'not committed')
  await expect(release(folder, '0.2.0')).rejects.toThrow('not committed')
  expect(git('rev-parse', 'HEAD')).toBe(head)
  expect(git('tag')).toBe('v0.1.0')
})

test('entries go below the version, and older versions stay', () => {
  const changelog = '# Changelog\n\n## [Unreleased]\n\n### Bridge\n\n- New.\n\n## [0.1.0] - 2026-01-02\n\n- Old.\n'
  expect(releaseNotes(changelog, '0.2.0', '2026-02-03')).toBe(
    '# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-02-03\n\n### Bridge\n\n- New.\n\n## [0.1.0] - 2026-01-02\n\n- Old.\n',
  )
})

test.for([
  'git@github.com:example/tool.git',
  'ssh://git@github.com/example/tool.git',
  'https://github.com/example/tool',
  'https://github.com/example/tool.git',
])('the repository of %s', (remote) => {
  expect(repositoryOf(remote)).toBe('https://github.com/example/tool')
})

test.for(['/srv/tool.git', 'https://git.example.com/example/tool.git', 'https://github.com/tool'])('%s is refused', (remote) => {
  expect(() => repositoryOf(remote)).toThrow('on GitHub')
})
