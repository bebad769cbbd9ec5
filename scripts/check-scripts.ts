import { glob } from 'node:fs/promises'

import { createKit } from './kit/kit.ts'
import { ensureShellcheck } from './kit/shellcheck.ts'

// Scripts are POSIX shell, which is what BusyBox' ash and dash agree on: shellcheck 0.9 knows no dialect of BusyBox.
const kit = createKit()
try {
  await ensureShellcheck(kit)
  const scripts = (await Array.fromAsync(glob('src/**/*.sh'))).toSorted()
  await kit.run('shellcheck', ['--external-sources', '--source-path=SCRIPTDIR', ...scripts, 'scripts/setup'])
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
