import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { goBuild } from './go-build.ts'
import type { Kit } from './kit.ts'
import { moduleVersion } from './module-version.ts'

const FOLDER = 'fixtures/traefik'
const TRAEFIK = 'github.com/traefik/traefik/v3'

/** Of `trim.json`, which is in the module's folder: a change there makes another build. */
interface Trim {
  /** By file of Traefik's: which packages of ours take the place of those that it imports. */
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Files of Traefik's with another content. */
  readonly files: Readonly<Record<string, string>>
}

/** The image of the ingress controller, for stacks with Ingresses or Gateways: the repository in manifests -> the kit's image. */
export async function ensureTraefikImage(kit: Kit): Promise<Record<string, string>> {
  const version = (await moduleVersion(FOLDER, TRAEFIK)).slice(1)
  const tag = `vitest-kubernetes/traefik:${version}-${await kit.hash([FOLDER, 'scripts/kit/traefik.ts', 'scripts/kit/go-build.ts'])}`
  if (await kit.imageExists(tag)) return { traefik: tag }
  const [built] = await goBuild(kit, {
    module: FOLDER,
    packages: ['.'],
    ldflags: `-X ${TRAEFIK}/pkg/version.Version=${version}`,
    prepare: (folder) => trimSource(kit, folder),
  })
  await kit.step(`build the image ${tag}`, () => buildImage(kit, built, tag))
  return { traefik: tag }
}

/**
 * Traefik's whole program has the clients of all that it can read from and of 180 providers of DNS: 2,572 packages, of which 1,267 are
 * left when some imports lead elsewhere. Go replaces no files of downloaded modules, so it gets a copy.
 */
async function trimSource(kit: Kit, folder: string): Promise<void> {
  const { Dir } = JSON.parse(await kit.run('go', ['mod', 'download', '-json', TRAEFIK], { cwd: folder })) as { readonly Dir: string }
  const source = join(folder, 'source')
  await mkdir(source)
  await kit.run('cp', ['-R', ...['cmd', 'pkg', 'webui'].map((name) => join(Dir, name)), source])
  // Go keeps what it has downloaded from being changed.
  await kit.run('chmod', ['-R', 'u+w', source])
  // Without what it requires: our own go.mod has all that is left.
  await writeFile(join(source, 'go.mod'), `module ${TRAEFIK}\n\ngo 1.26.0\n`)
  const { imports, files } = JSON.parse(await readFile(join(folder, 'trim.json'), 'utf8')) as Trim
  for (const [file, packages] of Object.entries(imports)) await replaceImports(join(source, file), packages)
  for (const [file, content] of Object.entries(files)) await writeFile(join(source, file), content)
  await kit.run('go', ['mod', 'edit', `-replace=${TRAEFIK}=./source`], { cwd: folder })
}

async function replaceImports(file: string, packages: Readonly<Record<string, string>>): Promise<void> {
  let text = await readFile(file, 'utf8')
  for (const [path, replacement] of Object.entries(packages)) {
    if (!text.includes(`"${path}"`)) throw new Error(`"${file}" does not import "${path}" any more.`)
    text = text.replace(`"${path}"`, `${path.split('/').at(-1)} "${replacement}"`)
  }
  await writeFile(file, text)
}

async function buildImage(kit: Kit, built: string, tag: string): Promise<void> {
  const context = await kit.scratch('traefik')
  try {
    await kit.run('cp', [join(built, 'traefik'), context])
    await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY traefik /\nWORKDIR /tmp\nWORKDIR /\nENTRYPOINT ["/traefik"]\n')
    await kit.run('docker', ['build', '--tag', tag, context])
  } finally {
    await rm(context, { recursive: true, force: true })
  }
}
