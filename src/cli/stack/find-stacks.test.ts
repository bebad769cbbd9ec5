import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, expect, test } from 'vitest'

import { findStack } from './find-stacks.ts'

const root = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
afterAll(() => rm(root, { recursive: true }))

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, file)), { recursive: true })
  await writeFile(join(root, file), text)
}

await mkdir(join(root, '.git'))
await write('package.json', '{ "type": "module" }')
await write('shop/shop.stack.ts', `export const shop: object = { manifests: './k8s' }\nexport const port = 1\nexport default shop`)
await write('mail/stack.mts', `export default { services: {}, folder: '../k8s' }\nexport function manifests() {}`)
await write('other/shop.stack.js', `export const shop = { charts: {} }`)
await write('broken/bad.stack.ts', `export const bad = { images: ['./web'], agents: -1 }`)
await write('thrown/thrown.stack.ts', `throw new Error('no')`)
for (const folder of ['node_modules/a', 'dist', '.cache']) await write(`${folder}/x.stack.ts`, `export const x = { images: [] }`)

const find = async (wanted: string | undefined, folder: string) => {
  const { name, file, options } = await findStack(wanted, join(root, folder))
  return { name, file: file.slice(root.length + 1), folder: options.folder!.slice(root.length + 1) }
}

test('finds a stack by its export, its file, or as the only one', async () => {
  expect(await find('shop', 'shop')).toEqual({ name: 'shop', file: 'shop/shop.stack.ts', folder: 'shop' })
  expect(await find(undefined, 'mail')).toEqual({ name: 'mail', file: 'mail/stack.mts', folder: 'k8s' })
  expect(await find('mail/stack.mts', '.')).toEqual({ name: 'mail', file: 'mail/stack.mts', folder: 'k8s' })
  // Of the whole repository, where this folder has none of that name.
  expect(await find('mail', 'shop')).toEqual({ name: 'mail', file: 'mail/stack.mts', folder: 'k8s' })
})

test('says what there is', async () => {
  const message = async (wanted: string | undefined, folder: string) => {
    const error = await findStack(wanted, join(root, folder)).catch((thrown: Error) => thrown)
    return (error as Error).message.replaceAll(root, '')
  }
  expect(await message('nope', '.')).toMatch(/^Stack "bad" in |^".*thrown\.stack\.ts" cannot be loaded/)
  await rm(join(root, 'broken'), { recursive: true })
  await rm(join(root, 'thrown'), { recursive: true })
  expect(await message('nope', 'shop')).toBe(
    'There is no stack "nope".\nHint: There are "mail in /mail/stack.mts", "shop in /other/shop.stack.js" and "shop in /shop/shop.stack.ts".',
  )
  await write('empty/.git/x', '')
  expect(await message(undefined, 'empty')).toMatch(/^There is no stack here\.\nHint: A stack is what a file \*\.stack\.ts/)
  expect(await message('shop', '.')).toMatch(/^There are 2 stacks "shop": name the file\./)
  expect(await message(undefined, '.')).toMatch(/^There are 3 stacks: name one\./)
  await write('broken/bad.stack.ts', `export const bad = { images: ['./web'], agents: -1 }`)
  expect(await message('bad', 'broken')).toBe(
    'Stack "bad" in "/broken/bad.stack.ts": Expected option `agents` to be a non-negative integer, got -1 (number).',
  )
  await write('thrown/thrown.stack.ts', `throw new Error('no')`)
  expect(await message(undefined, 'thrown')).toBe('"/thrown/thrown.stack.ts" cannot be loaded: no')
  expect(await message('absent.stack.ts', '.')).toMatch(/^"\/absent\.stack\.ts" cannot be loaded: Cannot find module/)
})
