import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { ClusterTestError } from '../../support/errors.ts'
import { runCommand } from '../../support/run-command.ts'
import { readValues } from '../charts/helm-values.ts'
import { loadManifests } from '../manifests/manifests.ts'
import { loadSecrets } from '../manifests/secrets.ts'

const keys = join(import.meta.dirname, '../../../fixtures/sops')
const [right, wrong] = await Promise.all(['test.agekey', 'other.agekey'].map((name) => readFile(join(keys, name), 'utf8')))
const recipient = /public key: (\S+)/.exec(right!)![1]!
const secretKey = /^AGE-SECRET-KEY-\S+/m.exec(right!)![0]

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sops-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function encrypt(name: string, text: string) {
  await writeFile(join(folder, name), text)
  await runCommand('sops', ['encrypt', '--age', recipient, '--in-place', join(folder, name)])
  expect(await readFile(join(folder, name), 'utf8')).not.toContain('wonderland')
}

/** Nothing of this machine's. */
const noKeys = { SOPS_AGE_KEY: undefined, SOPS_AGE_KEY_FILE: undefined, SOPS_AGE_KEY_CMD: undefined, XDG_CONFIG_HOME: undefined }
const withKey = { env: { ...noKeys, SOPS_AGE_KEY: secretKey } }
const decoded = (data: unknown) =>
  Object.fromEntries(Object.entries(data as Record<string, string>).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))

describe('decrypts', () => {
  test('manifests of several documents, by "manifests" and by "secrets"', async () => {
    const secret = (name: string) =>
      `apiVersion: v1\nkind: Secret\nmetadata: { name: ${name} }\nstringData: { word: wonderland, no: "no" }\n`
    await encrypt('keys.yaml', `${secret('one')}---\n${secret('two')}`)
    for (const load of [loadManifests, loadSecrets]) {
      const objects = (await load('./keys.yaml', folder, withKey)).map(({ object }) => object)
      expect(objects).toMatchObject([
        { metadata: { name: 'one' }, stringData: { word: 'wonderland', no: 'no' } },
        { metadata: { name: 'two' }, stringData: { word: 'wonderland', no: 'no' } },
      ])
    }
  })

  test.for([
    ['keys.env', 'WORD=wonderland\nURL=postgres://a:b=c@db/x?y=1\n', { WORD: 'wonderland', URL: 'postgres://a:b=c@db/x?y=1' }],
    [
      'keys.json',
      '{"word":"wonderland","port":5432,"on":true,"long":"a\\nb"}',
      { word: 'wonderland', port: '5432', on: 'true', long: 'a\nb' },
    ],
    ['keys.yaml', 'word: wonderland\nzip: "0123"\nbig: 12345678901234567\n', { word: 'wonderland', zip: '0123', big: '12345678901234567' }],
  ] as const)('%s as a Secret', async ([name, text, data]) => {
    await encrypt(name, text)
    const [manifest] = await loadSecrets({ 'shop-keys': `./${name}` }, folder, withKey)
    expect(manifest!.object).toMatchObject({ kind: 'Secret', metadata: { name: 'shop-keys' } })
    expect(decoded(manifest!.object['data'])).toEqual(data)
  })

  test('values files, together with plain ones', async () => {
    await encrypt('secret.yaml', 'db: { password: wonderland, port: 5432 }\n')
    await writeFile(join(folder, 'plain.yaml'), 'db: { user: ann, port: 1 }\n')
    const values = await readValues(
      { chart: '.', valuesFiles: ['plain.yaml', 'secret.yaml'], values: { db: { port: 2 } } },
      folder,
      withKey,
    )
    expect(JSON.parse(values.json)).toEqual({ db: { user: 'ann', password: 'wonderland', port: 2 } })
    expect(values.secrets).toEqual(['wonderland'])
  })

  test('with a key file of comments and Windows line ends, without HOME', async () => {
    await encrypt('keys.env', 'WORD=wonderland\n')
    const file = join(folder, 'keys.txt')
    await writeFile(file, `# a comment\r\n\r\n${wrong!.trim().replaceAll('\n', '\r\n')}\r\n# mine\r\n${secretKey}\r\n`)
    const env = { ...noKeys, HOME: undefined, SOPS_AGE_KEY_FILE: file }
    expect(await loadSecrets({ keys: 'keys.env' }, folder, { env })).toHaveLength(1)
    expect(await loadSecrets({ keys: 'keys.env' }, folder, { env: { ...noKeys, HOME: undefined }, ageKeyFile: file })).toHaveLength(1)
  })
})

