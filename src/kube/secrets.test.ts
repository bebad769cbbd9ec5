import { expect, test } from 'vitest'

import { isPublicName, secretValues } from './secrets.ts'

const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')

test('gives the values of a Secret, those of a manifest too, and what is no text in base64', () => {
  const binary = Buffer.from([0xca, 0xfe, 0xba, 0xbe, 0xff])
  const data = { a: base64('hunter22'), keystore: base64(binary) }
  expect(secretValues({ data, stringData: { b: 'plain', c: 5 } })).toEqual(['hunter22', base64(binary), 'plain', '5'])
})

test('keys that a Secret names as public are not redacted', () => {
  const metadata = { annotations: { 'vitest-kubernetes.public-keys': 'host, port' } }
  expect(secretValues({ metadata, stringData: { host: 'db.shop', port: '5432', password: 'hunter22' } })).toEqual(['hunter22'])
})

test('where a database is and its name are not redacted, nor a user of the same name; a connection string is', () => {
  const stringData = { host: 'db.example.com', PGPORT: 5432, POSTGRES_DB: 'shop', username: 'shop', password: 'hunter22' }
  expect(secretValues({ stringData })).toEqual(['hunter22'])
  expect(secretValues({ stringData: { database: 'postgres://shop:hunter22@db/shop', support: 'hunter23' } })).toEqual([
    'postgres://shop:hunter22@db/shop',
    'hunter23',
  ])
})

test('names of objects and addresses of Services are known anyway', () => {
  const names = new Set(['db', 'shop'])
  for (const value of ['db', 'db.shop', 'db.default.svc', 'db.shop.svc.cluster.local:5432'])
    expect(isPublicName(names, value), value).toBe(true)
  for (const value of ['hunter22', 'db.other', 'other.shop', 'db.shop.example.com', 'x.db'])
    expect(isPublicName(names, value), value).toBe(false)
})
