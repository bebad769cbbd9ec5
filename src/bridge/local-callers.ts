import { type PodChoice, sharePods } from './rules/overlap.ts'

/** What runs in place of a workload's pods, as far as it calls others. */
export interface LocalCaller {
  readonly target: PodChoice
  /** Of its own in the cluster's Docker network; none where it calls as everything on this machine does. */
  readonly addresses: readonly string[]
  readonly onProblem: (error: unknown) => void
}

/** The local sides of a cluster's bridges. */
export interface LocalCallers {
  /** Resolves when all who listen have followed, as its disposal does. */
  add(caller: LocalCaller): Promise<AsyncDisposable>
  /** Those in place of pods of a workload. */
  of(pods: PodChoice): readonly LocalCaller[]
  onChange(listener: () => Promise<void>): Disposable
}

export function createLocalCallers(): LocalCallers {
  const all = new Set<LocalCaller>()
  const listeners = new Set<() => Promise<void>>()
  const tell = async () => void (await Promise.all([...listeners].map((listener) => listener())))
  return {
    async add(caller) {
      all.add(caller)
      await tell()
      return {
        async [Symbol.asyncDispose]() {
          all.delete(caller)
          await tell()
        },
      }
    },
    of: (pods) => [...all].filter(({ target }) => sharePods(target, pods)),
    onChange(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
  }
}
