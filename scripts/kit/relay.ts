import { existsSync } from 'node:fs'
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { CHECKOUT, type Kit } from './kit.ts'
import { isOnPath } from './on-path.ts'

const SOURCE = 'src/bridge/reach/relay'
const ARCHITECTURES = ['amd64', 'arm64'] as const
const fileOf = (architecture: string) => join(CHECKOUT, `vendor/relay-linux-${architecture}.gz`)

/**
 * Writes vendor/relay-linux-….gz: the program of src/bridge/reach/relay, for each machine that Docker may run on. The same Go makes the
 * same bytes of it anywhere.
 */
export async function ensureRelay(kit: Kit): Promise<void> {
  const stamp = join(CHECKOUT, 'node_modules/.relay')
  const hash = await kit.hash([SOURCE, 'scripts/kit/relay.ts'])
  const isBuilt = ARCHITECTURES.every((each) => existsSync(fileOf(each)))
  if (isBuilt && existsSync(stamp) && (await readFile(stamp, 'utf8')) === hash) return
  if (!(await isOnPath('go'))) throw new Error('Go is not installed. Install Go 1.21 or newer and put it on PATH.')
  await kit.step('build relay', async () => {
    const scratch = await kit.scratch('relay')
    for (const architecture of ARCHITECTURES) {
      const program = join(scratch, architecture)
      const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w -buildid=', '-o', program, '.']
      const env = { CGO_ENABLED: '0', GOOS: 'linux', GOARCH: architecture, GOFLAGS: '', GOWORK: 'off' }
      await kit.run('go', args, { cwd: join(CHECKOUT, SOURCE), env })
      await writeFile(fileOf(architecture), gzipSync(await readFile(program), { level: 9 }))
    }
    await rm(scratch, { recursive: true })
    // Of Go's own library, which is in them. Some distributions keep it elsewhere; the package is not made without it.
    const licence = join((await kit.run('go', ['env', 'GOROOT'])).trim(), 'LICENSE')
    if (existsSync(licence)) await copyFile(licence, join(CHECKOUT, 'vendor/LICENSE-relay.txt'))
  })
  await writeFile(stamp, hash)
}
