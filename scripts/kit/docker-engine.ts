import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { goBuild } from './go-build.ts'
import type { Kit } from './kit.ts'

const START_TIMEOUT = 60_000
const KNOWN_CAPABILITIES = 41

/** Uses the Docker Engine that answers. Where none does, installs and starts one if this is Debian and we are root. */
export async function ensureDockerEngine(kit: Kit): Promise<string> {
  const version = await engineVersion(kit)
  if (version !== undefined) return version
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(
      'No Docker Engine answers. Start Docker, or set DOCKER_HOST to an engine that runs, and check that this user may use it: `docker version`.',
    )
  }
  if (!existsSync('/usr/sbin/dockerd') && !existsSync('/usr/bin/dockerd')) {
    await kit.step('install Docker Engine from Debian packages', () => installPackages(kit, ['docker.io']))
  }
  return kit.step('start Docker Engine', () => startEngine(kit))
}

export async function installPackages(kit: Kit, packages: readonly string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await kit.run('apt-get', ['update', '--quiet'], { env })
  await kit.run('apt-get', ['install', '--yes', '--quiet', '--no-install-recommends', ...packages], { env })
}

async function engineVersion(kit: Kit): Promise<string | undefined> {
  if (process.env['DOCKER_HOST'] === undefined && process.platform === 'linux' && !existsSync('/var/run/docker.sock')) {
    return undefined
  }
  try {
    return (await kit.run('docker', ['version', '--format', '{{.Server.Version}}'])).trim()
  } catch (error) {
    kit.log(`Docker Engine does not answer: ${String(error).split('\n').at(-1)?.trim()}`)
    return undefined
  }
}

async function startEngine(kit: Kit): Promise<string> {
  await mkdir(kit.cache, { recursive: true })
  const logFile = join(kit.cache, 'dockerd.log')
  const log = openSync(logFile, 'a')
  await Promise.all(pidFiles.map(({ path, program }) => removeStale(path, program)))
  const daemon = spawn('dockerd', await runtimeFlags(kit), { detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  const end = new AbortController()
  daemon.on('error', (error) => end.abort(error))
  daemon.on('exit', (code) => end.abort(new Error(`dockerd ended with exit code ${code}.`)))
  daemon.unref()
  try {
    return await engineAnswers(kit, end.signal)
  } catch (cause) {
    const lines = (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-15)
    throw new Error(`Docker Engine did not start. The end of "${logFile}":\n    ${lines.join('\n    ')}`, { cause })
  }
}

/** What an engine that was killed leaves: the next one takes any process with that number for its own, and does not start. */
const pidFiles = [
  { path: '/var/run/docker.pid', program: 'dockerd' },
  { path: '/var/run/docker/containerd/containerd.pid', program: 'containerd' },
]

async function removeStale(path: string, program: string): Promise<void> {
  const pid = await readFile(path, 'utf8').catch(() => '')
  if (!pid) return
  const [, name, state] = /^\d+ \((.*)\) (\S)/.exec(await readFile(`/proc/${pid.trim()}/stat`, 'utf8').catch(() => '')) ?? []
  // A process that nobody has waited for (Z) still has its number.
  if (name !== program || state === 'Z') await rm(path, { force: true })
}

async function engineAnswers(kit: Kit, ended: AbortSignal): Promise<string> {
  const deadline = performance.now() + START_TIMEOUT
  while (performance.now() < deadline) {
    ended.throwIfAborted()
    if (existsSync('/var/run/docker.sock')) {
      const version = await engineVersion(kit)
      if (version !== undefined) return version
    }
    await sleep(100)
  }
  throw new Error(`Docker Engine did not answer within ${START_TIMEOUT / 1000} s.`)
}

/** Engine 20.10 cannot start privileged containers where the bounding set lacks a capability; see runc-bounded/main.go. */
async function runtimeFlags(kit: Kit): Promise<string[]> {
  const status = await readFile('/proc/self/status', 'utf8')
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  const known = (1n << BigInt(KNOWN_CAPABILITIES)) - 1n
  if ((bounding & known) === known) return []
  kit.log('This machine lacks capabilities: its Docker Engine runs containers without them (default runtime "runc-bounded").')
  const [folder] = await goBuild(kit, { module: 'scripts/kit/runc-bounded', packages: ['.'] })
  return ['--add-runtime', `runc-bounded=${join(folder, 'runc-bounded')}`, '--default-runtime', 'runc-bounded']
}
