import { spawn } from 'node:child_process'

import type { Kit } from './kit.ts'

const PULL_TIMEOUT = 15_000

/** Whether images can be pulled here: tried with the image that k3d itself would pull. */
export async function canPullImages(kit: Kit, env: NodeJS.ProcessEnv): Promise<boolean> {
  const forced = process.env['VITEST_KUBERNETES_OFFLINE']
  if (forced === '1' || forced === '0') return forced === '0'
  if (forced) throw new Error(`Expected VITEST_KUBERNETES_OFFLINE to be "1" or "0", got "${forced}".`)
  const image = await k3sImage(kit, env)
  if (await kit.imageExists(image)) return true
  return kit.step(`find out whether images can be pulled (${image})`, () => pullBegins(image))
}

async function k3sImage(kit: Kit, env: NodeJS.ProcessEnv): Promise<string> {
  const output = await kit.run('k3d', ['version'], { env })
  const version = /^k3s version (\S+)/m.exec(output)?.[1]
  if (version === undefined) throw new Error(`"k3d version" does not name a version of k3s:\n${output}`)
  return `rancher/k3s:${version}`
}

/** A first layer under way answers the question. The engine goes on with it, and the first cluster finds it. */
function pullBegins(image: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const pull = spawn('docker', ['pull', image], { stdio: ['ignore', 'pipe', 'ignore'], timeout: PULL_TIMEOUT })
    pull.stdout.on('data', (chunk: Buffer) => {
      if (/Pulling fs layer|Already exists|Digest:/.test(chunk.toString())) resolve(true)
    })
    pull.on('error', reject)
    pull.on('close', (code) => resolve(code === 0))
  })
}
