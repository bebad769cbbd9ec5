import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { quote } from './sh.ts'

/** Text of sh, ready to run in a container. */
export interface ShellScript {
  /** Of its file, for errors. */
  readonly name: string
  readonly text: string
}

/**
 * A script that runs on nodes, in a file of its own beside the code that uses it. What differs from use to use stands in
 * variables ahead of its text; the script names each of them by `: "${name?}"`. A line `. ./functions.sh` stands for that
 * file, since nodes have none of ours.
 *
 * @param folder `import.meta.dirname`
 */
export function shellScript<Value extends string = never>(
  folder: string,
  name: string,
): (values: Readonly<Record<Value, string | number>>) => ShellScript {
  let text: string | undefined
  return (values) => {
    text ??= readScript(folder, name)
    const header = Object.entries<string | number>(values).map(([key, value]) => `${key}=${quote(String(value))}\n`)
    return { name, text: header.join('') + text }
  }
}

function readScript(folder: string, name: string): string {
  const text = readFileSync(join(folder, name), 'utf8')
  return text.replaceAll(/^\. (\.\.?\/\S+)$/gm, (_, included: string) => readScript(dirname(join(folder, name)), included))
}
