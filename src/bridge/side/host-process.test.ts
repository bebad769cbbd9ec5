import { expect, test } from 'vitest'

import { createOwner } from '../../cluster/ownership/owner.ts'
import type { BridgeParts } from '../parts.ts'
import { startHostProcess } from './host-process.ts'

/** Of no cluster: what is tested here fails before anything of it is needed. */
const parts = { addresses: () => [], owner: createOwner(), trackChild: () => {}, onProblem: () => {} } as unknown as BridgeParts

const start = (command: readonly string[], cwd: string) =>
  startHostProcess(parts, {
    ...{ command, cwd, env: {}, namespace: 'default' },
    ports: [{ port: 80, protocol: 'tcp', local: 1, name: undefined }] as never,
    ...{ timeout: 10_000, signal: AbortSignal.timeout(10_000) },
  })

test('names the folder in which a command cannot be started', async () => {
  await expect(start(['node', 'app.js'], '/no/such/folder')).rejects.toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Command "node app.js" cannot be started in "/no/such/folder": the folder does not exist.
    Hint: Option \`cwd\` is relative to the test file.]
  `)
  await expect(start(['node', 'app.js'], import.meta.filename)).rejects.toThrow(': that is no folder.\nHint: ')
})

test('names the program that does not exist', async () => {
  await expect(start(['no-such-program', '--port', '80'], import.meta.dirname)).rejects.toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Command "no-such-program --port 80" could not be started: there is no program "no-such-program".
    Hint: It is looked up on PATH, and a path of its own is relative to \`cwd\`. There is no shell: for pipes and variables say ["sh", "-c", "…"].]
  `)
})
