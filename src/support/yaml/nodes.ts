import { YamlError } from './cursor.ts'
import { type Token, type TokenKind, type Tokens, createTokens, nextToken, peekToken } from './tokens.ts'

export type Node = ScalarNode | SequenceNode | MappingNode | AliasNode

export interface ScalarNode {
  readonly kind: 'scalar'
  readonly line: number
  readonly value: string
  readonly tag: string | undefined
  /** Whether its value says what it is: it has neither quotes nor a tag. */
  readonly isImplicit: boolean
}

export interface SequenceNode {
  readonly kind: 'sequence'
  readonly line: number
  readonly items: readonly Node[]
}

export interface MappingNode {
  readonly kind: 'mapping'
  readonly line: number
  readonly entries: readonly (readonly [Node, Node])[]
}

export interface AliasNode {
  readonly kind: 'alias'
  readonly line: number
  readonly name: string
  readonly target: Node
}

/** Deeper ones are refused by API servers anyway. */
const deepest = 1000

/**
 * The nodes of a text that holds one document.
 * @throws YamlError
 */
export function parseNodes(text: string, line: number): Node {
  const tokens = createTokens(text, line)
  const reader: NodeReader = { tokens, anchors: new Map(), depth: 0 }
  const root = readRoot(reader)
  refuseMore(tokens)
  return root
}

