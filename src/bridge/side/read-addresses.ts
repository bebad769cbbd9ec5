// Nothing but Node.js' own modules: this is loaded into other people's processes.
import { readFileSync, statSync } from 'node:fs'

import type { ServiceAddress } from '../../cluster/network/service-address.ts'

/**
 * The addresses in a file that somebody else replaces, as they are whenever it is asked. What was known last stays when the file
 * has gone with the run, or this process may not read it any more.
 */
export function readAddresses(file: string): () => readonly ServiceAddress[] {
  let known: readonly ServiceAddress[] = []
  let seen = ''
  return () => {
    try {
      const { ino, mtimeNs, size } = statSync(file, { bigint: true })
      const version = `${ino} ${mtimeNs} ${size}`
      if (version !== seen) known = JSON.parse(readFileSync(file, 'utf8')) as readonly ServiceAddress[]
      seen = version
    } catch (error) {
      if (!['ENOENT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
    return known
  }
}
