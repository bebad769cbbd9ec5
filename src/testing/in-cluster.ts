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
