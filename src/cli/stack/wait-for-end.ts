import { type UpCluster, listUp } from '../../cluster/ownership/kept-clusters.ts'
import { connectDocker } from '../../docker/docker.ts'
import { ClusterTestError } from '../../support/errors.ts'

export interface EndWait extends Disposable {
  /** Resolves when somebody ends the command. Rejects when the stack is not up any more. */
  readonly ended: Promise<undefined>
}

/** Milliseconds between looks at whether the stack is still up. */
const lookInterval = 2_000

export function waitForEnd({ name, stack }: UpCluster, signal: AbortSignal): EndWait {
  const { promise: ended, resolve, reject } = Promise.withResolvers<undefined>()
  // One connection for all looks; whoever looks is told that there is none.
  const docker = connectDocker()
  docker.catch(() => undefined)
  const look = async () => {
    const all = await listUp(await docker)
    if (all.some((each) => each.name === name)) return
    reject(new ClusterTestError('ERR_STACK_NOT_FOUND', `Stack "${stack.name}" was taken down.`))
  }
  // An engine that does not answer says nothing of the stack.
  const timer = setInterval(() => void look().catch(() => undefined), lookInterval)
  signal.addEventListener('abort', () => resolve(undefined), { once: true })
  if (signal.aborted) resolve(undefined)
  ended.catch(() => 'whoever waits is told')
  return { ended, [Symbol.dispose]: () => clearInterval(timer) }
}
