import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { runCommand } from '../support/run-command.ts'

const servers = new URL('../../fixtures/servers/', import.meta.url).pathname

/** Runtimes that not every machine has: what needs them is skipped there, and the report says so. */
export const hasGo = isInstalled('go', 'version')
export const hasPython = isInstalled('python3', '--version')

export const pythonEcho = `${servers}echo.py`

function isInstalled(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args).status === 0
}

/** Builds fixtures/servers/echo, without C, so that it runs on any image and resolves names by itself. */
export async function buildGoEcho(): Promise<AsyncDisposable & { readonly folder: string; readonly program: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
  const program = join(folder, 'echo')
  await runCommand('go', ['-C', `${servers}echo`, 'build', '-trimpath', '-o', program, '.'], {
    env: { CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' },
  })
  return { folder, program, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}
