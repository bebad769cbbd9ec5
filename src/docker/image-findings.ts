import { formatBytes, formatList } from '../support/format.ts'
import type { ImageFile } from './image-files.ts'
import type { ImageLayers } from './image-layers.ts'

/** Whether a file's text is needed to judge an image: those of the packages of its own, not of what they depend on. */
export function isPackageJson(path: string): boolean {
  return path.endsWith('package.json') && !path.includes('node_modules/') && !path.startsWith('usr/')
}

/** What makes an image larger or riskier than it has to be, with the cure. */
export function findWaste({ user }: Pick<ImageLayers, 'user'>, files: readonly ImageFile[]): readonly string[] {
  const caches = cachePatterns.flatMap(({ pattern, name, fix }) => {
    const found = files.filter(({ path }) => pattern.test(path))
    return sizeOf(found) < worthNaming ? [] : [`${name}: ${formatBytes(sizeOf(found))}. ${fix}`]
  })
  return [...(isRoot(user) ? ['It runs as root. Add a USER line.'] : []), ...caches, ...findDevDependencies(files)]
}

/** Bytes. Package managers leave logs and marks that are nobody's concern. */
const worthNaming = 100_000

function isRoot(user: string): boolean {
  return ['root', '0', ''].includes(user.split(':')[0]!)
}

const cachePatterns: readonly { readonly pattern: RegExp; readonly name: string; readonly fix: string }[] = [
  { pattern: /^var\/lib\/apt\/lists\/.+/, name: 'lists of apt', fix: 'End that RUN with: && rm -rf /var/lib/apt/lists/*' },
  { pattern: /^var\/cache\/apt\/.+\.(deb|bin)$/, name: 'packages of apt', fix: 'End that RUN with: && apt-get clean' },
  { pattern: /^(var\/cache\/apk|etc\/apk\/cache)\/.+/, name: 'cache of apk', fix: 'Use: apk add --no-cache' },
  { pattern: /^(root|home\/[^/]+)\/\.npm\/.+/, name: 'cache of npm', fix: 'End that RUN with: && npm cache clean --force' },
  { pattern: /^(root|home\/[^/]+)\/\.cache\/(yarn|pnpm)\/.+/, name: 'cache of yarn or pnpm', fix: 'Remove it in the same RUN.' },
  { pattern: /^(root|home\/[^/]+)\/\.cache\/pip\/.+/, name: 'cache of pip', fix: 'Use: pip install --no-cache-dir' },
  { pattern: /^root\/go\/pkg\/.+|^root\/\.cache\/go-build\/.+/, name: 'cache of Go', fix: 'Build in a stage of its own.' },
  { pattern: /(^|\/)\.git\/.+/, name: 'Git history', fix: 'Name .git in .dockerignore.' },
]

/** A package whose devDependencies are installed beside it. */
function findDevDependencies(files: readonly ImageFile[]): readonly string[] {
  return files
    .filter(({ content }) => content !== undefined)
    .flatMap(({ path, content }) => {
      const folder = path.slice(0, -'package.json'.length)
      const own = devDependenciesOf(content!).map((name) => ({
        name,
        files: files.filter((file) => file.path.startsWith(`${folder}node_modules/${name}/`)),
      }))
      const installed = own.filter((each) => each.files.length > 0)
      if (installed.length === 0) return []
      const size = formatBytes(sizeOf(installed.flatMap((each) => each.files)))
      const names = formatList(
        installed.map(({ name }) => name),
        4,
      )
      return [`development dependencies in /${folder}: ${names}, ${size}. Install with: npm ci --omit=dev`]
    })
}

function devDependenciesOf(packageJson: string): readonly string[] {
  try {
    return Object.keys((JSON.parse(packageJson) as { devDependencies?: object } | null)?.devDependencies ?? {})
  } catch (error) {
    // Somebody's template or test data.
    if (error instanceof SyntaxError) return []
    throw error
  }
}

function sizeOf(files: readonly ImageFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0)
}
