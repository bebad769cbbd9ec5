import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { expect, expectTypeOf, test } from 'vitest'

import { postgres } from '../stack/services/postgres.ts'
import { describe } from '../suite/describe.ts'
import { defineStack } from './define-stack.ts'

test('paths are relative to the file that defines the stack', () => {
  expect(defineStack({ manifests: './k8s' })).toEqual({ manifests: './k8s', folder: import.meta.dirname })
})

test('a module that Node.js itself loads is found as well', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stack with space-'))
  try {
    const module = pathToFileURL(join(import.meta.dirname, 'define-stack.ts')).href
    writeFileSync(
      join(folder, 'stack.mjs'),
      `import { defineStack } from '${module}'\nexport const stack = defineStack({})\nconsole.log(stack.folder)`,
    )
    expect(execFileSync(process.execPath, [join(folder, 'stack.mjs')], { encoding: 'utf8' }).trim()).toBe(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a folder of its own is kept', () => {
  expect(defineStack({ folder: '/srv/shop' }).folder).toBe('/srv/shop')
})

test('what cannot be meant is refused where it stands', () => {
  const notAPath = 1 as unknown as string
  expect(() => defineStack({ manifests: [notAPath] })).toThrowErrorMatchingInlineSnapshot(
    `[ClusterTestError: Expected option \`manifests[0]\` to be a path, a glob or an object, got 1 (number).]`,
  )
  expect(() => defineStack({ services: { db: {} as never } })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Service "db" of option \`services\` is not a service: {}.
    Hint: Create it with postgres(), mariadb(), mysql(), redis(), rabbitmq(), nats(), mongodb(), kafka() or service({ image, port }).]
  `)
  expect(() => defineStack({ services: { Db: postgres() } })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Service "Db" of option \`services\` has a name that is not valid for a Kubernetes Service.
    Hint: Names consist of lower-case letters, digits and "-", start with a letter, and have at most 52 characters.]
  `)
  expect(() => defineStack({ services: { db: postgres() }, seed: { bd: './a.sql' } })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: "bd" is neither a service of the stack nor a workload.
    Hint: Services are "db"; a workload is written "kind/name", for example "deployment/orders".]
  `)
})

test.each([
  [{ manifest: './k8s' }, 'manifests'],
  [{ image: ['./orders'] }, 'images'],
  [{ setupTimeuot: 1 }, 'setupTimeout'],
  [{ bridges: {} }, 'bridge'],
] as const)('a slip of the pen is refused: %o', (options, meant) => {
  const refused = expect.objectContaining({ code: 'ERR_OPTIONS_INVALID', hint: `Did you mean \`${meant}\`?` })
  expect(() => defineStack(options as object)).toThrow(refused)
  expect(() => describe.withCluster('shop', options as object, () => {})).toThrow(refused)
})

test('an option that a service does not have is refused', () => {
  expect(() => postgres({ databse: 'shop' } as object)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`services (postgres)\` has no key "databse".
    Hint: Its keys are version, image, env, args, storage, size, database, user, password.]
  `)
})

test('it may say what its cluster is like', () => {
  expect(defineStack({ agents: 1, services: {} }).agents).toBe(1)
  expect(() => defineStack({ agents: -1 })).toThrow('Expected option `agents` to be a non-negative integer, got -1 (number).')
  // @ts-expect-error how long it lives is for its suite
  defineStack({ keep: 'always' })
})

test('it keeps the names of its services', () => {
  const stack = defineStack({ services: { db: postgres() }, seed: { db: './a.sql' } })
  expectTypeOf<keyof typeof stack.services>().toEqualTypeOf<'db'>()
})
