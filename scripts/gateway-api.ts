import { glob, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { parseAllDocuments } from 'yaml'

import { createKit } from './kit/kit.ts'
import { moduleVersion } from './kit/module-version.ts'

// Usage: node scripts/gateway-api.ts (whoever raises the version of Traefik, in fixtures/traefik/go.mod, which names that of the Gateway API)
// Writes src/stack/ingress/gateway-api.json: the definitions of the Gateway API's kinds, standard channel, without their descriptions, which
// are five sixths of them. Apache-2.0, https://github.com/kubernetes-sigs/gateway-api

const MODULE = 'sigs.k8s.io/gateway-api'

const kit = createKit()
const version = await moduleVersion('fixtures/traefik', MODULE)
const { Dir } = JSON.parse(await kit.run('go', ['mod', 'download', '-json', `${MODULE}@${version}`])) as { readonly Dir: string }
const definitions: unknown[] = []
for (const file of (await Array.fromAsync(glob(join(Dir, 'config/crd/standard/gateway.networking.k8s.io_*.yaml')))).toSorted())
  for (const document of parseAllDocuments(await readFile(file, 'utf8'))) {
    const object = document.toJS() as { readonly kind?: string } | null
    if (object?.kind === 'CustomResourceDefinition') definitions.push(withoutDescriptions(object))
  }
const lines = definitions.map((each) => `  ${JSON.stringify(each)}`)
await writeFile(join(import.meta.dirname, '../src/stack/ingress/gateway-api.json'), `[\n${lines.join(',\n')}\n]\n`)

/** A property may have that name: its schema is no text. */
function withoutDescriptions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDescriptions)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key, each]) => key !== 'description' || typeof each !== 'string')
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutDescriptions(each)]))
}
