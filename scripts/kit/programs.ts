import { existsSync } from 'node:fs'
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { CHECKOUT, type Kit } from './kit.ts'
import { isOnPath } from './on-path.ts'

const SOURCES = ['src/cluster/network/relay', 'src/cluster/template/archive']
const ARCHITECTURES = ['amd64', 'arm64']
const TARGETS = SOURCES.flatMap((source) =>
  ARCHITECTURES.map((architecture) => ({
    ...{ source, architecture },
    file: join(CHECKOUT, `vendor/${basename(source)}-linux-${architecture}.gz`),
  })),
)

/**
 * Writes vendor/….gz: our programs for containers, for each machine that Docker may run on. The same Go makes the same bytes of them
 * anywhere.
 */
export async function ensurePrograms(kit: Kit): Promise<void> {
  const stamp = join(CHECKOUT, 'node_modules/.programs')
  const hash = await kit.hash([...SOURCES, 'scripts/kit/programs.ts'])
  const isBuilt = TARGETS.every(({ file }) => existsSync(file))
  if (isBuilt && existsSync(stamp) && (await readFile(stamp, 'utf8')) === hash) return
  if (!(await isOnPath('go'))) throw new Error('Go is not installed. Install Go 1.21 or newer and put it on PATH.')
  await kit.step('build programs for containers', async () => {
    const scratch = await kit.scratch('programs')
    const program = join(scratch, 'program')
    for (const { source, architecture, file } of TARGETS) {
      const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w -buildid=', '-o', program, '.']
      const env = { CGO_ENABLED: '0', GOOS: 'linux', GOARCH: architecture, GOFLAGS: '', GOWORK: 'off' }
      await kit.run('go', args, { cwd: join(CHECKOUT, source), env })
      await writeFile(file, gzipSync(await readFile(program), { level: 9 }))
    }
    await rm(scratch, { recursive: true })
    // Of Go's own library, which is in them. Some distributions keep it elsewhere; the package is not made without it.
    const licence = join((await kit.run('go', ['env', 'GOROOT'])).trim(), 'LICENSE')
    if (existsSync(licence)) await copyFile(licence, join(CHECKOUT, 'vendor/LICENSE-go.txt'))
  })
  await writeFile(stamp, hash)
}
