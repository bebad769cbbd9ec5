import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { CHECKOUT } from './kit.ts'

/** The version, such as `v3.7.13`, of a module that the go.mod of a folder of the checkout requires. */
export async function moduleVersion(folder: string, module: string): Promise<string> {
  const goMod = await readFile(join(CHECKOUT, folder, 'go.mod'), 'utf8')
  const version = goMod
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/^require /, '')
        .split(' '),
    )
    .find(([path]) => path === module)?.[1]
  if (version === undefined) throw new Error(`"${folder}/go.mod" does not require "${module}".`)
  return version
}
