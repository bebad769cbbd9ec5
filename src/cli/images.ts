import { type Docker, connectDocker } from '../docker/docker.ts'
import { type ImageFile, readImageFiles } from '../docker/image-files.ts'
import { findWaste, isPackageJson } from '../docker/image-findings.ts'
import { type ImageLayers, formatLayers, readImageLayers } from '../docker/image-layers.ts'
import { saveImages } from '../docker/images.ts'
import { formatBytes } from '../support/format.ts'
import { parseSize } from '../support/parse-size.ts'
import { formatTable } from '../support/table.ts'
import type { RunCommand } from './command.ts'
import { type WantedImage, buildWanted, wantedImages } from './wanted-images.ts'

export const images: RunCommand = async ({ positionals, values }, context) => {
  const wanted = await wantedImages(positionals, values['stack'] as string | undefined, context.cwd)
  const shown = Number(values['files'] ?? 5)
  const docker = await connectDocker()
  const reports: ImageReport[] = []
  for (const image of wanted) reports.push(await report(docker, image, await buildWanted(docker, image, context)))
  context.print(values['json'] ? JSON.stringify({ images: reports }, null, 2) : formatReports(reports, shown))
  return reports.some(({ isTooLarge }) => isTooLarge) ? 1 : 0
}

interface ImageReport extends ImageLayers {
  readonly name: string
  readonly biggestFiles: readonly ImageFile[]
  readonly warnings: readonly string[]
  /** Bytes. */
  readonly maxSize: number | undefined
  readonly isTooLarge: boolean
}

async function report(docker: Docker, { name, maxSize }: WantedImage, reference: string): Promise<ImageReport> {
  const layers = await readImageLayers(docker, reference)
  const files = await readImageFiles(await saveImages(docker, [reference]), isPackageJson)
  const biggestFiles = files
    .toSorted((a, b) => b.size - a.size)
    .slice(0, 20)
    .map(({ path, size }) => ({ path: `/${path}`, size }))
  const limit = parseSize(maxSize)
  return {
    name,
    ...layers,
    biggestFiles,
    warnings: findWaste(layers, files),
    maxSize: limit,
    isTooLarge: limit !== undefined && layers.size > limit,
  }
}

export function formatReports(reports: readonly ImageReport[], files: number): string {
  const overview = formatTable(
    ['image', 'size', 'own', 'layers', 'user', 'base'],
    reports.map(({ name, size, baseSize, layers, user, base }) => [
      name,
      formatBytes(size),
      formatBytes(size - baseSize),
      String(layers.length),
      user,
      base ?? 'none',
    ]),
    [1, 2, 3],
  )
  return [overview, ...reports.map((each) => formatReport(each, files))].join('\n\n')
}

function formatReport({ name, maxSize, isTooLarge, size, warnings, biggestFiles, ...layers }: ImageReport, files: number): string {
  const biggest = biggestFiles.slice(0, files).map((file) => [formatBytes(file.size), file.path])
  return [
    `${name}${isTooLarge ? `: ${formatBytes(size)} exceeds its maxSize of ${formatBytes(maxSize!)}` : ''}`,
    formatLayers(layers),
    ...(biggest.length > 0 ? [formatTable(['size', 'biggest files'], biggest, [0])] : []),
    ...warnings.map((warning) => `! ${warning}`),
  ]
    .join('\n')
    .replaceAll(/\n/g, '\n  ')
}
