import { spawn } from 'node:child_process'
import { join } from 'node:path'

import { parseExactJson } from '../../src/support/exact-json.ts'
import { goBuild } from '../kit/go-build.ts'
import { createKit } from '../kit/kit.ts'

/** What kubectl makes of a text: its documents as JSON, or an error. */
export interface KubectlAnswer {
  readonly documents: readonly string[]
  readonly error: string | undefined
}

export interface KubectlReader extends Disposable {
  read(texts: readonly (string | Uint8Array)[]): Promise<readonly KubectlAnswer[]>
}

/** Starts the Go program that reads YAML with kubectl's own packages. */
export async function startKubectlReader(): Promise<KubectlReader> {
  const [folder] = await goBuild(createKit(), { module: 'scripts/fuzz/kubectl-yaml', packages: ['.'] })
  const child = spawn(join(folder, 'kubectl-yaml'), { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = linesOf(child.stdout)
  return {
    async read(texts) {
      for (const text of texts) {
        const bytes = Buffer.from(text as string)
        child.stdin.write(`${bytes.length}\n`)
        child.stdin.write(bytes)
      }
      const answers: KubectlAnswer[] = []
      for (const _ of texts) answers.push(parseAnswer((await lines.next()).value!))
      return answers
    },
    [Symbol.dispose]: () => void child.kill(),
  }
}

/** By line feeds alone: node:readline takes U+2028 for one too. */
async function* linesOf(output: AsyncIterable<Buffer>): AsyncGenerator<string, undefined> {
  let chunks: Buffer[] = []
  for await (const chunk of output) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; start = end + 1, end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...chunks, chunk.subarray(start, end)]).toString()
      chunks = []
    }
    chunks.push(chunk.subarray(start))
  }
  return undefined
}

/** The documents as Go has written them: JSON.parse would round integers. */
function parseAnswer(line: string): KubectlAnswer {
  const { documents, error } = parseExactJson(line) as { documents: readonly unknown[] | null; error?: string }
  return { documents: (documents ?? []).map(canonical), error }
}

/** JSON with its keys sorted. */
export function canonical(value: unknown): string {
  const sort = (_: string, each: unknown) =>
    typeof each === 'object' && each !== null && Object.getPrototypeOf(each) === Object.prototype
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each
  return JSON.stringify(value, sort)
}
