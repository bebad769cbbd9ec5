/** A seeded source of chance: the same seed makes the same texts. */
export interface Chance {
  /** From 0 to below `limit`. */
  below(limit: number): number
  one<T>(list: readonly T[]): T
  /** True once in `n` times. */
  in(n: number): boolean
}

export function createChance(seed: number): Chance {
  let state = seed >>> 0
  // xorshift32 with a step of its own, so that neighbouring seeds differ from the first number on.
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return { below, one: (list) => list[below(list.length)]!, in: (n) => below(n) === 0 }
}

const words = [
  'a',
  'b1',
  'name',
  'x y',
  'a-b',
  'http://x:80/?q=1#f',
  'a: b',
  'a #b',
  "it's",
  '"q"',
  'é',
  '日本',
  '🙂',
  '*.x',
  '&a',
  '@x',
  '%p',
  '`t',
  '!t',
  '-',
  '?',
  ':',
  '--',
  '- a',
  '? b',
  'a:',
  ':a',
  '#c',
  '[',
  '{}',
  ',',
  '| x',
  '> y',
  '',
]
const scalars = [
  'yes',
  'No',
  'on',
  'n',
  'y',
  'true',
  'NULL',
  '~',
  'null',
  '1',
  '0',
  '-0',
  '+5',
  '012',
  '0o7',
  '0x1F',
  '0b11',
  '-0b11',
  '1_000',
  '08',
  '1.5',
  '.5',
  '5.',
  '1e3',
  '1E+3',
  '6e899',
  '.inf',
  '.nan',
  '2001-01-01',
  '2001-1-1 1:2:3',
  '<<',
  '=',
  '12345678901234567890',
  '9223372036854775808',
  '1:20',
  '0.1',
  '1e-7',
  '-.5',
  '+.5',
  '0x',
  '_1',
  '1__0',
  '+',
  '.',
  '1e',
  '07_1',
]
const blanks = ['', ' ', '  ', '\t', ' \t', '# c', ' # c']
const properties = [
  '&a ',
  '&b ',
  '!!str ',
  '!!int ',
  '!!float ',
  '!!bool ',
  '!!null ',
  '!!binary ',
  '!x ',
  '! ',
  '!<tag:yaml.org,2002:str> ',
  '&a !!str ',
  '!!map ',
  '!!seq ',
  '!!timestamp ',
]

/** A document of random shape and style, mostly valid. */
export function generateDocument(chance: Chance): string {
  const head = chance.in(6) ? chance.one(['---\n', '--- # c\n', '# c\n', '\n', '\uFEFF', '...\n', '%YAML 1.1\n---\n']) : ''
  const body = node(chance, 0, 4).replace(/^[ \n]+/, '')
  const more = chance.in(5) ? `\n---\n${node(chance, 0, 2).replace(/^[ \n]+/, '')}` : ''
  const tail = chance.one(['\n', '\n', '\n', '', '\n\n', '\n...\n', ' # c\n', '\n# c'])
  return head + body + more + tail
}

/** Text that follows a key or a dash: with its own blank or line break in front. */
function node(chance: Chance, indent: number, depth: number): string {
  const before = chance.in(12) ? ` ${chance.one(properties).trimEnd()}` : ''
  if (depth === 0 || chance.in(3)) return `${before} ${scalar(chance, indent)}`
  const inner = indent + chance.one([1, 2, 2, 2, 4])
  const count = 1 + chance.below(3)
  const entries = Array.from({ length: count }, () => {
    const noise = chance.in(10) ? `\n${' '.repeat(chance.below(6))}${chance.one(blanks)}` : ''
    return noise + `\n${' '.repeat(chance.in(25) ? chance.below(6) : inner)}`
  })
  switch (chance.below(4)) {
    case 0:
      return (
        before +
        entries
          .map((start) => `${start}-${chance.in(8) ? chance.one(blanks) : ''}${compact(chance, node(chance, inner, depth - 1))}`)
          .join('')
      )
    case 1:
      return ` ${before.trim()} ${flow(chance, indent, depth)}`
    default:
      return (
        before +
        entries
          .map((start) => `${start}${key(chance)}:${node(chance, inner, depth - 1)}${chance.in(12) ? chance.one(blanks) : ''}`)
          .join('')
      )
  }
}

/** What stands in a list may begin on the line of its dash. */
function compact(chance: Chance, text: string): string {
  return chance.in(2) ? text.replace(/^\n +/, ' ') : text
}

function key(chance: Chance): string {
  if (chance.in(15)) return '<<'
  if (chance.in(12)) return chance.one(scalars)
  if (chance.in(20)) return `? ${chance.one(words)}\n`
  return chance.in(8) ? quoted(chance, 0) : chance.one(['a', 'b', 'c', 'key', 'a b', 'x.y/z', 'é'])
}

