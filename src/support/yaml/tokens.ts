import { type Cursor, YamlError, breaks, charAt, columnOf, isAtDocumentMark, isBlank, isBreak, isGap, take, takeBreak } from './cursor.ts'
import { scanBlockScalar } from './scan-block-scalar.ts'
import { scanPlain, scanQuoted } from './scan-flow-scalar.ts'
import { scanName, scanTag } from './scan-property.ts'

export type TokenKind =
  | ('[' | ']' | '{' | '}' | ',')
  | ('key' | 'value' | 'entry' | 'sequence start' | 'mapping start' | 'block end')
  | ('scalar' | 'alias' | 'anchor' | 'tag')
  | ('document start' | 'document end' | 'end')

export interface Token {
  readonly kind: TokenKind
  readonly line: number
  /** Of scalars, names and tags. */
  readonly value: string
  /** Of a scalar: whether it has no quotes. */
  readonly isPlain: boolean
}

/** Something that turns out to be a key when a colon follows it on its line. */
interface PossibleKey {
  /** Number of its token. */
  readonly token: number
  readonly at: number
  readonly line: number
  readonly column: number
  /** Where nothing else than a key can be. */
  readonly isRequired: boolean
  isPossible: boolean
}

/** The tokens of one document, read as they are asked for. */
export interface Tokens extends Cursor {
  readonly queue: Token[]
  taken: number
  /** Column of the innermost block collection, -1 for none. */
  indent: number
  readonly outerIndents: number[]
  /** One for each bracket that is open, and one for outside of them. */
  readonly keys: (PossibleKey | undefined)[]
  mayBeginKey: boolean
}

export function createTokens(text: string, line: number): Tokens {
  return { text, at: 0, line, lineStart: 0, queue: [], taken: 0, indent: -1, outerIndents: [], keys: [undefined], mayBeginKey: true }
}

export function peekToken(tokens: Tokens): Token {
  while (tokens.queue.length === 0 || tokens.keys.some((key) => key?.token === tokens.taken && isStillPossible(tokens, key))) fetch(tokens)
  return tokens.queue[0]!
}

export function nextToken(tokens: Tokens): Token {
  const token = peekToken(tokens)
  tokens.queue.shift()
  tokens.taken++
  return token
}

const isInFlow = ({ keys }: Tokens) => keys.length > 1

function fetch(tokens: Tokens): void {
  skipToToken(tokens)
  closeBlocks(tokens, columnOf(tokens))
  const char = charAt(tokens)
  const next = charAt(tokens, 1)
  if (char === '') return fetchEnd(tokens)
  if (columnOf(tokens) === 0 && char === '%') throw new YamlError('directives such as %YAML are not read', tokens.line)
  if (isAtDocumentMark(tokens)) return fetchDocumentMark(tokens)
  if (char === '[' || char === '{') return openFlow(tokens, char)
  if (char === ']' || char === '}') return closeFlow(tokens, char)
  if (char === ',') return fetchIndicator(tokens, ',', true)
  if (char === '-' && isGap(next)) return fetchBlockIndicator(tokens, 'entry')
  if (char === '?' && (isInFlow(tokens) || isGap(next))) return fetchBlockIndicator(tokens, 'key')
  if (char === ':' && (isInFlow(tokens) || isGap(next))) return fetchValue(tokens)
  if (char === '*') return fetchText(tokens, 'alias', scanName)
  if (char === '&') return fetchText(tokens, 'anchor', scanName)
  if (char === '!') return fetchText(tokens, 'tag', scanTag)
  if ((char === '|' || char === '>') && !isInFlow(tokens)) return fetchBlockScalar(tokens)
  if (char === "'" || char === '"') return fetchText(tokens, 'scalar', scanQuoted)
  const beginsPlain = char === '-' ? !isBlank(next) : char === '?' || char === ':' ? !isInFlow(tokens) : !'\t#|>%@`'.includes(char)
  if (beginsPlain) return fetchPlain(tokens)
  throw new YamlError(
    char === '\t' ? 'a tab stands where lines are indented' : `"${char}" cannot begin text: put it in quotes`,
    tokens.line,
  )
}

const comment = new RegExp(`#[^${breaks}]*`, 'y')

function skipToToken(tokens: Tokens): void {
  for (;;) {
    while (charAt(tokens) === ' ' || (charAt(tokens) === '\t' && (isInFlow(tokens) || !tokens.mayBeginKey))) tokens.at++
    if (charAt(tokens) === '#') take(tokens, comment)
    if (!isBreak(charAt(tokens))) return
    takeBreak(tokens)
    if (!isInFlow(tokens)) tokens.mayBeginKey = true
  }
}

function add(tokens: Tokens, kind: TokenKind, { line = tokens.line, value = '', isPlain = false, number = Infinity } = {}): void {
  tokens.queue.splice(number - tokens.taken, 0, { kind, line, value, isPlain })
}

