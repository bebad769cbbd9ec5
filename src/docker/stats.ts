import { type Docker, isNotFound, isNotRunning } from './docker.ts'

/** Bytes of memory that a container's processes hold, without caches that the kernel would give back; undefined for one that does not run. */
export async function readMemory(docker: Docker, container: string): Promise<number | undefined> {
  try {
    // "one-shot": without it Docker waits a second for a second sample of the processor's time.
    const { memory_stats } = (await docker.engine.getContainer(container).stats({ stream: false, 'one-shot': true })) as unknown as Stats
    if (memory_stats?.usage === undefined) return undefined
    const { total_inactive_file, inactive_file } = memory_stats.stats ?? {}
    return memory_stats.usage - (total_inactive_file ?? inactive_file ?? 0)
  } catch (error) {
    // It may have gone since it was listed.
    if (isNotFound(error) || isNotRunning(error)) return undefined
    throw error
  }
}

interface Stats {
  readonly memory_stats?: {
    readonly usage?: number
    /** `total_inactive_file` with cgroup v1, `inactive_file` with v2. */
    readonly stats?: { readonly total_inactive_file?: number; readonly inactive_file?: number }
  }
}
