import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'

import type { Docker } from '../../docker/docker.ts'
import { type ExecOptions, execForStream, execInContainer } from '../../docker/exec.ts'
import { inspectImage, pullImage } from '../../docker/images.ts'
import { putFiles } from '../../docker/put-files.ts'
import { readProgram } from '../../docker/read-program.ts'
import { removeContainer } from '../../docker/remove.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { together } from '../../support/together.ts'
import { createHelper } from '../helper-container.ts'
import { type Owner, clusterName } from '../ownership/owner.ts'
import { noteUse } from './last-use.ts'
import { type Template, createTemplateVolume, describeTemplate, findTemplate, removeUnlessDescribed } from './template.ts'

export interface TemplateFileOptions {
  /** Of the container that reads or writes the template's files, and of what a killed process leaves. */
  readonly owner: Owner
  readonly signal: AbortSignal
}

/** Milliseconds: some gigabytes, to a slow disk. */
const copyTimeout = 1_800_000

/**
 * Writes a template to a file, a tar compressed with Zstandard: its description, and all that is in its volume. Only the user may read it:
 * a template holds Secrets. The file appears when it is whole. Resolves to its size in bytes.
 */
export async function exportTemplate(docker: Docker, template: Template, file: string, options: TemplateFileOptions): Promise<number> {
  const { volume: _volume, ...described } = template
  await using archiver = await startArchiver(docker, template, options)
  await archiver.put(descriptionName, JSON.stringify(described))
  const part = `${file}.${process.pid}.part`
  try {
    const packed = await archiver.run(['pack', `/${descriptionName}`, templateFolder])
    const compress = createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } })
    await pipeline(packed, compress, createWriteStream(part, { mode: 0o600 }), { signal: options.signal })
    await rename(part, file)
  } catch (error) {
    // Why it was cancelled, rather than that it was.
    options.signal.throwIfAborted()
    throw error
  } finally {
    await rm(part, { force: true })
  }
  return (await stat(file)).size
}

export interface ImportedTemplate {
  readonly template: Template
  readonly isNew: boolean
}

/**
 * Makes a template of a file that `exportTemplate` has written, here or on another machine. One that is there already
 * is left alone.
 * @throws ClusterTestError `ERR_TEMPLATE_INVALID` for a file that is none, or not whole; nothing is left of it then
 */
export async function importTemplate(docker: Docker, file: string, options: TemplateFileOptions): Promise<ImportedTemplate> {
  const described = await readDescription(file)
  const known = await findTemplate(docker, described.key)
  if (known) return { template: known, isNew: false }
  const [{ image }] = described.nodes
  if (!(await inspectImage(docker, image))) await pullImage(docker, image, options.signal)
  const volume = await createTemplateVolume(docker, options.owner)
  const template = { ...described, volume }
  try {
    await unpackInto(docker, template, file, options)
    await describeTemplate(docker, template)
    await noteUse(template.key)
  } finally {
    // What came to nothing, and where another process was faster.
    await removeUnlessDescribed(docker, volume)
  }
  return { template, isNew: true }
}

async function unpackInto(docker: Docker, template: Template, file: string, options: TemplateFileOptions): Promise<void> {
  await using archiver = await startArchiver(docker, template, options)
  const input = new PassThrough()
  await together(options.signal, [
    async (signal) => {
      await pipeline(createReadStream(file), createZstdDecompress(), input, { signal }).catch((error: unknown) => {
        signal.throwIfAborted()
        throw notWhole(file, error)
      })
    },
    (signal) => archiver.unpack(input, signal),
  ])
}

const descriptionName = 'template.json'
const templateFolder = '/template'

type Description = Omit<Template, 'volume' | 'nodes'> & { readonly nodes: readonly [Template['nodes'][number], ...Template['nodes']] }

/** What stands first in a file, read before anything is created. */
async function readDescription(file: string): Promise<Description> {
  const source = createReadStream(file)
  const text = createZstdDecompress()
  const reading = pipeline(source, text)
  try {
    let read: Buffer = Buffer.alloc(0)
    for await (const chunk of text as AsyncIterable<Buffer>) {
      read = Buffer.concat([read, chunk])
      const found = describedIn(read)
      if (found) return found
    }
    throw new Error('it ends too early')
  } catch (error) {
    throw notWhole(file, error)
  } finally {
    source.destroy()
    await reading.catch(() => undefined)
  }
}

/** undefined as long as it has not come as a whole. The header of a tar's entry has its name first, and its size as octal digits at 124. */
function describedIn(read: Buffer): Description | undefined {
  const headerSize = 512
  if (read.length < headerSize) return undefined
  const name = read.toString('latin1', 0, descriptionName.length + 1)
  const size = Number.parseInt(read.toString('latin1', 124, 136), 8)
  if (name !== `${descriptionName}\0` || !(size < 10_000_000)) throw new Error('it does not begin with the description of a template')
  if (read.length < headerSize + size) return undefined
  const described: unknown = JSON.parse(read.toString('utf8', headerSize, headerSize + size))
  if (!isDescription(described)) throw new Error('its description is none of a template')
  return described
}

function isDescription(value: unknown): value is Description {
  const { key, name, nodes } = Object(value) as Partial<Template>
  const isNode = (node: unknown) => /^[\w.-]+$/.test((Object(node) as Template['nodes'][number]).hostname ?? '') && Object(node).image
  // Control characters would command the terminal that lists it.
  const isName = typeof name === 'string' && /^\P{Cc}+$/u.test(name)
  return /^[0-9a-f]{24}$/.test(key ?? '') && isName && Array.isArray(nodes) && nodes.length > 0 && nodes.every(isNode)
}

function notWhole(file: string, error: unknown): ClusterTestError {
  return new ClusterTestError('ERR_TEMPLATE_INVALID', `"${file}" is no exported template, or not whole: ${messageOf(error)}.`, {
    cause: error,
    hint: 'Export it again, where the template is: npx vitest-kubernetes templates --export <folder>.',
  })
}

/** A container with the template's volume, and the program of archive/main.go. */
interface Archiver extends AsyncDisposable {
  put(name: string, content: string | Buffer): Promise<void>
  run(args: readonly string[]): Promise<Readable>
  unpack(input: Readable, signal: AbortSignal): Promise<void>
}

async function startArchiver(docker: Docker, template: Template, { owner, signal }: TemplateFileOptions): Promise<Archiver> {
  const cluster = { name: clusterName(owner.run, 'template'), image: template.nodes[0]!.image, labels: owner.labels }
  const container = await createHelper(docker, cluster, {
    role: 'archive',
    script: [],
    // Attributes of overlayfs (trusted.*) are for processes with all capabilities.
    HostConfig: { Binds: [`${template.volume}:${templateFolder}`], Privileged: true, UsernsMode: 'host', NetworkMode: 'none' },
  })
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => removeContainer(docker, container.id))
  await putFiles(container, { '/archive': { content: await readProgram('archive', docker.platform), mode: 0o755 } })
  await container.start()
  const owned = cleanup.move()
  const options: ExecOptions = { timeout: copyTimeout, signal }
  return {
    put: (name, content) => putFiles(container, { [name]: { content, mode: 0o600 } }),
    run: (args) => execForStream(docker, container.id, ['/archive', ...args], options),
    async unpack(input, abort) {
      await execInContainer(docker, container.id, ['/archive', 'unpack', templateFolder], { ...options, input, signal: abort })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
