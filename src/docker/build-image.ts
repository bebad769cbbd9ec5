import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { dockerfileInContext, packContext } from './build-context.ts'
import { buildCommand, excerpt, plainLines } from './build-failure.ts'
import type { Docker } from './docker.ts'
import { type ImageInfo, followStream, inspectImage, pullImage } from './images.ts'

export interface BuildOptions {
  /** Absolute path of the build context. */
  readonly context: string
  /** Path of the Dockerfile in the context. @default 'Dockerfile' */
  readonly dockerfile?: string | undefined
  /** Stage to stop at. @default the last one */
  readonly target?: string | undefined
  readonly buildArgs?: Readonly<Record<string, string>> | undefined
  /** Absolute paths in the context of what is no part of it. @default [] */
  readonly leftOut?: readonly string[] | undefined
  readonly tag: string
  readonly labels: Readonly<Record<string, string>>
  /** Network of RUN steps, such as `host`. @default Docker's own */
  readonly network?: string | undefined
  /** Says for each image of a FROM line which one to use. */
  readonly substitute: (image: string) => string
  readonly onLine: (line: string) => void
  /** Keeps the log of a build that failed. Resolves with where it is. */
  readonly keepLog?: ((log: string) => Promise<string | undefined>) | undefined
  readonly signal: AbortSignal
}

/**
 * Builds an image from a folder with a Dockerfile, with `.dockerignore` respected.
 * @throws ClusterTestError `ERR_IMAGE_BUILD_FAILED` with the failing step and the last lines of its output
 */
export async function buildImage(docker: Docker, options: BuildOptions): Promise<ImageInfo> {
  const {
    context,
    dockerfile = 'Dockerfile',
    target,
    buildArgs,
    leftOut,
    tag,
    labels,
    network,
    substitute,
    onLine,
    keepLog,
    signal,
  } = options
  const source = await readDockerfile(context, dockerfile)
  const content = substituteBases(source, substitute)
  const lines: string[] = []
  try {
    await pullBases(docker, content, (line) => lines.push(line), signal)
    const stream = await docker.engine.buildImage(await packContext(context, dockerfile, content, leftOut), {
      t: tag,
      dockerfile: dockerfileInContext,
      ...(target ? { target } : {}),
      ...(network ? { networkmode: network } : {}),
      buildargs: { ...buildArgs },
      labels: { ...labels },
      rm: true,
      forcerm: true,
      abortSignal: signal,
    })
    await followStream(docker, stream, ({ stream: text, status }) => {
      for (const line of plainLines(text ?? status ?? '')) {
        lines.push(line)
        onLine(line)
      }
    })
  } catch (error) {
    signal.throwIfAborted()
    const step = lines.findLast((line) => line.startsWith('Step '))
    const output = excerpt(lines.slice(lines.lastIndexOf(step ?? '') + 1))
    const log = await keepLog?.([...lines, messageOf(error), ''].join('\n'))
    const at = step ? ` at "${step.replace(/^Step \S+ : /, '')}"` : ''
    throw new ClusterTestError(
      'ERR_IMAGE_BUILD_FAILED',
      `Building "${join(context, dockerfile)}" failed${at}: ${messageOf(error)}${output.map((line) => `\n  ${line}`).join('')}${log ? `\nThe whole log: ${log}` : ''}`,
      {
        cause: error,
        hint: `Try it alone: ${buildCommand({ context, dockerfile: join(context, dockerfile), target, buildArgs, network })}`,
      },
    )
  }
  const info = await inspectImage(docker, tag)
  if (!info)
    throw new ClusterTestError('ERR_IMAGE_BUILD_FAILED', `Docker built "${context}", but image "${tag}" does not exist afterwards.`)
  return info
}

async function readDockerfile(context: string, dockerfile: string): Promise<string> {
  try {
    return await readFile(join(context, dockerfile), 'utf8')
  } catch (error) {
    throw new ClusterTestError('ERR_IMAGE_BUILD_FAILED', `There is no "${dockerfile}" in "${context}": ${messageOf(error)}.`, {
      cause: error,
      hint: 'Name the folder that holds the Dockerfile, relative to the test file, or set "dockerfile".',
    })
  }
}

/** The engine pulls what it lacks without anybody's credentials: what is private has to be there before. */
async function pullBases(docker: Docker, dockerfile: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  for (const image of basesOf(dockerfile)) {
    if (await inspectImage(docker, image)) continue
    onLine(`Step 0 : FROM ${image}`)
    await pullImage(docker, image, signal).catch((error: unknown) => {
      // What is tried next is not what the user does, who named the image in a Dockerfile.
      throw error instanceof ClusterTestError && error.cause instanceof Error ? error.cause : error
    })
  }
}

/** Images of FROM lines, without stages, `scratch` and what depends on ARGs. */
export function basesOf(dockerfile: string): readonly string[] {
  const stages = new Set(['scratch'])
  const bases = new Set<string>()
  for (const [, image = '', stage] of dockerfile.matchAll(/^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:[^\S\n]+AS[^\S\n]+(\S+))?/gim)) {
    if (!stages.has(image.toLowerCase()) && !image.includes('$')) bases.add(image)
    if (stage) stages.add(stage.toLowerCase())
  }
  return [...bases]
}

/** Rewrites the images of FROM lines and of the ARG defaults ahead of them; names of earlier stages stay. */
export function substituteBases(dockerfile: string, substitute: (image: string) => string): string {
  const stages = new Set<string>()
  let beforeFirstStage = true
  return dockerfile
    .split('\n')
    .map((line) => {
      const from = /^(\s*FROM\s+(?:--\S+\s+)*)(\S+)(.*)$/i.exec(line)
      if (from) {
        beforeFirstStage = false
        const [, head, image = '', tail = ''] = from
        const stage = /\sAS\s+(\S+)/i.exec(tail)?.[1]
        const replaced = stages.has(image.toLowerCase()) ? image : substitute(image)
        if (stage) stages.add(stage.toLowerCase())
        return head + replaced + tail
      }
      const arg = beforeFirstStage && /^(\s*ARG\s+\w+=)(["']?)([^\s"']+)(["']?\s*)$/i.exec(line)
      return arg ? `${arg[1]}${arg[2]}${substitute(arg[3]!)}${arg[4]}` : line
    })
    .join('\n')
}
