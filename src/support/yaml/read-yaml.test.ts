import { describe, expect, test } from 'vitest'

import { YamlError } from './cursor.ts'
import { type YamlDocument, readYaml } from './read-yaml.ts'

function read(text: string): readonly YamlDocument[] {
  const documents: YamlDocument[] = []
  readYaml(text, (document) => documents.push(document))
  return documents.filter(({ value }) => value !== null)
}

// scripts/fuzz/yaml.ts compares many more with kubectl's own reader.
test.for([
  ['a quote that is not indented further', "data:\n  query: 'sum(\n    rate(x)\n  )'\n", '{"data":{"query":"sum( rate(x) )"}}'],
  ['brackets over lines that are not indented', 'a: {\nb: 1,\nc: [x,\ny]\n}\n', '{"a":{"b":1,"c":["x",true]}}'],
  ['folds and escapes in quotes', 'a: "x\n  y\n\n  z\\\n  w\\x41\\u00e9"\n', '{"a":"x y\\nzwAé"}'],
  ['a line feed that the last line lacks', 'a: |\n  x', '{"a":"x\\n"}'],
  ['folded text with deeper lines', 'a: >\n  x\n  y\n\n    z\n  w\n', '{"a":"x y\\n\\n  z\\nw\\n"}'],
  ['kept line ends, a given indent', 'a: |+\n  x\n\nb: >2-\n   y\n', '{"a":"x\\n\\n","b":" y"}'],
  ['lists as deep as their key', 'a:\n- b\n- c: 1\n  d: 2\n-\ne:\n  -\n    f\n', '{"a":["b",{"c":1,"d":2},null],"e":["f"]}'],
  ['keys with a question mark', '? a\n: b\n? c\n', '{"a":"b","c":null}'],
  ['comments', "a: b #c\nd: e#f\ng: 'h'#i\n", '{"a":"b","d":"e#f","g":"h"}'],
  ['tabs between words', 'a:\tb\tc\n', '{"a":"b\\tc"}'],
  ['text over several lines', 'a: b\n  c\n\n  d\ne: f\n', '{"a":"b c\\nd","e":"f"}'],
  [
    'colons in brackets',
    'a: {b:c, d: e:f}\ng: [h: i, ? j, http://x]\n',
    '{"a":{"b:c":null,"d":"e:f"},"g":[{"h":"i"},{"j":null},"http://x"]}',
  ],
  ['keys that are no text', '1: a\n1.5: b\ntrue: c\n1e6: d\n0x10: e\n', '{"1":"a","16":"e","1.5":"b","true":"c","1e+06":"d"}'],
  ['tags', "a: !!str 1\nb: !!int '1'\nc: !!float 1\nd: ! 1\ne: !x 1\nf: !!binary aGk=\n", '{"a":"1","b":1,"c":1,"d":"1","e":"1","f":"hi"}'],
  ['binary digits with a sign of their own', 'a: [0b-1, 0b+11, -0b1, -0b-1, 0B-1, 0b-]\n', '{"a":[-1,3,-1,"-0b-1","0B-1","0b-"]}'],
  ['bytes that are no text, each by itself', 'a: !!binary 8J+ZgsOp8J+Z\n', '{"a":"🙂é\uFFFD\uFFFD\uFFFD"}'],
  [
    'merges in the order in which they stand',
    'a: &x {b: 1, c: 2}\nd: {b: 3, <<: *x}\ne: {<<: *x, b: 3}\nf: {<<: [*x, {c: 9, g: 1}]}\n',
    '{"a":{"b":1,"c":2},"d":{"b":1,"c":2},"e":{"b":3,"c":2},"f":{"c":2,"g":1,"b":1}}',
  ],
  ['a byte order mark and Windows line ends', '\uFEFFa: 1\r\nb: |\r\n  x\r\n  y\r\n', '{"a":1,"b":"x\\ny\\n"}'],
  ['two byte order marks, as tools add them', '\uFEFF\uFEFFa: 1\n', '{"a":1}'],
  ['JSON values in a row, and YAML after them', '{"a":1}{"b":"\\ud83d\\ude00\\/"}', '{"a":1} {"b":"😀/"}'],
  ['YAML after JSON', '{"a":12345678901234567890}\n---\nb: 2\n', '{"a":12345678901234567890} {"b":2}'],
  ['a key that objects have anyway', '__proto__: {a: 1}\n', '{"__proto__":{"a":1}}'],
  ['question marks without a key in brackets', 'a: [?,]\na: {?, b}\na: [? c]\n', '{"a":[{"c":null}]}'],
  ['documents that are empty, or a comment', '---\n# c\n---\n---\na: 1\n--- # d\n~\n---\n', '{"a":1}'],
] as const)('reads %s as kubectl does', ([, text, expected]) => {
  expect(
    read(text)
      .map(({ value }) => JSON.stringify(value))
      .join(' '),
  ).toBe(expected)
})

