import { existsSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { CHECKOUT, type Kit } from './kit.ts'

export interface GoBuildOptions {
  /** Folder of the go.mod, relative to the checkout. */
  readonly module: string
  readonly packages: readonly string[]
  readonly ldflags?: string
  /** Links against C statically, so that the binary runs on any image. */
  readonly cgo?: boolean
  readonly tags?: readonly string[]
  /** Changes a copy of the module's folder, which is built in its place. */
  readonly prepare?: (folder: string) => Promise<void>
}

/** Builds Go programs into a folder of the cache that is named by their content, once. Resolves with that folder and its hash. */
export async function goBuild(kit: Kit, options: GoBuildOptions): Promise<readonly [folder: string, hash: string]> {
  const hash = await kit.hash([options.module, 'scripts/kit/go-build.ts'])
  const folder = join(kit.cache, 'bin', `${basename(options.module)}-${hash}`)
  if (existsSync(folder)) return [folder, hash]
  await kit.step(`build ${basename(options.module)}`, () => build(kit, options, folder))
  return [folder, hash]
}

async function build(kit: Kit, options: GoBuildOptions, folder: string): Promise<void> {
  const unfinished = await kit.scratch(basename(folder))
  const ldflags = ['-s -w', options.cgo === true && '-extldflags=-static', options.ldflags].filter(Boolean).join(' ')
  const tags = options.tags === undefined ? [] : ['-tags', options.tags.join(',')]
  const args = ['build', '-trimpath', ...tags, '-ldflags', ldflags, '-o', `${unfinished}/`, ...options.packages]
  const env = { CGO_ENABLED: options.cgo === true ? '1' : '0', GOOS: '', GOARCH: '', GOFLAGS: '', GOWORK: 'off' }
  const cwd = await sourceFolder(kit, options)
  try {
    await kit.run('go', args, { cwd, env })
  } catch (cause) {
    throw new Error(buildHint(cause), { cause })
  }
  if (options.prepare) await rm(cwd, { recursive: true })
  await mkdir(dirname(folder), { recursive: true })
  await rename(unfinished, folder)
}

async function sourceFolder(kit: Kit, { module, prepare }: GoBuildOptions): Promise<string> {
  const folder = join(CHECKOUT, module)
  if (!prepare) return folder
  const copy = await kit.scratch(`${basename(module)}-source`)
  await cp(folder, copy, { recursive: true })
  await prepare(copy)
  return copy
}

function buildHint(cause: unknown): string {
  if (cause instanceof Error && (cause.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    return 'Go is not installed. Install Go 1.21 or newer (it fetches the version named in go.mod by itself) and put it on PATH.'
  }
  return 'The Go program could not be built. Check that the Go module proxy answers (`go env GOPROXY`) and that the disk is not full.'
}
