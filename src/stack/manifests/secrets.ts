import { readFile } from 'node:fs/promises'
import { extname, relative, resolve } from 'node:path'

import { ClusterTestError } from '../../support/errors.ts'
import type { StackOptions } from '../options.ts'
import { type DecryptOptions, decryptFile, isEncrypted } from '../tools/sops.ts'
import { type Manifest, loadManifests } from './manifests.ts'
import { parseYaml } from './parse-yaml.ts'
import { refuseUrl } from './refuse-url.ts'

/**
 * Reads the option `secrets`: encrypted manifests as they are, and files of keys and values as Secrets of the name they stand under.
 * @throws ClusterTestError `ERR_SOPS_…`, or `ERR_MANIFEST_…` as for `manifests`
 */
export async function loadSecrets(
  secrets: StackOptions['secrets'] = [],
  folder: string,
  keys: DecryptOptions = {},
): Promise<readonly Manifest[]> {
  const list = Array.isArray(secrets) ? (secrets as readonly (string | Readonly<Record<string, string>>)[]) : [secrets as string]
  const loaded = await Promise.all(
    list.map((each) =>
      typeof each === 'string'
        ? loadManifests(each, folder, keys)
        : Promise.all(Object.entries(each).map(([name, file]) => readSecret(name, file, folder, keys))),
    ),
  )
  return loaded.flat()
}

async function readSecret(name: string, source: string, folder: string, keys: DecryptOptions): Promise<Manifest> {
  refuseUrl(source, 'secrets')
  const file = resolve(folder, source)
  const shown = relative(folder, file)
  if (!['.env', '.json', '.yaml', '.yml'].includes(extname(file)))
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Secret "${name}" cannot be read from "${shown}".`, {
      hint: 'Files of keys and values end in .env, .json, .yaml or .yml. For other formats, encrypt the manifest of the Secret.',
    })
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ClusterTestError('ERR_MANIFEST_NOT_FOUND', `File "${source}" of Secret "${name}" does not exist: looked at "${file}".`, {
      cause,
      hint: 'Paths in "secrets" are relative to the test file.',
    })
  })
  if (!isEncrypted(text))
    throw new ClusterTestError('ERR_SOPS_FAILED', `"${shown}" in option \`secrets\` is not encrypted by sops.`, {
      hint: `Encrypt it: "sops encrypt --in-place ${shown}".`,
    })
  if (['.yaml', '.yml'].includes(extname(file))) refuseSeveral(text, shown, name)
  const values = parseValues(await decryptFile(file, text, shown, { ...keys, output: 'json' }))
  const data = Object.entries(values).map(([key, value]) => [key, toBase64(value, `"${key}" in "${shown}"`)])
  return {
    object: { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'Opaque', data: Object.fromEntries(data) as unknown },
    origin: `"${shown}" (Secret "${name}")`,
  }
}

/** sops writes the first document of several as JSON, and drops the others. */
function refuseSeveral(text: string, shown: string, name: string): void {
  const [, second] = parseYaml(text, `"${shown}"`, 'File').filter(({ value }) => value !== null && value !== undefined)
  if (!second) return
  throw new ClusterTestError('ERR_MANIFEST_INVALID', `Secret "${name}" is made of one document, and there is another: ${second.origin}.`, {
    hint: 'Put each into a file of its own. Encrypted manifests of several documents are named without a name of a Secret.',
  })
}

/** Numbers as they are written: a Secret holds text. */
function parseValues(text: string): Readonly<Record<string, unknown>> {
  const reviver = (_: string, value: unknown, { source }: { source?: string }) => (typeof value === 'number' ? source : value)
  // TypeScript's library does not know the third parameter yet.
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown) as Record<string, unknown>
}

function toBase64(value: unknown, what: string): string {
  if (typeof value !== 'string' && typeof value !== 'boolean')
    throw new ClusterTestError(
      'ERR_MANIFEST_INVALID',
      `Value ${what} is ${value === null ? 'null' : 'no single value'}, which a Secret cannot contain.`,
      {
        hint: 'Each key of a Secret has a text. For anything else, encrypt the manifest of the Secret.',
      },
    )
  return Buffer.from(String(value)).toString('base64')
}
