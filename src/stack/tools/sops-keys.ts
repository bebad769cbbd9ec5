import { readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'

/** Where sops finds age keys. */
export interface SopsKeys {
  /** Absolute path; instead of the variable SOPS_AGE_KEY_FILE. */
  readonly ageKeyFile?: string | undefined
  /** Besides this process's. @default {} */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** A place where sops looks for keys, and what is there; never a key. */
export interface KeySource {
  /** `SOPS_AGE_KEY_FILE ("/home/ann/keys.txt")` */
  readonly name: string
  readonly found: string
  readonly hasKey: boolean
}

/** The places of sops 3.13 in its order. */
export async function readKeySources(env: NodeJS.ProcessEnv): Promise<readonly KeySource[]> {
  const { SOPS_AGE_KEY: key, SOPS_AGE_KEY_FILE: file } = env
  const config = configFolder(env)
  return [
    judgeKey(key),
    file === undefined ? { name: 'SOPS_AGE_KEY_FILE', found: 'not set', hasKey: false } : await judgeFile('SOPS_AGE_KEY_FILE', file),
    ...['SOPS_AGE_KEY_CMD', 'SOPS_AGE_SSH_PRIVATE_KEY_FILE', 'SOPS_AGE_SSH_PRIVATE_KEY_CMD']
      .filter((name) => env[name] !== undefined)
      .map((name) => ({ name, found: 'set', hasKey: true })),
    config === undefined
      ? { name: "sops' own key file", found: 'neither HOME nor XDG_CONFIG_HOME is set, so there is no folder for it', hasKey: false }
      : await judgeFile("sops' own key file", join(config, 'sops/age/keys.txt')),
  ]
}

/** Replaces every key that the variables or their files hold. */
export async function redactKeys(text: string, env: NodeJS.ProcessEnv): Promise<string> {
  const secrets = [env['SOPS_AGE_KEY'] ?? '', await readFile(env['SOPS_AGE_KEY_FILE'] ?? '', 'utf8').catch(() => '')]
    .flatMap((each) => each.split(/\r?\n/))
    .map((line) => line.trim())
    .filter((line) => line.length >= 8 && !line.startsWith('#') && !isPath(line))
  return secrets.reduce((result, secret) => result.replaceAll(secret, '[key]'), text).replaceAll(/AGE-(?:SECRET-KEY|PLUGIN)-\S*/gi, '[key]')
}

function judgeKey(key: string | undefined): KeySource {
  const name = 'SOPS_AGE_KEY'
  if (key === undefined) return { name, found: 'not set', hasKey: false }
  if (key.trim() === '') return { name, found: 'empty', hasKey: false }
  if (countKeys(key) > 0) return { name, found: 'a key that does not fit', hasKey: true }
  const found = isPath(key.trim()) ? 'contains a path instead of a key; use SOPS_AGE_KEY_FILE for a path' : 'contains no age key'
  return { name, found, hasKey: false }
}

async function judgeFile(variable: string, path: string): Promise<KeySource> {
  const name = `${variable} ("${path}")`
  try {
    const count = countKeys(await readFile(path, 'utf8'))
    if (count === 0) return { name, found: 'the file has no age key', hasKey: false }
    return { name, found: count === 1 ? 'a key that does not fit' : `${count} keys, none of which fits`, hasKey: true }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { name, found: code === 'ENOENT' ? 'the file does not exist' : `the file cannot be read: ${code ?? message}`, hasKey: false }
  }
}

function countKeys(text: string): number {
  return text.match(/^\s*AGE-(?:SECRET-KEY|PLUGIN)-/gim)?.length ?? 0
}

function isPath(text: string): boolean {
  return isAbsolute(text) || /^(?:~|\.{0,2}\/|[a-z]:\\)/i.test(text) || text.includes('/')
}

function configFolder(env: NodeJS.ProcessEnv): string | undefined {
  if (env['XDG_CONFIG_HOME']) return env['XDG_CONFIG_HOME']
  if (process.platform === 'win32') return env['AppData']
  if (!env['HOME']) return undefined
  return process.platform === 'darwin' ? join(env['HOME'], 'Library/Application Support') : join(env['HOME'], '.config')
}
