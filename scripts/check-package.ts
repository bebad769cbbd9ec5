import { execFileSync } from 'node:child_process'
import { glob, readFile } from 'node:fs/promises'

// What runs on nodes is no module that TypeScript or publint would miss.
const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' })) as [
  { files: { path: string }[] },
]
const packed = new Set(files.map(({ path }) => path))
const scripts = (await Array.fromAsync(glob('src/**/*.sh'))).map((file) => file.replace('src', 'dist'))
const programs = ['relay', 'archive'].flatMap((name) => ['amd64', 'arm64'].map((architecture) => `vendor/${name}-linux-${architecture}.gz`))
const missing = [...scripts, 'vendor/client-node.cjs', 'vendor/LICENSES.txt', 'vendor/LICENSE-go.txt', ...programs].filter(
  (file) => !packed.has(file),
)
if (missing.length > 0) throw new Error(`The package lacks ${missing.join(', ')}.`)

const { findIptables } = (await import(new URL('../dist/bridge/rules/node-scripts.js', import.meta.url).href)) as {
  findIptables: { text: string }
}
if (!findIptables.text.includes('iptables --version')) throw new Error('A script of the package cannot be read.')

// Types that reach users come from packages whose types stand by themselves: no client of Kubernetes or Docker is loaded for them.
const known = new Set(['vitest', 'vitest/node', 'vitest/config', 'supertest', 'testcontainers'])
const dist = new URL('../dist/', import.meta.url)
const seen = new Set<string>()
const foreign = new Set<string>()
const follow = async (file: URL): Promise<void> => {
  if (seen.has(file.href)) return
  seen.add(file.href)
  const code = (await readFile(file, 'utf8')).replaceAll(/\/\*[\s\S]*?\*\//g, '')
  for (const [, name = ''] of code.matchAll(/(?:from|import\()\s*['"]([^'"]+)['"]/g)) {
    if (name.startsWith('.')) await follow(new URL(name.replace(/\.[jt]s$/, '.d.ts'), file))
    else if (!known.has(name) && !name.startsWith('node:')) foreign.add(`${name} in ${file.href.slice(dist.href.length)}`)
  }
}
for (const entry of ['index.d.ts', 'plugin/plugin.d.ts']) await follow(new URL(entry, dist))
if (foreign.size > 0) throw new Error(`Types that reach users import ${[...foreign].join(', ')}.`)