/** kubectl would not look at it. */
function refuseMore(tokens: Tokens): void {
  const next = nextToken(tokens)
  const isOver = next.kind === 'end' || (next.kind === 'document end' && /^(?:\s|#.*)*$/.test(tokens.text.slice(tokens.at)))
  if (!isOver) throw new YamlError('text stands behind the end of the document', next.line)
}

interface NodeReader {
  readonly tokens: Tokens
  readonly anchors: Map<string, Node>
  depth: number
}

function readRoot(reader: NodeReader): Node {
  const { tokens } = reader
  const isExplicit = peekToken(tokens).kind === 'document start'
  if (isExplicit) nextToken(tokens)
  const { kind, line } = peekToken(tokens)
  const isEmpty = kind === 'end' || (isExplicit && ['document start', 'document end'].includes(kind))
  return isEmpty ? empty(line) : readNode(reader, { isBlock: true })
}

function readNode(reader: NodeReader, { isBlock = false, mayLackIndent = false }): Node {
  const { tokens } = reader
  const first = peekToken(tokens)
  if (first.kind === 'alias') {
    nextToken(tokens)
    const target = reader.anchors.get(first.value)
    if (!target) throw new YamlError(`there is no anchor "&${first.value}" before "*${first.value}"`, first.line)
    return { kind: 'alias', line: first.line, name: first.value, target }
  }
  const anchor = takeProperty(tokens, 'anchor')
  const tag = takeProperty(tokens, 'tag')
  const { value: name } = anchor ?? takeProperty(tokens, 'anchor') ?? {}
  const keep = <T extends Node>(node: T): T => {
    if (name !== undefined) reader.anchors.set(name, node)
    return node
  }
  const { kind, line } = peekToken(tokens)
  if (kind === 'scalar') {
    const { value, isPlain } = nextToken(tokens)
    return keep({ kind, line, value, tag: tag?.value, isImplicit: tag === undefined ? isPlain : tag.value === '!' })
  }
  if (kind === '[' || (mayLackIndent && kind === 'entry') || (isBlock && kind === 'sequence start')) {
    const items: Node[] = []
    // Known before it is complete: an alias in it means itself.
    const node = keep({ kind: 'sequence', line, items })
    deeper(reader, line, kind === '[' ? () => readFlowSequence(reader, items) : () => readSequence(reader, items, kind === 'entry'))
    return node
  }
  if (kind === '{' || (isBlock && kind === 'mapping start')) {
    const entries: (readonly [Node, Node])[] = []
    const node = keep({ kind: 'mapping', line, entries })
    deeper(reader, line, kind === '{' ? () => readFlowMapping(reader, entries) : () => readMapping(reader, entries))
    return node
  }
  if (name === undefined && tag === undefined) throw unexpected(peekToken(tokens), 'a value')
  return keep({ ...empty(line), tag: tag?.value, isImplicit: tag === undefined })
}

function takeProperty(tokens: Tokens, kind: 'anchor' | 'tag'): Token | undefined {
  return peekToken(tokens).kind === kind ? nextToken(tokens) : undefined
}

function deeper(reader: NodeReader, line: number, read: () => void): void {
  if (++reader.depth > deepest) throw new YamlError(`values are nested deeper than ${deepest} levels`, line)
  read()
  reader.depth--
}

const afterEntry: readonly TokenKind[] = ['entry', 'key', 'value', 'block end']
const afterKey: readonly TokenKind[] = ['key', 'value', 'block end']

function readSequence(reader: NodeReader, items: Node[], lacksIndent: boolean): void {
  const { tokens } = reader
  if (!lacksIndent) nextToken(tokens)
  const ends = lacksIndent ? afterEntry : (['entry', 'block end'] as const)
  while (peekToken(tokens).kind === 'entry') {
    nextToken(tokens)
    items.push(readUnless(reader, ends, { isBlock: true }))
  }
  if (lacksIndent) return
  if (peekToken(tokens).kind !== 'block end') throw unexpected(peekToken(tokens), 'a "-" of the list')
  nextToken(tokens)
}

function readMapping(reader: NodeReader, entries: (readonly [Node, Node])[]): void {
  const { tokens } = reader
  const within = { isBlock: true, mayLackIndent: true }
  nextToken(tokens)
  while (peekToken(tokens).kind === 'key') {
    nextToken(tokens)
    const key = readUnless(reader, afterKey, within)
    entries.push([key, takeValue(tokens) ? readUnless(reader, afterKey, within) : empty(key.line)])
  }
  if (peekToken(tokens).kind !== 'block end') throw unexpected(peekToken(tokens), 'a key')
  nextToken(tokens)
}

function readFlowSequence(reader: NodeReader, items: Node[]): void {
  readFlow(reader, ']', () => {
    const { tokens } = reader
    const { kind, line } = peekToken(tokens)
    items.push(kind === 'key' ? { kind: 'mapping', line, entries: [readPair(reader, ']')] } : readNode(reader, {}))
  })
}

function readFlowMapping(reader: NodeReader, entries: (readonly [Node, Node])[]): void {
  readFlow(reader, '}', () => {
    const { kind, line } = peekToken(reader.tokens)
    entries.push(kind === 'key' ? readPair(reader, '}') : [readNode(reader, {}), empty(line)])
  })
}

function readFlow({ tokens }: NodeReader, end: ']' | '}', readEntry: () => void): void {
  const { line } = nextToken(tokens)
  for (let isFirst = true; peekToken(tokens).kind !== end; isFirst = false) {
    if (!isFirst) {
      if (peekToken(tokens).kind !== ',') throw unexpected(peekToken(tokens), `"," or "${end}" of the bracket of line ${line}`)
      nextToken(tokens)
      if (peekToken(tokens).kind === end) break
    }
    readEntry()
  }
  nextToken(tokens)
}

function readPair(reader: NodeReader, end: ']' | '}'): readonly [Node, Node] {
  const { line } = nextToken(reader.tokens)
  const isKeyEmpty = ['value', ',', end].includes(peekToken(reader.tokens).kind)
  // As Go's reader does (yaml_parser_parse_flow_sequence_entry_mapping_key, go-yaml 2 and 3): what stands in place of the key is lost.
  if (isKeyEmpty && end === ']') nextToken(reader.tokens)
  const key = isKeyEmpty ? empty(line) : readNode(reader, {})
  return [key, takeValue(reader.tokens) ? readUnless(reader, [',', end], {}) : empty(key.line)]
}

function takeValue(tokens: Tokens): boolean {
  const isThere = peekToken(tokens).kind === 'value'
  if (isThere) nextToken(tokens)
  return isThere
}

function readUnless(reader: NodeReader, kinds: readonly TokenKind[], context: Parameters<typeof readNode>[1]): Node {
  const { kind, line } = peekToken(reader.tokens)
  return kinds.includes(kind) ? empty(line) : readNode(reader, context)
}

function empty(line: number): ScalarNode {
  return { kind: 'scalar', line, value: '', tag: undefined, isImplicit: true }
}

const names: Partial<Record<TokenKind, string>> = {
  entry: '"-"',
  value: 'a colon',
  'block end': 'the end of the block',
  end: 'the end',
  scalar: 'text',
}

function unexpected({ kind, line, value }: Token, expected: string): YamlError {
  if (kind === 'mapping start' || kind === 'sequence start')
    return new YamlError(`this line is indented as none before it: ${expected} should stand here`, line)
  const what =
    kind === 'scalar' && value !== '' ? `"${value.slice(0, 40)}"` : (names[kind] ?? (kind.length === 1 ? `"${kind}"` : `a ${kind}`))
  return new YamlError(`${what} stands where ${expected} should`, line)
}
