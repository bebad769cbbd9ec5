import { glob, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { rolldown } from 'rolldown'

// Usage: node scripts/bundle-client-node.ts (npm does it whenever it has changed node_modules, and the build does)
// Writes vendor/client-node.cjs: what src/kube/client-node.ts needs of @kubernetes/client-node and of what that depends on, with the
// licences of all of it. The package itself is 62 MB, most of it models of every object, and loads 868 modules.

const root = join(import.meta.dirname, '..')
const names = /export const \{([^}]*)\}/.exec(await readFile(join(root, 'src/kube/client-node.ts'), 'utf8'))![1]!
const entry = 'client-node'
await using bundle = await rolldown({
  input: entry,
  cwd: root,
  platform: 'node',
  // Its modules only declare what they export.
  treeshake: { moduleSideEffects: (id) => !id.includes('/@kubernetes/client-node/') },
  plugins: [
    {
      name: 'entry',
      resolveId: (id) => (id === entry ? entry : undefined),
      load: (id) => (id === entry ? `export { ${names} } from '@kubernetes/client-node'` : undefined),
    },
  ],
})
const {
  output: [{ modules }],
} = await bundle.write({ file: join(root, 'vendor/client-node.cjs'), format: 'cjs' })

const used = Object.entries(modules).filter(([, { renderedLength }]) => renderedLength > 0)
const packages = new Set(used.flatMap(([id]) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0] ?? []))
await writeFile(
  join(root, 'vendor/LICENSES.txt'),
  [
    ...(await Promise.all([...packages].toSorted().map(licenceOf))),
    'Definitions of the Gateway API (src/stack/ingress/gateway-api.json, changed: without descriptions), Apache-2.0, as above\n',
  ].join(`\n${'-'.repeat(80)}\n\n`),
)

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<string, string>
  const [file] = await Array.fromAsync(glob('{licen[cs]e,LICEN[CS]E,Licen[cs]e}*', { cwd: folder }))
  if (!file && !license) throw new Error(`${dirname(folder)}/${name} has no licence.`)
  return `${name} ${version}, ${license}\n\n${file ? await readFile(join(folder, file), 'utf8') : ''}`
}