function scalar(chance: Chance, indent: number): string {
  const pad = () => ' '.repeat(Math.max(0, indent + chance.one([-1, 0, 1, 2, 2, 3])))
  switch (chance.below(9)) {
    case 0:
    case 1:
      return chance.one(scalars)
    case 2:
      return quoted(chance, indent)
    case 3:
      return `${chance.one(['|', '>'])}${chance.one(['', '', '-', '+', '2', '1-', '+2', '0', ' # c'])}\n${Array.from({ length: chance.below(4) }, () => (chance.in(4) ? chance.one(['', ' ', '   ', '\t']) : `${pad()}  ${chance.one(words)}`)).join('\n')}`
    case 4:
      return `${chance.one(words)}\n${pad()}${chance.one(words)}${chance.in(2) ? `\n\n${pad()}${chance.one(words)}` : ''}`
    case 5:
      return chance.one(['*a', '*b', '', '*a ', '[*a, b]'])
    default:
      return chance.one(words)
  }
}

function quoted(chance: Chance, indent: number): string {
  const quote = chance.one(["'", '"'])
  const escapes = ['\\n', '\\t', '\\"', '\\\\', '\\x41', '\\u00e9', '\\U0001F600', '\\/', '\\z', '\\\n  ', '\\_', '\\0', '\\e', '\\ud83d']
  const part = () => {
    if (chance.in(6)) return quote === '"' ? chance.one(escapes) : "''"
    if (chance.in(7)) return `\n${' '.repeat(chance.below(indent + 3))}`
    return chance.one(words).replaceAll(quote, '')
  }
  return quote + Array.from({ length: chance.below(4) }, part).join(chance.one(['', ' ', '  '])) + quote
}

function flow(chance: Chance, indent: number, depth: number): string {
  const space = () => chance.one(['', '', ' ', ' ', '\n' + ' '.repeat(chance.below(indent + 4)), ' # c\n ', '\t'])
  const item = (): string =>
    depth > 0 && chance.in(3)
      ? flow(chance, indent, depth - 1)
      : chance.in(3)
        ? quoted(chance, indent)
        : chance.one([...scalars, 'a', 'b:c', 'd e', '*a', '&a x', 'http://x', '-', '?', ''])
  const items = Array.from(
    { length: chance.below(4) },
    () => space() + (chance.in(3) ? `${item()}${chance.one([':', ': ', ' : ', '? '])}${item()}` : item()) + space(),
  )
  const comma = chance.in(8) ? ',' : ''
  return chance.in(2) ? `[${items.join(',')}${comma}]` : `{${items.join(',')}${comma}}`
}

const pieces = [
  'a',
  'b',
  'key',
  '1',
  ' ',
  ' ',
  '  ',
  '\n',
  '\n',
  '\n  ',
  '\n    ',
  '\n- ',
  ': ',
  ':',
  ' :',
  '- ',
  '-',
  '? ',
  '?',
  '[',
  ']',
  '{',
  '}',
  ',',
  ', ',
  "'",
  '"',
  "''",
  '\\',
  '|',
  '>',
  '|-\n',
  '>+\n',
  '|2\n',
  '#',
  ' #c',
  '&a',
  '&a ',
  '*a',
  '!',
  '!!str ',
  '!x',
  '\t',
  '---',
  '\n---\n',
  '...',
  '\n...\n',
  '%',
  '@',
  '`',
  '<<: ',
  '~',
  'é',
  '\u0085',
  '\u2028',
  '\r',
  '\r\n',
  '\u0001',
  'yes',
  '.5',
]

/** Pieces of YAML in any order. */
export function generateSoup(chance: Chance): string {
  return Array.from({ length: 1 + chance.below(14) }, () => chance.one(pieces)).join('')
}

/** A text with a few small changes. */
export function mutate(chance: Chance, text: string): string {
  let result = text
  for (let changes = 1 + chance.below(3); changes > 0; changes--) {
    const at = chance.below(result.length + 1)
    const length = chance.below(4)
    const from = chance.below(result.length + 1)
    switch (chance.below(4)) {
      case 0:
        result = result.slice(0, at) + result.slice(at + length)
        break
      case 1:
        result = result.slice(0, at) + chance.one(pieces) + result.slice(at)
        break
      case 2:
        result = result.slice(0, at) + result.slice(from, from + 1 + chance.below(30)) + result.slice(at)
        break
      default:
        result = result.slice(0, at) + chance.one(pieces) + result.slice(at + 1 + length)
    }
  }
  return result.toWellFormed()
}
