import { execFileSync } from 'node:child_process'
import { glob } from 'node:fs/promises'

// What runs on nodes is no module that TypeScript or publint would miss.
const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' })) as [
  { files: { path: string }[] },
]
const packed = new Set(files.map(({ path }) => path))
const missing = (await Array.fromAsync(glob('src/**/*.sh'))).map((file) => file.replace('src', 'dist')).filter((file) => !packed.has(file))
if (missing.length > 0) throw new Error(`The package lacks ${missing.join(', ')}.`)

const { findIptables } = (await import(new URL('../dist/bridge/rules/node-scripts.js', import.meta.url).href)) as {
  findIptables: { text: string }
}
if (!findIptables.text.includes('iptables --version')) throw new Error('A script of the package cannot be read.')
