import type { TestCluster } from '../client/test-cluster.ts'
import type { StartedTestContainer } from '../docker/container-types.ts'
import type { KubeObject } from '../kube/object.ts'
import { nodeApp } from './node-app.ts'

/** A pod that waits for scripts. */
export const client: KubeObject = nodeApp('client', {}, 'process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000)')[0]!

/** Runs a script of Node.js in a pod and resolves to what it returns. */
export async function runInCluster<T>(
  cluster: TestCluster,
  script: string,
  workload = 'deployment/client',
  container?: string,
): Promise<T> {
  const { stdout } = await cluster.exec(workload, commandOf(script), container ? { container } : {})
  return JSON.parse(stdout) as T
}

/** The same in a local container. */
export async function runInLocal<T>(container: StartedTestContainer, script: string): Promise<T> {
  const { stdout, stderr, exitCode } = await container.exec(commandOf(script))
  if (exitCode !== 0) throw new Error(`The script in the local container ended with exit code ${exitCode}: ${stderr}`)
  return JSON.parse(stdout) as T
}

function commandOf(script: string): string[] {
  const wrapped = `const result = await (async () => { ${script} })(); process.stdout.write(JSON.stringify(result ?? null), () => process.exit(0))`
  return ['node', '--input-type=module', '-e', wrapped]
}

/** GET from a pod, each time on a connection of its own. */
export function fetchInCluster(
  cluster: TestCluster,
  url: string,
  times = 1,
  from?: { workload: string; container: string },
): Promise<string[]> {
  return runInCluster(
    cluster,
    `const answers = []
    for (let i = 0; i < ${times}; i++) {
      const response = await fetch(${JSON.stringify(url)}, { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) })
      answers.push(await response.text())
    }
    return answers`,
    from?.workload,
    from?.container,
  )
}

/** What a pod gets from URLs: `http:`, or `udp:` of something that echoes. */
export function callInCluster(cluster: TestCluster, from: string, urls: readonly string[], patience = 20_000): Promise<string[]> {
  const script = `const { createSocket } = await import('node:dgram')
    const http = (url) => fetch(url, { signal: AbortSignal.timeout(${patience}) }).then(async (a) => (await a.text(), 'answered')).catch((e) => (e.name === 'TimeoutError' ? 'silent' : 'broken'))
    const udp = ({ hostname, port }) => new Promise((resolve) => {
      const socket = createSocket('udp4').on('message', () => end('answered')).on('error', () => end('broken'))
      const again = setInterval(() => socket.send('x', port, hostname), 200)
      const late = setTimeout(() => end('silent'), ${patience})
      const end = (text) => { clearInterval(again); clearTimeout(late); socket.close(); resolve(text) }
    })
    return Promise.all(${JSON.stringify(urls)}.map((url) => (url.startsWith('udp') ? udp(new URL(url)) : http(url))))`
  return runInCluster(cluster, script, from)
}
