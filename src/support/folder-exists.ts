import { stat } from 'node:fs/promises'

/** What cannot be looked at does not. */
export async function folderExists(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
}
