import { readFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')

test('the first code block of the README is the quickstart', async () => {
  const [, block] = /```ts\n(.*?)```/s.exec(await read('README.md')) ?? []
  const example = await read('examples/quickstart/orders.test.ts')
  const regions = [...example.matchAll(/\/\/ #region quickstart\S*\n(.*?)\n *\/\/ #endregion/gs)].map(([, text]) => text)
  expect(block).toBe(`${regions.join('\n')}\n`)
})

test('the docs have every error code, and no other', async () => {
  const declared = (await read('src/support/errors.ts')).match(/'ERR_\w+'/g)!.map((code) => code.slice(1, -1))
  const documented = (await read('docs/errors.md')).match(/`ERR_\w+`/g)!.map((code) => code.slice(1, -1))
  expect(documented.toSorted()).toEqual([...new Set(declared)].toSorted())
})

test('every file that the docs name exists', async () => {
  const named = (await read('docs/what-is-tested.md')).match(/`(?:src|examples)\/[\w./-]+`/g)!.map((path) => path.slice(1, -1))
  await expect(Promise.all([...new Set(named)].map(read))).resolves.toHaveLength(new Set(named).size)
})
