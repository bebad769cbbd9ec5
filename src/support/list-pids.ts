import { readdir } from 'node:fs/promises'

/** All processes that this one sees (proc(5)): on Linux only. */
export async function listPids(): Promise<readonly number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
}
