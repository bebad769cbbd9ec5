import { expect, test } from 'vitest'

import { findStores, storeTypeOf } from './store-type.ts'

test.for([
  ['postgres:17', [], 'postgres'],
  ['registry.example.com:5000/bitnami/postgresql@sha256:0', [], 'postgres'],
  ['mysql/mysql-server:8', [], 'mariadb'],
  ['mongo', [], 'mongodb'],
  ['valkey/valkey:8', [], 'redis'],
  ['shop/db:dev', ['POSTGRES_PASSWORD'], 'postgres'],
  ['shop/db:dev', ['POSTGRES_PASSWORD', 'POSTGRES_HOST'], undefined],
  ['prometheuscommunity/postgres-exporter', ['DATA_SOURCE_NAME'], undefined],
  ['redis/redisinsight', [], undefined],
] as const)('%s with %j is %s', ([image, variables, type]) => {
  expect(storeTypeOf({ image }, variables)).toBe(type)
})

test('a container that has ports, and not the one of the store, is no store', () => {
  const at = (containerPort: number) => storeTypeOf({ image: 'shop/db', ports: [{ containerPort }] }, ['MYSQL_USER'])
  expect(at(3306)).toBe('mariadb')
  expect(at(8080)).toBeUndefined()
})

test('where a store is expected, what looks like one is enough, unless there is one for sure', () => {
  const found = (...containers: readonly { readonly image: string; readonly env?: Record<string, string> }[]) =>
    findStores(containers.map((each) => ({ env: {}, ...each }))).map(({ image, type }) => `${image} ${type}`)
  expect(found({ image: 'nginx' }, { image: 'shop/our-postgres:1' })).toEqual(['shop/our-postgres:1 postgres'])
  expect(found({ image: 'shop/db', env: { POSTGRES_DB: 'shop', BACKUP_URL: 's3:' } })).toEqual(['shop/db postgres'])
  expect(found({ image: 'shop/postgres-exporter' }, { image: 'postgres:17' })).toEqual(['postgres:17 postgres'])
  expect(found({ image: 'nginx' })).toEqual([])
})
