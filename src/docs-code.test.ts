import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { expect, test } from 'vitest'

import { runCommand } from './support/run-command.ts'

const root = join(import.meta.dirname, '..')

/**
 * The TypeScript of the docs, as a reader would paste it: modules, statements of a test, tests of a suite, or options of a stack.
 * `{ … }` is what the reader fills in. A first line such as `// stack/shop.ts` is the file that a block makes.
 */
test('the TypeScript of the docs compiles against the types of the package', { timeout: 120_000 }, async () => {
  const pages = ['README.md', ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
  // Inside of the package, where its own name and those of its dependencies resolve.
  await mkdir(join(root, 'node_modules/.docs'), { recursive: true })
  const folder = await mkdtemp(join(root, 'node_modules/.docs/'))
  try {
    let blocks = 0
    for (const page of pages) {
      const found = (await readFile(join(root, page), 'utf8')).matchAll(/^```ts\n(.*?)^```/gms)
      for (const [index, [, code]] of [...found].entries()) {
        const [, path = `block-${index + 1}.ts`] = /^\/\/ (\S+\.ts)\n/.exec(code!) ?? []
        const file = join(folder, page, path)
        await mkdir(dirname(file), { recursive: true })
        await writeFile(file, asModule(code!))
        blocks++
      }
    }
    expect(blocks).toBeGreaterThan(15)
    await symlink(join(root, 'examples'), join(folder, 'examples'))
    const compilerOptions = {
      ...{ noUnusedLocals: false, noUnusedParameters: false, preserveSymlinks: false },
      paths: { 'vitest-kubernetes': [join(root, 'src/index.ts')], 'vitest-kubernetes/plugin': [join(root, 'src/plugin/plugin.ts')] },
    }
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: pages.map((page) => `${page}/**/*.ts`), exclude: [] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const output = await runCommand(join(root, 'node_modules/.bin/tsc'), ['-p', folder]).then(
      () => '',
      (error: { output: string }) => error.output,
    )
    expect(output.replaceAll(/^.*node_modules\/\.docs\/[^/]+\//gm, '')).toBe('')
  } finally {
    await rm(folder, { recursive: true })
  }
})

const prelude = `import { type LocalServer, beforeEach, defineStack, describe, expect, postgres, rabbitmq, redis, service, test } from 'vitest-kubernetes'
declare const ordersApp: (options: object) => LocalServer
declare const app: LocalServer
declare const recorder: LocalServer
declare const sentMails: () => readonly object[]
`

function asModule(block: string): string {
  const code = block.replaceAll('{ … }', '{}')
  const suite = (body: string) => `${prelude}describe.withCluster('suite', { services: { db: postgres() } }, (test) => {\n${body}\n})`
  if (/^import /m.test(code)) return code
  if (code.startsWith('match:')) return suite(`test('', ({ cluster }) => cluster.disturb('deployment/orders', {\n${code}\n}))`)
  if (code.startsWith('bridge:')) return `${prelude}describe.withCluster('suite', {\n${code}\n}, () => {})`
  if (/^[\w'-]+:/.test(code)) return `${prelude}defineStack({\n${code}\n})`
  if (code.includes('describe.withCluster(')) return prelude + code
  return suite(/^test\b/m.test(code) ? code : `test('', async ({ cluster, request }) => {\n${code}\n})`)
}
