import { parseExactJson } from '../exact-json.ts'
import { YamlError } from './cursor.ts'
import { type Node, parseNodes } from './nodes.ts'
import { type DoubleKey, toValue } from './to-value.ts'

/** A document of a file. */
export interface YamlDocument {
  /** undefined and null for an empty one. */
  readonly value: unknown
  /** Line that it begins in, from 1 on. */
  readonly line: number
  readonly doubleKeys: readonly DoubleKey[]
  /** Line of a value within. */
  readonly lineOf: (path: readonly (string | number)[]) => number
}

/**
 * Reads a file as kubectl does (k8s.io/apimachinery, pkg/util/yaml): JSON values as long as they are such, then YAML that every
 * line with `---` cuts in two.
 * @param onDocument called with each document before the next one is read
 * @throws YamlError
 */
export function readYaml(text: string, onDocument: (document: YamlDocument) => void): void {
  const { rest, line } = readJson(text, onDocument)
  for (const part of cut(rest, line)) onDocument(readDocument(part.text, part.line))
}

function readDocument(text: string, line: number): YamlDocument {
  const unprintable = /[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\u{10000}-\u{10ffff}]/u.exec(text)
  if (unprintable) {
    const code = unprintable[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
    throw new YamlError(`the control character U+${code} is not allowed`, line + text.slice(0, unprintable.index).split('\n').length - 1)
  }
  const root = parseNodes(text.replace(/^\uFEFF{1,2}/, ''), line)
  return { ...toValue(root), line: root.line, lineOf: (path) => findLine(root, path) }
}

/** Line of what stands behind a key or at an index; of what there is of the path, where it ends. */
function findLine(root: Node, path: readonly (string | number)[]): number {
  let node: Node = root
  for (const step of path) {
    const within: Node = node.kind === 'alias' ? node.target : node
    const next: Node | undefined =
      within.kind === 'sequence'
        ? within.items[step as number]
        : within.kind === 'mapping'
          ? within.entries.findLast(([key]) => key.kind === 'scalar' && key.value === step)?.[1]
          : undefined
    if (!next) break
    node = next
  }
  return node.line
}

interface Part {
  readonly text: string
  readonly line: number
}

/** Go's unicode.IsSpace, which does not know U+FEFF. */
const outerBlanks = /^(?:\x85|(?!\uFEFF)\s)+|(?:\x85|(?!\uFEFF)\s)+$/g

/** A line with `---` that nothing stands before is left to the document. */
function cut(text: string, firstLine: number): readonly Part[] {
  const parts: Part[] = []
  let lines: string[] = []
  let start = firstLine
  const all = text.split('\n')
  for (const [index, each] of all.entries()) {
    const isLast = index === all.length - 1
    // What ends without a line feed keeps its carriage return.
    const line = isLast ? each : each.replace(/\r$/, '')
    if (isLast && line === '') continue
    if (line.startsWith('---')) {
      const behind = line.slice(3).replaceAll(outerBlanks, '')
      if (behind !== '' && !behind.startsWith('#'))
        throw new YamlError(`"---" is followed by "${behind.slice(0, 40)}", and only a comment can be there`, firstLine + index)
      if (lines.length > 0) {
        parts.push({ text: `${lines.join('\n')}\n`, line: start })
        lines = []
        start = firstLine + index + 1
        continue
      }
    }
    lines.push(line)
  }
  if (lines.length > 0) parts.push({ text: `${lines.join('\n')}\n`, line: start })
  return parts
}

/** What begins with "{" may be JSON, or several values of it one after the other. */
function readJson(text: string, onDocument: (document: YamlDocument) => void): { readonly rest: string; readonly line: number } {
  let at = 0
  const lineAt = (index: number) => text.slice(0, index).split('\n').length
  for (let count = 0; /^[^\S\uFEFF]*\{/.test(text); count++) {
    const start = at + /^[ \t\r\n]*/.exec(text.slice(at))![0].length
    if (start === text.length) return { rest: '', line: lineAt(start) }
    const end = endOfJson(text, start)
    const value = end === undefined ? undefined : parseJson(text.slice(start, end))
    if (value === undefined) {
      if (count > 1) throw new YamlError('what follows is no JSON, as that before it is', lineAt(start))
      // Up to and with the first line feed.
      const blanks = /^[^\S\n]*\n?/.exec(text.slice(at))![0].length
      return { rest: text.slice(at + blanks), line: lineAt(at + blanks) }
    }
    const line = lineAt(start)
    onDocument({ value: value.value, line, doubleKeys: [], lineOf: () => line })
    at = end!
  }
  return { rest: text, line: 1 }
}

/** The end of the object that begins here, if it has one. */
function endOfJson(text: string, start: number): number | undefined {
  let depth = 0
  const next = /"(?:[^"\\]|\\.)*"|[{}[\]]/gs
  next.lastIndex = start
  if (text[start] !== '{') return undefined
  for (let found = next.exec(text); found; found = next.exec(text)) {
    const [part] = found
    if (part === '{' || part === '[') depth++
    else if ((part === '}' || part === ']') && --depth === 0) return next.lastIndex
  }
  return undefined
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: parseExactJson(text) }
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