describe('says which key is missing, and prints none', () => {
  const failure = async (env: Readonly<Record<string, string | undefined>>) => {
    await encrypt('keys.env', 'WORD=wonderland\n')
    const error = await loadSecrets({ keys: 'keys.env' }, folder, { env: { ...noKeys, HOME: folder, ...env } }).catch(
      (each: unknown) => each,
    )
    expect(error).toBeInstanceOf(ClusterTestError)
    const { code, message } = error as ClusterTestError
    expect(message).toContain(recipient)
    expect(JSON.stringify(error, ['message', 'stack', 'cause']) + message).not.toMatch(/AGE-SECRET|wonderland/)
    return { code, message }
  }

  test('no key at all', async () => {
    const { code, message } = await failure({})
    expect(code).toBe('ERR_SOPS_KEY_NOT_FOUND')
    expect(message.replaceAll(folder, '~').replaceAll(recipient, 'age1…')).toMatchInlineSnapshot(`
      "There is no key to decrypt "keys.env". It is encrypted for "age1…". Tried:
        SOPS_AGE_KEY: not set
        SOPS_AGE_KEY_FILE: not set
        sops' own key file ("~/.config/sops/age/keys.txt"): the file does not exist
      Hint: Set SOPS_AGE_KEY_FILE to the path of a key file, or SOPS_AGE_KEY to the key itself."
    `)
  })

  test.for([
    [
      'a variable that holds a path',
      { SOPS_AGE_KEY: '/home/ann/keys.txt' },
      'ERR_SOPS_KEY_NOT_FOUND',
      /SOPS_AGE_KEY: contains a path instead of a key/,
    ],
    [
      'a file that is not there',
      { SOPS_AGE_KEY_FILE: '/absent/keys.txt' },
      'ERR_SOPS_KEY_NOT_FOUND',
      /SOPS_AGE_KEY_FILE \("\/absent\/keys\.txt"\): the file does not exist/,
    ],
    ['no HOME', { HOME: undefined }, 'ERR_SOPS_KEY_NOT_FOUND', /neither HOME nor XDG_CONFIG_HOME is set/],
    ['another key', { SOPS_AGE_KEY: wrong! }, 'ERR_SOPS_WRONG_KEY', /SOPS_AGE_KEY: a key that does not fit/],
    ['a key that is cut off', { SOPS_AGE_KEY: secretKey.slice(0, 40) }, 'ERR_SOPS_WRONG_KEY', /SOPS_AGE_KEY: a key that does not fit/],
  ] as const)('%s', async ([, env, code, message]) => {
    expect(await failure(env)).toEqual({ code, message: expect.stringMatching(message) })
  })

  test("sops' own key file with another key", async () => {
    await mkdir(join(folder, '.config/sops/age'), { recursive: true })
    await writeFile(join(folder, '.config/sops/age/keys.txt'), wrong!)
    expect(await failure({})).toEqual({
      code: 'ERR_SOPS_WRONG_KEY',
      message: expect.stringMatching(/keys\.txt"\): a key that does not fit/),
    })
  })
})

test('tells a file that was changed from one with another key', async () => {
  await encrypt('keys.yaml', 'one: wonderland\ntwo: second\n')
  const text = await readFile(join(folder, 'keys.yaml'), 'utf8')
  const changes = [text.replace(/^two: .*\n/m, ''), text.replace(/(one: ENC\[AES256_GCM,data:)./, (_, start) => `${start}A`)]
  for (const changed of changes.filter((each) => each !== text)) {
    await writeFile(join(folder, 'keys.yaml'), changed)
    await expect(loadSecrets({ keys: 'keys.yaml' }, folder, withKey)).rejects.toMatchObject({ code: 'ERR_SOPS_MAC_MISMATCH' })
  }
})

test('refuses a file that is not encrypted, and says how to get sops', async () => {
  await writeFile(join(folder, 'keys.env'), 'WORD=wonderland\n')
  await expect(loadSecrets({ keys: 'keys.env' }, folder)).rejects.toMatchObject({
    code: 'ERR_SOPS_FAILED',
    message: expect.stringContaining('"keys.env" in option `secrets` is not encrypted by sops.'),
  })
  await encrypt('keys.env', 'WORD=wonderland\n')
  await expect(loadSecrets({ keys: 'keys.env' }, folder, { env: { ...withKey.env, PATH: folder } })).rejects.toMatchObject({
    code: 'ERR_TOOL_NOT_FOUND',
    hint: 'Install sops (https://github.com/getsops/sops/releases) and put it on PATH.',
  })
})