function fetchEnd(tokens: Tokens): void {
  closeBlocks(tokens, -1)
  dropKey(tokens)
  tokens.mayBeginKey = false
  add(tokens, 'end')
}

function fetchDocumentMark(tokens: Tokens): void {
  closeBlocks(tokens, -1)
  dropKey(tokens)
  tokens.mayBeginKey = false
  add(tokens, charAt(tokens) === '-' ? 'document start' : 'document end')
  tokens.at += 3
}

function openFlow(tokens: Tokens, kind: '[' | '{'): void {
  noteKey(tokens)
  tokens.keys.push(undefined)
  add(tokens, kind)
  tokens.mayBeginKey = true
  tokens.at++
}

function closeFlow(tokens: Tokens, kind: ']' | '}'): void {
  dropKey(tokens)
  if (isInFlow(tokens)) tokens.keys.pop()
  add(tokens, kind)
  tokens.mayBeginKey = false
  tokens.at++
}

function fetchIndicator(tokens: Tokens, kind: TokenKind, mayBeginKey: boolean): void {
  dropKey(tokens)
  tokens.mayBeginKey = mayBeginKey
  add(tokens, kind)
  tokens.at++
}

function fetchBlockIndicator(tokens: Tokens, kind: 'entry' | 'key'): void {
  if (!isInFlow(tokens)) {
    if (!tokens.mayBeginKey) throw new YamlError(`"${charAt(tokens)}" begins an entry where none can be`, tokens.line)
    openBlock(tokens, kind === 'entry' ? 'sequence start' : 'mapping start', columnOf(tokens))
  }
  fetchIndicator(tokens, kind, kind === 'entry' || !isInFlow(tokens))
}

function fetchValue(tokens: Tokens): void {
  const key = tokens.keys.at(-1)
  if (key && isStillPossible(tokens, key)) {
    add(tokens, 'key', { line: key.line, number: key.token })
    openBlock(tokens, 'mapping start', key.column, { line: key.line, number: key.token })
    key.isPossible = false
    tokens.mayBeginKey = false
  } else {
    if (!isInFlow(tokens)) {
      if (!tokens.mayBeginKey) throw new YamlError('a colon stands where no key can be: text with ": " in it needs quotes', tokens.line)
      openBlock(tokens, 'mapping start', columnOf(tokens))
    }
    tokens.mayBeginKey = !isInFlow(tokens)
  }
  add(tokens, 'value')
  tokens.at++
}

function fetchText(tokens: Tokens, kind: 'alias' | 'anchor' | 'tag' | 'scalar', scan: (tokens: Tokens) => string): void {
  noteKey(tokens)
  tokens.mayBeginKey = false
  const { line } = tokens
  add(tokens, kind, { line, value: scan(tokens) })
}

function fetchPlain(tokens: Tokens): void {
  noteKey(tokens)
  const { line } = tokens
  const { value, endsLine } = scanPlain(tokens, { indent: tokens.indent + 1, isInFlow: isInFlow(tokens) })
  tokens.mayBeginKey = endsLine
  add(tokens, 'scalar', { line, value, isPlain: true })
}

function fetchBlockScalar(tokens: Tokens): void {
  dropKey(tokens)
  tokens.mayBeginKey = true
  const { line } = tokens
  add(tokens, 'scalar', { line, value: scanBlockScalar(tokens, tokens.indent) })
}

function openBlock(
  tokens: Tokens,
  kind: 'sequence start' | 'mapping start',
  column: number,
  place?: { line: number; number: number },
): void {
  if (isInFlow(tokens) || tokens.indent >= column) return
  tokens.outerIndents.push(tokens.indent)
  tokens.indent = column
  add(tokens, kind, place)
}

function closeBlocks(tokens: Tokens, column: number): void {
  while (!isInFlow(tokens) && tokens.indent > column) {
    add(tokens, 'block end')
    tokens.indent = tokens.outerIndents.pop()!
  }
}

function noteKey(tokens: Tokens): void {
  if (!tokens.mayBeginKey) return
  const column = columnOf(tokens)
  const isRequired = !isInFlow(tokens) && tokens.indent === column
  dropKey(tokens)
  const token = tokens.taken + tokens.queue.length
  tokens.keys[tokens.keys.length - 1] = { token, at: tokens.at, line: tokens.line, column, isRequired, isPossible: true }
}

function dropKey(tokens: Tokens): void {
  const key = tokens.keys.at(-1)
  if (key?.isPossible && key.isRequired) throw noColon(key)
  if (key) key.isPossible = false
}

/** A key and its colon stand on one line, at most 1024 characters from each other. */
function isStillPossible(tokens: Tokens, key: PossibleKey): boolean {
  if (!key.isPossible) return false
  if (key.line === tokens.line && key.at + 1024 >= tokens.at) return true
  if (key.isRequired) throw noColon(key)
  key.isPossible = false
  return false
}

function noColon({ line }: PossibleKey): YamlError {
  return new YamlError('a key stands here, and no colon follows it', line)
}
