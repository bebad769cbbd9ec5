import { randomBytes } from 'node:crypto'

import { expect, test } from 'vitest'
import { stringify } from 'yaml'

import { createRedact, createRedactor } from './redact.ts'

test('takes a secret out as it is, as base64, in a URL, in JSON, and line by line', () => {
  const redact = createRedact(['p@ss "word"\n', 's3cr3t', 's3cr3t-and-longer', 'first line of a key\nsecond line of a key'])
  expect(redact('a p@ss "word" b')).toBe('a [redacted] b')
  expect(redact(`postgres://u:${encodeURIComponent('p@ss "word"')}@db`)).toBe('postgres://u:[redacted]@db')
  expect(redact(JSON.stringify({ password: 'p@ss "word"' }))).toBe('{"password":"[redacted]"}')
  expect(redact(Buffer.from('s3cr3t').toString('base64'))).toBe('[redacted]')
  expect(redact('s3cr3t-and-longer, s3cr3t')).toBe('[redacted], [redacted]')
  expect(redact('| second line of a key |')).toBe('| [redacted] |')
})

const passphrase = 'correct horse "battery" staple & <läuft> über 9 Äpfel/Birnen, C:\\new\\table 100%25'

test.for<[string, (secret: string) => string]>([
  ['JSON', (secret) => JSON.stringify(secret)],
  ['JSON within JSON', (secret) => JSON.stringify(JSON.stringify(secret))],
  ['JSON within JSON within JSON', (secret) => JSON.stringify({ a: JSON.stringify({ b: JSON.stringify(secret) }) })],
  [
    'JSON as Go writes it',
    (secret) => JSON.stringify(secret).replaceAll('&', '\\u0026').replaceAll('<', '\\u003c').replaceAll('>', '\\u003E'),
  ],
  ['JSON in ASCII', (secret) => JSON.stringify(secret).replaceAll(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)],
  ['a URL', encodeURIComponent],
  ['a URL in lower case', (secret) => encodeURIComponent(secret).replaceAll(/%../g, (each) => each.toLowerCase())],
  ['a URL within a URL', (secret) => encodeURIComponent(encodeURIComponent(secret))],
  ['a form', (secret) => new URLSearchParams({ s: secret }).toString()],
  ['HTML', (secret) => secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')],
  ['JSON in HTML', (secret) => JSON.stringify(secret).replaceAll('&', '&#38;').replaceAll('"', '&#x22;')],
  ['YAML', (secret) => stringify({ a: { b: secret } })],
  ['YAML folded', (secret) => stringify({ a: { b: secret } }, { lineWidth: 30 })],
  ['YAML in double quotes, folded', (secret) => stringify({ a: { b: secret } }, { lineWidth: 30, defaultStringType: 'QUOTE_DOUBLE' })],
  ['YAML in single quotes', (secret) => `'${secret.replaceAll(`'`, `''`)}'`],
  ['lines of 10', (secret) => secret.replaceAll(/.{10}/gu, '$&\n    ')],
  ['base64', (secret) => Buffer.from(secret).toString('base64')],
  ['base64 in lines', (secret) => Buffer.from(secret).toString('base64').replaceAll(/.{20}/g, '$&\n')],
  ['base64 for URLs', (secret) => Buffer.from(secret).toString('base64url')],
  ['base64 of user and password', (secret) => Buffer.from(`u:${secret}!`).toString('base64')],
  ['hexadecimal digits', (secret) => Buffer.from(secret).toString('hex')],
])('finds a secret in %s', ([, write]) => {
  for (const secret of [passphrase, `it's "s3cr3t" äö`, 'häß"\\+lich', '(Tr0ub4dor&3)', 'x'.repeat(20) + '\n' + 'y'.repeat(20)]) {
    const written = write(secret)
    // A short one would be found across words.
    if (/[^ ]\n/.test(written) && secret.length < 20) continue
    const shown = createRedact([secret])(`before ${written} after`)
    expect(shown, written).toMatch(/^before .*\[redacted\].* after$/s)
    for (const piece of written.match(/[\p{L}\d]{6}/gu) ?? []) expect(shown, written).not.toContain(piece)
  }
})

test('takes out what a secret holds that is secret by itself', () => {
  const redact = createRedact([
    'postgres://shop:pa%24%24wort@db.default:5432/shop',
    '{"auths":{"r.example.com":{"username":"bot","password":"hunter22","auth":"Ym90Omh1bnRlcjIy"}}}',
    'spring.datasource.password = qwertz99\nspring.port = 8080',
  ])
  expect(redact('password pa$$wort, hunter22, Ym90Omh1bnRlcjIy and qwertz99 of bot at db.default:5432')).toBe(
    'password [redacted], [redacted], [redacted] and [redacted] of bot at db.default:5432',
  )
})

test('leaves what is no secret: short values, words that say nothing, names that are known', () => {
  const redact = createRedact(['abc', 'true', 'value', 'password', 'postgres', '', 'shop'], (value) => value === 'postgres')
  expect(redact('abc true pod/postgres-0 cG9zdGdyZXM=')).toBe('abc true pod/postgres-0 cG9zdGdyZXM=')
  expect(redact('spec.template: Invalid value: {}; password authentication failed')).toBe(
    'spec.template: Invalid value: {}; password authentication failed',
  )
  expect(redact('it crash\nopened, cras hopped')).toBe('it crash\nopened, cras hopped')
})

test('takes out parts of long secrets, also of those that look like each other', () => {
  // Without the letters around it, which would be a part of it else.
  const long = randomBytes(6_000).toString('hex')
  const alike = Array.from({ length: 40 }, (_, index) => `${'same beginning '.repeat(20)}${index}${'same end '.repeat(40)}`)
  const redact = createRedact([long, ...alike])
  expect(redact(`x ${long.slice(1_234, 2_345)} y`)).toBe('x [redacted] y')
  expect(redact(`x ${long} y`)).toBe('x [redacted] y')
  for (const each of alike) expect(redact(`a ${each}b`)).toMatch(/^a \[redacted\] ?b$/)
})

test('knows the secrets that it is told later, and names that become known', () => {
  const names = new Set<string>()
  const { add, redact } = createRedactor((value) => names.has(value))
  expect(redact('hunter22')).toBe('hunter22')
  add(['hunter22'])
  expect(redact('hunter22')).toBe('[redacted]')
  names.add('hunter22')
  expect(redact('hunter22')).toBe('hunter22')
})

test('takes any number of secrets of any size, in time that grows with the text', () => {
  const secrets = [
    ...Array.from({ length: 10_000 }, (_, index) => `the-same-beginning-of-a-secret-${index}`),
    ...Array.from({ length: 2 }, () => randomBytes(500_000).toString('hex')),
    'a'.repeat(1_000_000),
  ]
  const { add, redact } = createRedactor()
  add(secrets)
  const line = (index: number) => `2026-01-02 level=info connects with the-same-beginning-of-a-secret-${index} aaaaaaaaaaaa\n`
  const text = Array.from({ length: 10_000 }, (_, index) => line(index)).join('') + secrets.at(-2)! + 'a'.repeat(500_000)
  // Of the processor: the machine may be busy.
  const { user } = process.cpuUsage()
  const shown = redact(text)
  // Measured: 0.4 s, in microseconds.
  expect(process.cpuUsage().user - user).toBeLessThan(5_000_000)
  expect(shown).toHaveLength(
    10_000 * line(0).length - 10_000 * ('the-same-beginning-of-a-secret-0'.length - '[redacted]'.length) + '[redacted]'.length,
  )
})
