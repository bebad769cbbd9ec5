import { createHash } from 'node:crypto'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'

import { installPackages } from './docker-engine.ts'
import { CHECKOUT, type Kit } from './kit.ts'

interface ServiceImage {
  /** Folder in `fixtures/images`, and name of the image. */
  readonly name: string
  readonly version: string
  /** The official repositories that manifests and Dockerfiles name. */
  readonly replaces: readonly string[]
  /** What the image is built from besides its folder. */
  readonly files?: () => Readonly<Record<string, string>>
  readonly prepare?: (kit: Kit, context: string) => Promise<unknown>
}

interface Recipe {
  readonly tag: string
  readonly name: string
  readonly image?: ServiceImage
}

const DEBIAN = { version: '12', release: 'bookworm' }

const SERVICES: readonly ServiceImage[] = [
  { name: 'postgres', version: '15', replaces: ['postgres'] },
  { name: 'redis', version: '7', replaces: ['redis'] },
  { name: 'mariadb', version: '10.11', replaces: ['mariadb', 'mysql'] },
  { name: 'rabbitmq', version: '3.10', replaces: ['rabbitmq'] },
  { name: 'nats', version: '2.9', replaces: ['nats'] },
  { name: 'busybox', version: '1', replaces: ['busybox'] },
  {
    name: 'nodejs',
    version: '24',
    replaces: ['node'],
    files: () => ({ 'ca-certificates.crt': trustedCertificates() }),
    prepare: (kit, context) => kit.run('npm', ['ci', '--ignore-scripts', '--include=optional'], { cwd: context }),
  },
]

/** Images of real services for machines that can pull none: the repository in manifests and Dockerfiles -> the kit's image. */
export async function ensureServiceImages(kit: Kit): Promise<Record<string, string>> {
  const recipes = await Promise.all(SERVICES.map((image) => recipeOf(kit, image)))
  const exist = await Promise.all(recipes.map(({ tag }) => kit.imageExists(tag)))
  const missing = recipes.filter((_, index) => !exist[index])
  if (missing.length > 0) await buildAll(kit, missing)
  return Object.fromEntries(recipes.flatMap(({ image, tag }) => image.replaces.map((repository) => [repository, tag])))
}

async function recipeOf(kit: Kit, image: ServiceImage): Promise<Recipe & { readonly image: ServiceImage }> {
  const hash = createHash('sha256').update(await kit.hash([...baseSources, source(image.name), source('collect')]))
  for (const content of Object.values(image.files?.() ?? {})) hash.update(content)
  return { tag: `vitest-kubernetes/${image.name}:${image.version}-${hash.digest('hex').slice(0, 12)}`, name: image.name, image }
}

function source(name: string): string {
  return `fixtures/images/${name}`
}

const baseSources = [source('base'), source('excluded-paths')]

async function buildAll(kit: Kit, missing: readonly Recipe[]): Promise<void> {
  await ensureMmdebstrap(kit)
  const base = { name: 'base', tag: `vitest-kubernetes/base:${DEBIAN.version}-${await kit.hash(baseSources)}` }
  if (!(await kit.imageExists(base.tag))) await build(kit, base, [])
  await Promise.all(missing.map((recipe) => build(kit, recipe, ['--build-arg', `BASE=${base.tag}`])))
  await kit.run('docker', ['image', 'prune', '--force', '--filter', 'label=vitest-kubernetes.stage'])
}

async function ensureMmdebstrap(kit: Kit): Promise<void> {
  const installed = await kit.run('mmdebstrap', ['--version']).then(
    () => true,
    () => false,
  )
  if (installed) return
  if (process.getuid?.() !== 0) throw new Error('The service images are built with "mmdebstrap". Install it with your package manager.')
  await kit.step('Install mmdebstrap', () => installPackages(kit, ['mmdebstrap', 'debian-archive-keyring']))
}

function build(kit: Kit, { tag, name, image }: Recipe, options: readonly string[]): Promise<void> {
  return kit.step(`Build the image ${tag}`, async () => {
    // A fixed folder, so that what an interrupted build left goes when it is done again.
    const context = join(kit.cache, 'service-images', name)
    await rm(context, { recursive: true, force: true })
    await cp(join(CHECKOUT, source(name)), context, { recursive: true })
    await cp(join(CHECKOUT, source('collect')), join(context, 'collect'))
    for (const [file, content] of Object.entries(image?.files?.() ?? {})) await writeFile(join(context, file), content)
    await image?.prepare?.(kit, context)
    await unpackPackages(kit, name, join(context, 'packages.tar'))
    await kit.run('docker', ['build', '--tag', tag, ...options, context])
    await rm(context, { recursive: true })
  })
}

/** Debian packages with all that they depend on, unpacked but not configured: no script of theirs runs. */
async function unpackPackages(kit: Kit, name: string, archive: string): Promise<void> {
  const packages = await lines(join(source(name), 'packages'))
  const excluded = await lines(source('excluded-paths'))
  await kit.run('mmdebstrap', [
    '--variant=extract',
    '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
    `--include=${packages.join(',')}`,
    ...excluded.map((path) => `--dpkgopt=path-exclude=${path}`),
    DEBIAN.release,
    archive,
  ])
}

async function lines(file: string): Promise<string[]> {
  return (await readFile(join(CHECKOUT, file), 'utf8')).split('\n').filter((line) => line !== '')
}

/** What this machine trusts, so that `npm ci` in a Dockerfile works behind the same proxies as outside. */
function trustedCertificates(): string {
  const trusted = new Set([...getCACertificates('bundled'), ...getCACertificates('system'), ...getCACertificates('extra')])
  return `${[...trusted]
    .map((certificate) => certificate.trim())
    .toSorted()
    .join('\n')}\n`
}
