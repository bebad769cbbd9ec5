import { expect, test } from 'vitest'

import { secretValues } from '../../kube/secrets.ts'
import { describeConnection } from './connection.ts'
import { nats } from './nats.ts'
import { postgres } from './postgres.ts'
import { rabbitmq } from './rabbitmq.ts'
import { redis } from './redis.ts'
import { serviceManifests } from './service-manifests.ts'
import { service } from './service.ts'

const outside = { host: '127.0.0.1', port: 40_000 }

test('a connection has what clients ask for, in and out of the cluster', () => {
  expect(describeConnection(postgres({ password: "p@ss: 'word'" }), outside, { host: 'db.default', port: 5432 })).toEqual({
    url: "postgres://app:p%40ss%3A%20'word'@127.0.0.1:40000/app",
    host: '127.0.0.1',
    port: 40_000,
    user: 'app',
    password: "p@ss: 'word'",
    database: 'app',
    inCluster: { url: "postgres://app:p%40ss%3A%20'word'@db.default:5432/app", host: 'db.default', port: 5432 },
  })
  const urlOf = (definition: Parameters<typeof describeConnection>[0]) => describeConnection(definition, outside, outside).url
  expect(urlOf(redis())).toBe('redis://127.0.0.1:40000')
  expect(urlOf(redis({ password: 'a/b' }))).toBe('redis://:a%2Fb@127.0.0.1:40000')
  expect(urlOf(rabbitmq())).toBe('amqp://app:app@127.0.0.1:40000')
  expect(urlOf(rabbitmq({ vhost: 'a/b' }))).toBe('amqp://app:app@127.0.0.1:40000/a%2Fb')
  expect(urlOf(nats({ user: 'u', password: 'p' }))).toBe('nats://u:p@127.0.0.1:40000')
  expect(urlOf(service({ image: 'x', port: 80 }))).toBe('http://127.0.0.1:40000')
})

test('passwords stand in the Secret only', () => {
  for (const definition of [
    postgres({ password: 'pa55word' }),
    redis({ password: 'pa55word' }),
    nats({ user: 'u', password: 'pa55word' }),
    rabbitmq({ password: 'pa55word' }),
  ]) {
    const objects = serviceManifests('db', definition, 'default').map(({ object }) => object)
    expect(objects.map(({ kind }) => kind)).toEqual(['Secret', 'Service', 'StatefulSet'])
    expect(JSON.stringify(objects[0])).toContain('pa55word')
    expect(JSON.stringify(objects.slice(1))).not.toContain('pa55word')
  }
})

test('of its Secret only the password is redacted, and what has it in it', () => {
  const redacted = (definition: Parameters<typeof serviceManifests>[1]) =>
    secretValues(serviceManifests('db', definition, 'shop')[0]!.object)
  expect(redacted(postgres({ user: 'reader', password: 'pa55word' }))).toEqual([
    'postgres://reader:pa55word@db.shop:5432/app',
    'pa55word',
    'pa55word',
  ])
  expect(redacted(rabbitmq({ vhost: 'orders' }))).toEqual(['amqp://app:app@db.shop:5672/orders', 'app', 'app'])
  expect(redacted(nats())).toEqual([])
  expect(redacted(redis())).toEqual([])
  expect(redacted(service({ image: 'x', port: 80, secretEnv: { TOKEN: 'abcdef' } }))).toEqual(['abcdef'])
})

test('what a service is told reaches its container', () => {
  const containerOf = (definition: Parameters<typeof serviceManifests>[1]) => {
    const [, , set] = serviceManifests('db', definition, 'default')
    return (set!.object as unknown as { spec: { template: { spec: { containers: [object] } } } }).spec.template.spec.containers[0]
  }
  const named = (name: string, value: string) => expect.arrayContaining([{ name, value }]) as object[]
  expect(containerOf(postgres({ version: '15-alpine', env: { TZ: 'UTC' }, args: ['-c', 'max_connections=7'] }))).toMatchObject({
    image: 'postgres:15-alpine',
    env: named('TZ', 'UTC'),
    args: expect.arrayContaining(['max_connections=7']) as string[],
  })
  expect(containerOf(redis({ image: 'mirror.example.com/redis:7' }))).toMatchObject({ image: 'mirror.example.com/redis:7' })
  const files = service({ image: 'x', port: 9000, scheme: 's3', dataPath: '/data', command: ['serve'], env: { A: 'b' } })
  expect(containerOf(files)).toMatchObject({
    command: ['serve'],
    env: named('A', 'b'),
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  })
  expect(describeConnection(files, outside, outside).url).toBe('s3://127.0.0.1:40000')
})

test('NATS has JetStream unless it is told otherwise', () => {
  const configOf = (definition: ReturnType<typeof nats>) => Object.values(definition.files).join()
  expect(configOf(nats())).toContain('"jetstream":{"store_dir":"/data"}')
  expect(configOf(nats({ jetStream: false }))).not.toContain('jetstream')
})

test('persistent storage is a claim, throwaway storage goes with the pod', () => {
  const specOf = (storage: 'persistent' | 'throwaway') =>
    JSON.stringify(serviceManifests('db', postgres({ storage, size: '2Gi' }), 'default')[2]!.object)
  expect(specOf('persistent')).toContain('"requests":{"storage":"2Gi"}')
  expect(specOf('persistent')).not.toContain('emptyDir')
  expect(specOf('persistent')).not.toContain('fsync')
  expect(specOf('throwaway')).toContain('"emptyDir":{}')
})
