import { rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'

import { ensureChromium } from './chromium.ts'
import { ensureDockerEngine } from './docker-engine.ts'
import { runInForeground } from './foreground.ts'
import { ensureK3d } from './k3d.ts'
import { CHECKOUT, createKit, scratchFolder, type Kit } from './kit.ts'
import { withLock } from './lock.ts'
import { ensureNodeImages, nodeImageTags } from './node-image.ts'
import { isOnPath } from './on-path.ts'
import { ensurePrograms } from './programs.ts'
import { canPullImages } from './registry.ts'
import { stopRunningCommands } from './run.ts'
import { ensureServiceImages } from './service-images.ts'
import { ensureTools } from './tools.ts'
import { ensureTraefikImage } from './traefik.ts'

const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Of programs that only some stacks need, and that take minutes to build: `--no-ingress` without the controller, `--no-tools` without any. */
const [option] = process.argv.slice(2)
const withoutTools = option === '--no-tools'
const withoutIngress = withoutTools || option === '--no-ingress'
const [command, ...args] = process.argv.slice(withoutIngress ? 3 : 2)
const kit = createKit()
try {
  const env = await interruptible(() => withLock(kit, () => setUp(kit)))
  if (command === undefined) {
    kit.log('ready. Commands run with:')
    for (const [name, value] of Object.entries(env)) kit.log(`  ${name}=${value}`)
  } else {
    await runInForeground(command, args, env)
  }
} catch (error) {
  console.error(describe(error))
  process.exitCode = 1
}

/** Until the command runs, a signal ends the set-up and everything it started. */
async function interruptible<T>(work: () => Promise<T>): Promise<T> {
  const interrupt = (signal: NodeJS.Signals) => {
    stopRunningCommands()
    process.exit(128 + constants.signals[signal])
  }
  for (const signal of INTERRUPTS) process.once(signal, interrupt)
  try {
    return await work()
  } finally {
    for (const signal of INTERRUPTS) process.off(signal, interrupt)
  }
}

/** Makes sure of everything a run needs and resolves with the environment that points to it. */
async function setUp(kit: Kit): Promise<NodeJS.ProcessEnv> {
  await rm(scratchFolder(kit.cache), { recursive: true, force: true })
  const engine = await ensureDockerEngine(kit)
  if (command === undefined) kit.log(`Docker Engine ${engine}`)
  if (!withoutTools) await ensureChromium(kit)
  // Without them a checkout does all but bridges to a machine that pods cannot reach, and exports of templates.
  if (!withoutTools && (await isOnPath('go'))) await ensurePrograms(kit)
  const k3dFolder = await ensureK3d(kit)
  const pathWith = (folders: readonly string[]) =>
    [join(CHECKOUT, 'node_modules/.bin'), process.env['PATH'], k3dFolder, ...folders]
      .filter((folder) => folder !== undefined)
      .join(delimiter)
  const tools = (nodeImage?: string) => (withoutTools ? [] : ensureTools(kit, nodeImage))
  if (!(await isOffline(kit, { PATH: pathWith([]) }))) return { PATH: pathWith(await tools()) }
  const images = await ensureNodeImages(kit)
  const substitutes = { ...(await ensureServiceImages(kit)), ...(withoutIngress ? {} : await ensureTraefikImage(kit)) }
  return {
    PATH: pathWith(await tools(images.node)),
    VITEST_KUBERNETES_NODE_IMAGE: images.node,
    K3D_IMAGE_TOOLS: images.tools,
    // Testcontainers' reaper is an image that cannot be pulled.
    TESTCONTAINERS_RYUK_DISABLED: 'true',
    VITEST_KUBERNETES_IMAGES: Object.entries(substitutes)
      .map(([repository, image]) => `${repository}=${image}`)
      .join(','),
  }
}

async function isOffline(kit: Kit, env: NodeJS.ProcessEnv): Promise<boolean> {
  if (!process.env['VITEST_KUBERNETES_OFFLINE'] && (await kit.imageExists((await nodeImageTags(kit)).node))) return true
  return !(await canPullImages(kit, env))
}

function describe(error: unknown): string {
  const lines: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) lines.push(cause.message)
  return `[setup] ${lines.join('\n[setup] because: ')}`
}
