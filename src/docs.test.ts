import { glob, readFile, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { expect, test } from 'vitest'

import { commands } from './cli/commands.ts'

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')

test('the first code block of the README is the quickstart', async () => {
  const [, block] = /```ts\n(.*?)```/s.exec(await read('README.md')) ?? []
  const example = await read('examples/quickstart/orders.test.ts')
  const regions = [...example.matchAll(/\/\/ #region quickstart\S*\n(.*?)\n *\/\/ #endregion/gs)].map(([, text]) => text)
  expect(block).toBe(`${regions.join('\n')}\n`)
})

test('the suite of the getting-started page is the example', async () => {
  const [, region] = /\/\/ #region suite\n(.*?)\/\/ #endregion/s.exec(await read('examples/getting-started/orders.test.ts'))!
  expect(await read('docs/getting-started.md')).toContain(`\`\`\`ts\n${region}\`\`\``)
})

test('the docs have every error code, and no other', async () => {
  const declared = (await read('src/support/errors.ts')).match(/'ERR_\w+'/g)!.map((code) => code.slice(1, -1))
  const documented = (await read('docs/errors.md')).match(/`ERR_\w+`/g)!.map((code) => code.slice(1, -1))
  expect(documented.toSorted()).toEqual([...new Set(declared)].toSorted())
})

test('docs/cli.md names no option that no command has', async () => {
  const known = ['--json', '--help', ...Object.values(commands).flatMap(({ options = {} }) => longFlags(Object.keys(options).join(' ')))]
  // Those of other programs.
  const own = (await read('docs/cli.md')).split('\n').filter((line) => !/kubelet-arg|npm install/.test(line))
  expect(longFlags(own.join('\n')).filter((flag) => !known.includes(flag))).toEqual([])
})

function longFlags(text: string): readonly string[] {
  return text.match(/(?<![\w-])--[a-z][\w-]*/g) ?? []
}

test('every file that the docs name exists', async () => {
  const named = (await read('docs/what-is-tested.md')).match(/`(?:src|examples)\/[\w./-]+`/g)!.map((path) => path.slice(1, -1))
  await expect(Promise.all([...new Set(named)].map(read))).resolves.toHaveLength(new Set(named).size)
})

test('the architecture page lists the folders of src, in the order that the linter enforces', async () => {
  const entries = await readdir(new URL('.', import.meta.url), { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== 'testing').map(({ name }) => name)
  const [, rooms] = /## Rooms\n(.*?)\n## /s.exec(await read('docs/architecture.md'))!
  const listed = [...rooms!.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!)
  expect(listed.toSorted()).toEqual(folders.toSorted())
  const [, enforced] = /const rooms = \[(.*?)\]/s.exec(await read('oxlint.config.ts'))!
  expect(listed).toEqual([...enforced!.matchAll(/'(\w+)'/g)].map(([, name]) => name))
})

test('every link between the pages leads to a file and a heading that exist', async () => {
  const pages = await Array.fromAsync(glob('{*.md,docs/*.md,fixtures/**/*.md,examples/*/*.md}', { cwd: new URL('..', import.meta.url) }))
  expect(pages.length).toBeGreaterThan(20)
  const broken: string[] = []
  for (const page of pages) {
    const text = (await read(page)).replaceAll(/```.*?```|`[^`\n]*`/gs, '')
    for (const [, target = ''] of text.matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)) {
      const [path, heading] = target.split('#') as [string, string?]
      const file = path === '' ? page : join(dirname(page), path)
      const content = await readText(file)
      if (content === undefined || (heading && !anchorsOf(content).includes(heading))) broken.push(`${page}: ${target}`)
    }
  }
  expect(broken).toEqual([])
})

/** undefined if there is no such file; '' for a folder. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await read(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EISDIR') return ''
    if (code === 'ENOENT') return undefined
    throw error
  }
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): readonly string[] {
  const headings = page.matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, text]) =>
    text!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
