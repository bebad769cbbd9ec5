import { existsSync } from 'node:fs'

import { installPackages } from './docker-engine.ts'
import type { Kit } from './kit.ts'
import { isOnPath } from './on-path.ts'

/** Makes sure that there is a shellcheck on PATH: only static checks need it. */
export async function ensureShellcheck(kit: Kit): Promise<void> {
  if (await isOnPath('shellcheck')) return
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    throw new Error('There is no shellcheck on PATH. Install it, such as by "apt-get install shellcheck".')
  await kit.step('install shellcheck', () => installPackages(kit, ['shellcheck']))
}
