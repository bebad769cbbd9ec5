import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { runCli } from '../run-cli.ts'

async function repository(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return folder
}

async function init(cwd: string, ...args: readonly string[]) {
  const out: string[] = []
  const err: string[] = []
  const exitCode = await runCli(['init', ...args], { print: (line) => out.push(line), note: (line) => err.push(line), env: {}, cwd })
  return { exitCode, out: out.join('\n'), err: err.join('\n') }
}

const workspaces = {
  'package.json': '{ "workspaces": ["services/*"], "devDependencies": { "vitest": "^5", "vitest-kubernetes": "^0.1" } }',
  'tsconfig.json': '{}',
  'vitest.config.ts': `import { defineConfig } from 'vitest/config'\n\nexport default defineConfig({ test: { globals: true } })\n`,
  'services/orders/package.json': '{ "dependencies": { "pg": "^8" } }',
  'services/orders/Dockerfile': 'FROM node:24-slim\n',
  'services/orders/.dockerignore': 'node_modules\n',
  'services/orders/node_modules/x/Dockerfile': 'FROM scratch\n',
  'k8s/orders.yaml': 'apiVersion: apps/v1\nkind: Deployment\n',
  'k8s/base/kustomization.yaml': 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n',
  'charts/web/Chart.yaml': 'apiVersion: v2\nname: web\n',
  'charts/web/templates/web.yaml': 'apiVersion: apps/v1\nkind: Deployment\n',
  'compose.yaml': 'services:\n  cache:\n    image: redis:8\n',
  '.gitignore': 'node_modules',
}

test('sets up a repository from what it has', async () => {
  const folder = await repository(workspaces)
  const read = (path: string) => readFile(join(folder, path), 'utf8')
  const { exitCode, out } = await init(folder, '--yes')
  expect(exitCode).toBe(0)
  expect(out).toMatchInlineSnapshot(`
    "Found:
      images     "services/orders"
      manifests  "k8s"
      Kustomize  "k8s/base"
      charts     "charts/web"
      services   "postgres" and "redis"

    Files:
      change  vitest.config.ts               adds the plugin; templates: prepared clusters are kept for later runs, 20 GB at most
      create  test/cluster/first.test.ts     a first suite
      change  .gitignore                     keeps reports out of Git
      change  services/orders/.dockerignore  keeps builds small

    Wrote 4 files.

    Next:
      npx vitest-kubernetes doctor   # checks Docker, k3d and this machine
      npx vitest run test/cluster/first"
  `)
  expect(await read('test/cluster/first.test.ts')).toMatchInlineSnapshot(`
    "import { describe, expect, postgres, redis } from 'vitest-kubernetes'

    describe.withCluster(
      'first',
      {
        services: { db: postgres(), cache: redis() },
        // What this repository has besides: uncomment it to run it too.
        // images: ['../../services/orders'],
        // manifests: ['../../k8s'],
        // kustomize: '../../k8s/base',
        // charts: { web: '../../charts/web' },
      },
      (test) => {
        test('the database answers', async ({ cluster }) => {
          expect(await cluster.sql('db', 'select 1 as one')).toEqual([{ one: 1 }])
        })
      },
    )
    "
  `)
  expect(await read('vitest.config.ts')).toContain(
    'defineConfig({\n  plugins: [kubernetes({ templates: true })], test: { globals: true } })',
  )
  expect(await read('.gitignore')).toBe('node_modules\n.vitest/\n')
  expect(await read('services/orders/.dockerignore')).toBe('node_modules\n.git\n.vitest\n')
  expect((await init(folder, '--yes')).out).toMatch(/^\n?Found:[\s\S]*Nothing to do/)
})

test('never overwrites, and writes nothing unless it may', async () => {
  const folder = await repository({ 'package.json': '{}', 'test/cluster/first.test.js': '// mine' })
  expect(await init(folder)).toMatchObject({
    exitCode: 2,
    err: 'Nobody can be asked: standard input is not a terminal.\nHint: Pass --yes to write the files, or --dry-run to see what would be written.',
  })
  expect((await init(folder, '--dry-run')).out).toContain('create  vitest.config.mjs')
  await expect(readFile(join(folder, 'vitest.config.mjs'))).rejects.toThrow('ENOENT')
  const { changes, next } = JSON.parse((await init(folder, '--json')).out) as {
    changes: readonly { path: string }[]
    next: readonly string[]
  }
  expect(changes.map(({ path }) => path)).toEqual(['vitest.config.mjs', '.gitignore'])
  expect(next[0]).toBe('npm install --save-dev vitest vitest-kubernetes')
  expect(await readFile(join(folder, 'test/cluster/first.test.js'), 'utf8')).toBe('// mine')
})

test('names a folder that is no repository', async () => {
  expect(await init('/', 'absent')).toMatchObject({
    exitCode: 2,
    err: expect.stringMatching(/^There is no package\.json in "\/absent"\./) as string,
  })
})