test.for([
  ['host: *.example.com\n', 1, '"*" begins the name of an anchor, and "." is none: put text that begins with "*" in quotes'],
  ['a: 1\nb: @x\n', 2, '"@" cannot begin text: put it in quotes'],
  ['a: 1\nb: c: d\n', 2, 'a colon stands where no key can be: text with ": " in it needs quotes'],
  ['a:\n  b: 1\n c: 2\n', 3, 'this line is indented as none before it: a key should stand here'],
  ['a: 1\n\tb: 2\n', 2, 'a tab stands where lines are indented'],
  ['a:\n  - 1\n  b: 2\n', 3, 'a key stands where a "-" of the list should'],
  ['a: {b: 1\n  c d\n', 3, 'the end stands where "," or "}" of the bracket of line 1 should'],
  ['a: [?, b]\na: 1\n', 1, '"b" stands where "," or "]" of the bracket of line 1 should'],
  ['a: "b\nc: 1\n', 1, 'the quote " is not closed'],
  ['a: "\\/"\n', 1, '"\\/" is no escape sequence of YAML'],
  ['a: {{ .Values.a }}\n', 1, 'a key is a list or a mapping: text that begins with "{" or "[" needs quotes'],
  ['a: 1\n~: 2\n', 2, 'a key is empty'],
  ['a: [*b]\n', 1, 'there is no anchor "&b" before "*b"'],
  ['a: &a\n  b: [*a]\n', 2, 'anchor "&a" contains itself'],
  ['a: 1\n<<: [1]\n', 2, '"<<" needs a mapping, or a list of mappings'],
  ['a: !!int x\n', 1, '"x" is no !!int'],
  ['a: 1\nb: -.inf\n', 2, '-.inf is no number that JSON can hold'],
  ['%YAML 1.2\n---\na: 1\n', 1, 'directives such as %YAML are not read'],
  ['a: 1\n--- b\n', 2, '"---" is followed by "b", and only a comment can be there'],
  ['a: 1\n...\nb: 2\n', 2, 'text stands behind the end of the document'],
  ['a: 1\nb: \u0007\n', 2, 'the control character U+0007 is not allowed'],
  [`${'a: ['.repeat(3)}${'['.repeat(1200)}`, 1, 'values are nested deeper than 1000 levels'],
  [`${'k'.repeat(1100)}: 1\n`, 1, 'a colon stands where no key can be: text with ": " in it needs quotes'],
] as const)('refuses %j with its line', ([text, line, message]) => {
  const error = (() => {
    try {
      return read(text)
    } catch (thrown) {
      return thrown
    }
  })()
  expect(error).toBeInstanceOf(YamlError)
  expect(error).toMatchObject({ line, message })
})

test('tells of a key that stands twice, of which the later value counts', () => {
  const [document] = read('a: 1\nb: {c: 1, <<: {c: 2}}\na: 3\n')
  expect(document).toMatchObject({ value: { a: 3, b: { c: 2 } }, doubleKeys: [{ key: 'a', line: 3 }] })
})

test('knows the line of a value', () => {
  const [, document] = read('x: 1\n---\nspec:\n  list:\n    - name: a\n      image: b\n')
  expect(document!.line).toBe(3)
  expect(document!.lineOf(['spec', 'list', 0, 'image'])).toBe(6)
  expect(document!.lineOf(['spec', 'none', 0])).toBe(4)
})

describe('takes time in proportion to a file', () => {
  test('50,000 keys, and texts of 2 MB', () => {
    const keys = Array.from({ length: 50_000 }, (_, index) => `key-${index}: ${index}\n`).join('')
    expect(Object.keys(read(keys)[0]!.value as object)).toHaveLength(50_000)
    const text = `${'x'.repeat(99)}\n`.repeat(20_000)
    for (const yaml of [
      `a: "${text}"`,
      `a: ${text.replaceAll('\n', '\n  ')}`,
      `a: |\n  ${text.replaceAll('\n', '\n  ')}`,
      `a: ${'x'.repeat(2e6)}`,
    ])
      expect(JSON.stringify(read(yaml)[0]!.value).length).toBeGreaterThan(1_900_000)
  })

  test('aliases of aliases end early', () => {
    const levels = Array.from({ length: 30 }, (_, level) => `l${level + 1}: &l${level + 1} [*l${level}, *l${level}, *l${level}]\n`).join('')
    expect(() => read(`l0: &l0 [x]\n${levels}`)).toThrow('aliases make more than a document may have')
  })
})
