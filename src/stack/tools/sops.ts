import { extname } from 'node:path'

import { ClusterTestError } from '../../support/errors.ts'
import { formatList, lastLines } from '../../support/format.ts'
import { CommandError } from '../../support/run-command.ts'
import { runTool } from './run-tool.ts'
import { type SopsKeys, readKeySources, redactKeys } from './sops-keys.ts'

export interface DecryptOptions extends SopsKeys {
  /** @default the file's own format */
  readonly output?: 'json' | undefined
  readonly signal?: AbortSignal | undefined
}

/** Whether sops has encrypted it: YAML, JSON or dotenv. */
export function isEncrypted(text: string): boolean {
  return /(?:\b|_)mac"?\s*[:=]\s*"?ENC\[AES256_GCM,/.test(text)
}

/**
 * Decrypts a file in memory: the plain text comes through a pipe and is written nowhere.
 * @param text what the file holds
 * @param shown its name in messages
 * @throws ClusterTestError `ERR_SOPS_KEY_NOT_FOUND`, `ERR_SOPS_WRONG_KEY`, `ERR_SOPS_MAC_MISMATCH` or `ERR_SOPS_FAILED`
 */
export async function decryptFile(
  file: string,
  text: string,
  shown: string,
  { output, signal, ...keys }: DecryptOptions = {},
): Promise<string> {
  const format = formats[extname(file)] ?? 'binary'
  const args = ['decrypt', '--input-type', format, '--output-type', output ?? format, file]
  const env = { ...keys.env, ...(keys.ageKeyFile === undefined ? {} : { SOPS_AGE_KEY_FILE: keys.ageKeyFile }) }
  try {
    return await runTool('sops', args, `the encrypted file "${shown}"`, { env, signal })
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    throw await explain(error, text, shown, { ...process.env, ...env })
  }
}

const formats: Readonly<Record<string, string>> = { '.yaml': 'yaml', '.yml': 'yaml', '.json': 'json', '.env': 'dotenv', '.ini': 'ini' }

/** The exit codes of sops (cmd/sops/codes/codes.go, sops 3.13). */
const exitCodes = { decryptingTree: 25, macMismatch: 51, macNotFound: 52, couldNotRetrieveKey: 128 } as const

/** Without the original error: what a program of secrets prints is not passed on unread. */
async function explain({ exitCode, output }: CommandError, text: string, shown: string, env: NodeJS.ProcessEnv): Promise<ClusterTestError> {
  if (exitCode === exitCodes.macMismatch || exitCode === exitCodes.macNotFound || exitCode === exitCodes.decryptingTree)
    return new ClusterTestError('ERR_SOPS_MAC_MISMATCH', `"${shown}" was changed after sops encrypted it: its MAC does not match.`, {
      hint: `Restore the last version that decrypts, and edit it with "sops edit ${shown}".`,
    })
  const recipients = [...text.matchAll(/recipient"?\s*[:=]\s*"?([^"\n]+)/g)].map(([, recipient]) => recipient!.trim())
  const sources = await readKeySources(env)
  if (exitCode !== exitCodes.couldNotRetrieveKey || recipients.length === 0)
    return new ClusterTestError('ERR_SOPS_FAILED', `"${shown}" could not be decrypted: ${await redactKeys(lastLines(output, 5), env)}`)
  const needed = `It is encrypted for ${formatList(recipients)}.`
  const tried = sources.map(({ name, found }) => `\n  ${name}: ${found}`).join('')
  return sources.some(({ hasKey }) => hasKey)
    ? new ClusterTestError('ERR_SOPS_WRONG_KEY', `No key fits "${shown}". ${needed} Tried:${tried}`, {
        hint: 'Put the key of one of these recipients into SOPS_AGE_KEY_FILE, or have the file encrypted for your key too: "sops updatekeys".',
      })
    : new ClusterTestError('ERR_SOPS_KEY_NOT_FOUND', `There is no key to decrypt "${shown}". ${needed} Tried:${tried}`, {
        hint: 'Set SOPS_AGE_KEY_FILE to the path of a key file, or SOPS_AGE_KEY to the key itself.',
      })
}
