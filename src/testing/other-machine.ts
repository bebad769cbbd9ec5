import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

import { connectDocker } from '../docker/docker.ts'
import { randomId } from '../support/identity.ts'
import { createIdentity } from './tls.ts'

const run = promisify(execFile)

/** Whether this process may make one. */
export const canStartOtherMachine = await Promise.all([run('ip', ['netns', 'list']), run('unshare', ['--net', '--mount', 'true'])]).then(
  () => true,
  () => false,
)

/**
 * A network namespace that has nothing but a loopback of its own, and a folder for temporary files that the engine does not see: to what
 * runs in it, Docker is on another machine.
 */
export interface OtherMachine extends AsyncDisposable {
  /** Begins the command line of what is to run there. */
  readonly enter: readonly string[]
  /** For the environment, by how the engine is reached. */
  readonly env: {
    readonly tcp: Readonly<Record<string, string>>
    /** The same with TLS, and certificates of both. */
    readonly tls: Readonly<Record<string, string>>
  }
}

const address = '10.200.200.200'

export async function startOtherMachine(): Promise<OtherMachine> {
  const name = `vk-${randomId()}`
  const namespace = ['ip', 'netns', 'exec', name]
  await using cleanup = new AsyncDisposableStack()
  await run('ip', ['netns', 'add', name])
  cleanup.defer(async () => void (await run('ip', ['netns', 'delete', name])))
  await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  await run('ip', ['-n', name, 'address', 'add', `${address}/32`, 'dev', 'lo'])
  const folder = await mkdtemp(join(tmpdir(), 'other-machine-'))
  cleanup.defer(() => rm(folder, { recursive: true }))
  const [certificates, temporary] = [join(folder, 'certificates'), join(folder, 'temporary')]
  for (const each of [certificates, temporary]) await mkdir(each)
  const [server, client] = [await createIdentity(address), await createIdentity('client')]
  for (const [file, text] of Object.entries({ ca: server.cert, cert: client.cert, key: client.key }))
    await writeFile(join(certificates, `${file}.pem`), text)
  const { socketPath } = (await connectDocker()).engine.modem as { socketPath?: string }
  const options = { host: address, path: socketPath!, tls: { ...server, ca: client.cert } }
  const [program, ...args] = [...namespace, process.execPath, '-e', `(${serveEngine.toString()})(${JSON.stringify(options)})`]
  const proxy = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  cleanup.defer(async () => {
    proxy.stdin.end()
    if (proxy.exitCode === null) await once(proxy, 'exit')
  })
  const [line] = (await once(createInterface({ input: proxy.stdout }), 'line')) as [string]
  const [plain, secure] = line.split(' ')
  const owned = cleanup.move()
  const hide = `mount -t tmpfs none '${temporary}' && export TMPDIR='${temporary}' && exec "$@"`
  return {
    enter: [...namespace, 'unshare', '--mount', 'sh', '-c', hide, 'sh'],
    env: {
      tcp: { DOCKER_HOST: `tcp://${address}:${plain}` },
      tls: { DOCKER_HOST: `tcp://${address}:${secure}`, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: certificates },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

interface EngineOptions {
  readonly host: string
  readonly path: string
  readonly tls: { readonly key: string; readonly cert: string; readonly ca: string }
}

/** In a process of its own: the engine's API at a port, and with TLS at another one, until its standard input ends. */
function serveEngine({ host, path, tls }: EngineOptions): void {
  const net = process.getBuiltinModule('node:net')
  const { createServer } = process.getBuiltinModule('node:tls')
  const serve = (client: import('node:net').Socket) => {
    const upstream = net.connect({ path, allowHalfOpen: true })
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.pipe(upstream).pipe(client)
  }
  const plain = net.createServer({ allowHalfOpen: true }, serve)
  const secure = createServer({ ...tls, requestCert: true, allowHalfOpen: true }, serve)
  const portOf = (server: import('node:net').Server) => (server.address() as import('node:net').AddressInfo).port
  plain.listen(0, host, () => secure.listen(0, host, () => console.log(`${portOf(plain)} ${portOf(secure)}`)))
  process.stdin.on('end', () => process.exit()).resume()
}
