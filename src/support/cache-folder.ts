import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where this user's machine keeps what is ours, absolute (XDG Base Directory Specification). */
export function cacheFolder(...path: readonly string[]): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'vitest-kubernetes', ...path)
}
