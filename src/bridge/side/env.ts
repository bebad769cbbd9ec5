import { isUtf8 } from 'node:buffer'

/** Which variables of the replaced container the local side gets. */
export interface EnvOptions {
  /** Workload to take the variables from; false for none. @default the bridged one */
  readonly from?: string | false | undefined
  /** Only these; a trailing `*` stands for any end. @default all but those of the container's own system, such as PATH and HOME */
  readonly include?: readonly string[] | undefined
  /** Not these. @default [] */
  readonly exclude?: readonly string[] | undefined
  /** Overrides; null takes a variable away. @default {} */
  readonly set?: Readonly<Record<string, string | null>> | undefined
}

/** They describe the container's image and not the workload: on another image, or on the host, they would be wrong. */
const systemNames = ['PATH', 'HOME', 'PWD', 'OLDPWD', 'SHLVL', 'TERM', 'NODE_OPTIONS', 'LD_PRELOAD', 'LD_LIBRARY_PATH', '_']

export function selectEnv(
  env: Readonly<Record<string, string>>,
  { include, exclude = [], set = {} }: EnvOptions = {},
): Readonly<Record<string, string>> {
  const isWanted = (name: string) =>
    (include ? matchesAny(name, include) : !systemNames.includes(name)) && !matchesAny(name, exclude) && !(name in set)
  const overrides = Object.entries(set).filter((entry): entry is [string, string] => entry[1] !== null)
  return { ...Object.fromEntries(Object.entries(env).filter(([name]) => isWanted(name))), ...Object.fromEntries(overrides) }
}

function matchesAny(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))
}

interface Environ {
  readonly env: Readonly<Record<string, string>>
  /** Names of variables whose value is no text: nothing can be started with them but by the system call itself. */
  readonly broken: readonly string[]
}

/** proc_pid_environ(5) */
export function parseEnviron(bytes: Buffer): Environ {
  const env: Record<string, string> = {}
  const broken: string[] = []
  for (const entry of bytes.toString('latin1').split('\0')) {
    const end = entry.indexOf('=')
    if (end < 0) continue
    const whole = Buffer.from(entry, 'latin1')
    const name = whole.subarray(0, end).toString()
    if (isUtf8(whole)) env[name] = whole.subarray(end + 1).toString()
    else broken.push(name)
  }
  return { env, broken }
}
