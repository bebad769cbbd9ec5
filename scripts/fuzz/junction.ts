// Compares what passes a junction with what passes without one: node scripts/fuzz/junction.ts [seconds] [seed]
import { startLane } from './http1.ts'
import { startHttp2Lane } from './http2.ts'

export interface FuzzOptions {
  readonly seconds: number
  readonly seed: number
  /** Conversations at the most. */
  readonly count?: number
}

const kinds = ['plain', 'odd', 'body', 'mirror', 'http2'] as const

/** Conversations of random callers with random servers. */
export async function fuzzJunction({
  seconds,
  seed,
  count = Infinity,
}: FuzzOptions): Promise<{ differences: readonly string[]; conversations: number }> {
  const differences: string[] = []
  const onProblem = (error: unknown) =>
    void differences.push(`failed in the junction: ${error instanceof Error ? error.stack : String(error)}`)
  process.on('uncaughtException', onProblem)
  const until = performance.now() + seconds * 1_000
  let conversations = 0
  await using stack = new AsyncDisposableStack()
  stack.defer(() => void process.off('uncaughtException', onProblem))
  await Promise.all(
    kinds.map(async (kind) => {
      const lane = stack.use(await (kind === 'http2' ? startHttp2Lane(onProblem) : startLane(kind, onProblem)))
      while (performance.now() < until && conversations < count) {
        const found = await lane.compare(seed + conversations++)
        if (found) differences.push(`${kind} ${found}`)
      }
    }),
  )
  return { differences, conversations }
}

if (import.meta.main) {
  const [seconds = '60', seed = String(Date.now() % 1_000_000_000)] = process.argv.slice(2)
  console.log(`${seconds} s, seed ${seed}`)
  const { differences, conversations } = await fuzzJunction({ seconds: Number(seconds), seed: Number(seed) })
  for (const each of differences) console.log(`\n${each}`)
  console.log(`\n${conversations} conversations, ${differences.length} differences`)
  process.exitCode = differences.length > 0 ? 1 : 0
}
