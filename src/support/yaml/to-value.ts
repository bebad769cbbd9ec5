import { rawJson } from '../exact-json.ts'
import { YamlError } from './cursor.ts'
import type { AliasNode, MappingNode, Node, ScalarNode } from './nodes.ts'
import { resolveScalar } from './resolve-scalar.ts'

/** A key that stands twice in a mapping: the later value counts. */
export interface DoubleKey {
  readonly key: string
  readonly line: number
}

/** What a document holds. */
export interface Content {
  readonly value: unknown
  readonly doubleKeys: readonly DoubleKey[]
}

/**
 * Turns nodes into plain data as kubectl does: keys become text, merges and later keys take the place of what is there, aliases
 * are copies.
 * @throws YamlError
 */
export function toValue(root: Node): Content {
  const builder: Builder = { active: new Set(), built: 0, ofAliases: 0, doubleKeys: [] }
  return { value: toJson(build(builder, root)), doubleKeys: builder.doubleKeys }
}

interface Builder {
  /** Aliases whose targets are being built. */
  readonly active: Set<AliasNode>
  built: number
  ofAliases: number
  readonly doubleKeys: DoubleKey[]
}

/** What JSON cannot hold, which is no error where a later key takes its place. */
interface Problem {
  readonly problem: YamlError
}

type Built = string | boolean | bigint | number | null | Problem | Built[] | Map<string | symbol, Built>

function build(builder: Builder, node: Node): Built {
  count(builder, node)
  switch (node.kind) {
    case 'alias':
      return withAlias(builder, node, () => build(builder, node.target))
    case 'sequence':
      return node.items.map((item) => build(builder, item))
    case 'mapping':
      return fill(builder, node, new Map())
    case 'scalar': {
      const value = resolveScalar(node)
      if (typeof value !== 'number' || Number.isFinite(value)) return value
      return { problem: new YamlError(`${node.value} is no number that JSON can hold`, node.line) }
    }
  }
}

/** The bounds of yaml.v2: a document of a few lines must not become gigabytes. */
function count(builder: Builder, { line }: Node): void {
  builder.built++
  if (builder.active.size > 0) builder.ofAliases++
  const allowed = Math.min(0.99, Math.max(0.1, 0.99 - (0.89 * (builder.built - 400_000)) / 3_600_000))
  if (builder.ofAliases > 100 && builder.built > 1000 && builder.ofAliases / builder.built > allowed)
    throw new YamlError('aliases make more than a document may have', line)
}

function withAlias<T>({ active }: Builder, alias: AliasNode, work: () => T): T {
  if (active.has(alias)) throw new YamlError(`anchor "&${alias.name}" contains itself`, alias.line)
  active.add(alias)
  const result = work()
  active.delete(alias)
  return result
}

function fill(builder: Builder, { entries }: MappingNode, into: Map<string | symbol, Built>): Map<string | symbol, Built> {
  const own = new Set<string>()
  for (const [keyNode, valueNode] of entries) {
    if (isMerge(keyNode)) merge(builder, valueNode, into)
    else {
      const key = toKey(builder, keyNode)
      const value = build(builder, valueNode)
      if (typeof key !== 'string') into.set(Symbol('no key'), key)
      else {
        if (own.has(key)) builder.doubleKeys.push({ key, line: keyNode.line })
        own.add(key)
        into.set(key, value)
      }
    }
  }
  return into
}

function isMerge(node: Node): boolean {
  return node.kind === 'scalar' && node.value === '<<' && (node.isImplicit || node.tag === 'tag:yaml.org,2002:merge')
}

function merge(builder: Builder, node: Node, into: Map<string | symbol, Built>): void {
  if (node.kind === 'sequence') {
    // The first one counts most.
    for (const item of node.items.toReversed()) mergeOne(builder, item, into)
  } else mergeOne(builder, node, into)
}

function mergeOne(builder: Builder, node: Node, into: Map<string | symbol, Built>): void {
  count(builder, node)
  const target = node.kind === 'alias' ? node.target : node
  if (target.kind !== 'mapping') throw new YamlError('"<<" needs a mapping, or a list of mappings', node.line)
  if (node.kind === 'alias') {
    withAlias(builder, node, () => {
      count(builder, target)
      fill(builder, target, into)
    })
  } else fill(builder, target, into)
}

function toKey(builder: Builder, node: Node): string | Problem {
  const scalar = node.kind === 'alias' ? node.target : node
  if (scalar.kind === 'sequence' || scalar.kind === 'mapping')
    throw new YamlError('a key is a list or a mapping: text that begins with "{" or "[" needs quotes', node.line)
  count(builder, node)
  const value = resolveScalar(scalar as ScalarNode)
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatFloat(value)
  if (value === null) return { problem: new YamlError('a key is empty', node.line) }
  if (typeof value === 'bigint' && value >= 2n ** 63n) return { problem: new YamlError(`key ${value} has more than 63 bits`, node.line) }
  return String(value)
}

/** As Go's strconv.FormatFloat(value, 'g', -1, 32). */
function formatFloat(value: number): string {
  const short = Math.fround(value)
  if (Number.isNaN(short)) return '.nan'
  if (!Number.isFinite(short)) return short > 0 ? '.inf' : '-.inf'
  if (short === 0) return Object.is(short, -0) ? '-0' : '0'
  let precision = 1
  while (Math.fround(Number(short.toPrecision(precision))) !== short) precision++
  const [digits, exponent] = short.toExponential(precision - 1).split('e') as [string, string]
  const power = Number(exponent)
  if (power >= -4 && power < 6) return String(Number(`${digits}e${power}`))
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

/** Integers that a double holds become numbers; larger ones go to the server digit by digit. */
function toJson(value: Built): unknown {
  if (typeof value === 'bigint')
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : rawJson(String(value))
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(toJson)
  if (!(value instanceof Map)) throw value.problem
  // Not by assignment: "__proto__" is a key like any other.
  return Object.fromEntries(Array.from(value, ([key, each]) => [key, toJson(each)]))
}
