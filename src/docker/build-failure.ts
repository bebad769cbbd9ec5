import { stripVTControlCharacters } from 'node:util'

/** What a build has printed, line by line, without colours. */
export function plainLines(text: string): readonly string[] {
  return stripVTControlCharacters(text)
    .split(/\r?\n|\r/)
    .map((line) => line.trimEnd())
    .filter(Boolean)
}

/** Lines for a message, at most. */
const shown = 20

/** The lines of a failed step that tell why: from the first that speaks of an error on, since package managers end with their usage. */
export function excerpt(lines: readonly string[]): readonly string[] {
  if (lines.length <= shown) return lines
  const first = lines.findIndex((line) =>
    /\berr(?:or)?\b|\bE:|\bfail(?:ed|ure)?\b|\bfatal\b|exception|panic|cannot|could not|not found|no such|denied/i.test(line),
  )
  if (first === -1 || first >= lines.length - shown) return lines.slice(-shown)
  const last = 3
  return [...lines.slice(first, first + shown - last - 1), '…', ...lines.slice(-last)]
}

export interface BuildCommand {
  readonly context: string
  /** Absolute path. */
  readonly dockerfile: string
  readonly target?: string | undefined
  readonly buildArgs?: Readonly<Record<string, string>> | undefined
  readonly network?: string | undefined
}

/** The same build by the Docker CLI. The values of ARGs, which may be secret, come from the environment there. */
export function buildCommand({ context, dockerfile, target, buildArgs = {}, network }: BuildCommand): string {
  const args = ['-f', dockerfile, ...(target ? ['--target', target] : []), ...(network ? ['--network', network] : [])]
  for (const name of Object.keys(buildArgs)) args.push('--build-arg', name)
  return ['docker build', ...[...args, context].map(quote)].join(' ')
}

function quote(word: string): string {
  return /^[\w./:@=+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
