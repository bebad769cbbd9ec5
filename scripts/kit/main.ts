import { delimiter, join } from 'node:path'

import { ensureDockerEngine } from './docker-engine.ts'
import { runInForeground } from './foreground.ts'
import { ensureK3d } from './k3d.ts'
import { CHECKOUT, createKit, type Kit } from './kit.ts'
import { withLock } from './lock.ts'
import { ensureNodeImages, nodeImageTags } from './node-image.ts'
import { canPullImages } from './registry.ts'
import { ensureServiceImages } from './service-images.ts'

const [command, ...args] = process.argv.slice(2)
const kit = createKit()
try {
  const env = await withLock(kit, () => setUp(kit))
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

/** Makes sure of everything a run needs and resolves with the environment that points to it. */
async function setUp(kit: Kit): Promise<NodeJS.ProcessEnv> {
  const engine = await ensureDockerEngine(kit)
  if (command === undefined) kit.log(`Docker Engine ${engine}`)
  const k3dFolder = await ensureK3d(kit)
  const folders = [join(CHECKOUT, 'node_modules/.bin'), process.env['PATH'], k3dFolder]
  const env = { PATH: folders.filter((folder) => folder !== undefined).join(delimiter) }
  if (!(await isOffline(kit, env))) return env
  const images = await ensureNodeImages(kit)
  const substitutes = await ensureServiceImages(kit)
  return {
    ...env,
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
