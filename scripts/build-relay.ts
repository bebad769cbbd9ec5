import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

// Usage: node scripts/build-relay.ts (the set-up and the build do it)
// Writes vendor/relay-linux-amd64.gz and vendor/relay-linux-arm64.gz: the program of src/bridge/reach/relay, for whatever machine Docker
// runs on. The same Go makes the same bytes of it anywhere.

const root = join(import.meta.dirname, '..')
const source = join(root, 'src/bridge/reach/relay')
const scratch = await mkdtemp(join(tmpdir(), 'relay-'))
try {
  for (const architecture of ['amd64', 'arm64']) {
    const program = join(scratch, architecture)
    const flags = ['-trimpath', '-buildvcs=false', '-ldflags=-s -w -buildid=']
    const env = { ...process.env, CGO_ENABLED: '0', GOOS: 'linux', GOARCH: architecture, GOFLAGS: '', GOWORK: 'off' }
    execFileSync('go', ['build', ...flags, '-o', program, '.'], { cwd: source, env, stdio: 'inherit' })
    await writeFile(join(root, `vendor/relay-linux-${architecture}.gz`), gzipSync(await readFile(program), { level: 9 }))
  }
} finally {
  await rm(scratch, { recursive: true })
}
