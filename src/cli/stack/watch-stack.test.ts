import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, expect, test } from 'vitest'

import { watchStack } from './watch-stack.ts'

const root = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
afterAll(() => rm(root, { recursive: true }))
const write = async (file: string, text = String(Math.random())) => {
  await mkdir(join(root, file, '..'), { recursive: true })
  await writeFile(join(root, file), text)
}

test('tells what has changed together, one time after the other, and nothing that is not of the stack', async () => {
  for (const file of [
    'orders/Dockerfile',
    'orders/src/a.ts',
    'orders/node_modules/x/index.js',
    'web/Dockerfile',
    'k8s/a.yaml',
    'rows.sql',
    'other.ts',
  ])
    await write(file)
  await write('orders/.dockerignore', 'dist')
  const told: (readonly string[])[] = []
  let busy = 0
  const request = {
    ...{ suite: 'shop', id: 'shop', file: join(root, 'shop.stack.ts'), folder: root, sources: [], bridged: [] },
    options: { images: ['./orders', './web'], manifests: './k8s', seed: { db: './rows.sql' } },
  }
  using _watch = await watchStack(request, {
    except: [join(root, 'web')],
    async onChange(files) {
      expect(++busy).toBe(1)
      told.push(files.map((file) => file.slice(root.length + 1)).toSorted())
      await sleep(300)
      busy--
    },
  })
  await write('orders/src/a.ts')
  await write('orders/src/new/b.ts')
  await write('k8s/a.yaml')
  for (const file of ['orders/node_modules/x/index.js', 'orders/dist/a.js', 'web/src/page.vue', 'other.ts']) await write(file)
  await expect.poll(() => told.flat(), { timeout: 10_000 }).toEqual(expect.arrayContaining(['k8s/a.yaml', 'orders/src/a.ts']))
  // As editors save: another file takes its place. While the first ones are still at work.
  await write('rows.sql.new')
  await rename(join(root, 'rows.sql.new'), join(root, 'rows.sql'))
  await expect.poll(() => told.at(-1), { timeout: 10_000 }).toEqual(['rows.sql'])
  await sleep(600)
  const all = new Set(told.flat())
  for (const file of all) expect(file).toMatch(/^(?:orders\/src|k8s|rows\.sql)/)
})
