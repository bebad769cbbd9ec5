import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'

import { connect as connectEvents } from '@nats-io/transport-node'
import { connect as connectQueue } from 'amqplib'
import { createConnection, createPool } from 'mysql2/promise'
import { Client, type ClientConfig, Pool } from 'pg'
import { createClient } from 'redis'
import { expect, test as plain } from 'vitest'

import { createKubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/object.ts'
import { describe } from '../../suite/describe.ts'
import { kafka } from './kafka.ts'
import { mariadb, mysql } from './mariadb.ts'
import { mongodb } from './mongodb.ts'
import { nats } from './nats.ts'
import { postgres } from './postgres.ts'
import { rabbitmq } from './rabbitmq.ts'
import { redis } from './redis.ts'
import { serviceManifests } from './service-manifests.ts'
import { service } from './service.ts'

const services = {
  db: postgres({ database: 'shop', user: 'geographer', password: `p@ss: 'word' "$1" \\` }),
  archive: postgres({ storage: 'persistent' }),
  cache: redis({ password: 'a/b "c" \\' }),
  open: redis(),
  shop: mariadb({ user: 'clerk', password: `it's "$1" \\ %_`, database: 'shop_%' }),
  queue: rabbitmq({ user: 'sender', password: `p@ss 'word' "$1"`, vhost: 'shop/eu' }),
  events: nats({ user: 'app', password: 'n@ts: "1"' }),
  web: service({
    image: 'busybox:1',
    port: 8080,
    command: ['sh', '-c', 'mkdir /www && echo "$GREETING" > /www/index.html && exec httpd -f -p 8080 -h /www'],
    secretEnv: { GREETING: 'hello' },
    ready: { http: '/' },
  }),
}

/** Prints what the Secret of a service gives it, as a container of the user's would read it. */
const reader = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'reader' },
  spec: {
    template: {
      spec: {
        restartPolicy: 'Never',
        containers: [
          {
            name: 'reader',
            image: 'postgres:17',
            command: ['sh', '-c', 'until psql "$DB_URL" -tAc "select current_user"; do sleep 1; done'],
            env: [{ name: 'DB_URL', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } }],
          },
        ],
      },
    },
  },
}

/** As code has them that is bridged in this process: nobody closes them, and nobody listens to their errors. */
const left: { readonly pools: Pool[]; readonly areOpen: (() => boolean)[] } = { pools: [], areOpen: [] }

describe.withCluster('services', { services, manifests: [reader], seed: { db: '../../../fixtures/seeds/shop.sql' } }, (test) => {
  test('PostgreSQL answers the test as its user', async ({ cluster }) => {
    const { url, host, port, user, password, database } = cluster.services.db
    for (const options of [{ connectionString: url }, { host, port, user, password, database }]) {
      const statement = 'select current_user as user, current_database() as database, count(*)::int as items from item'
      expect(await query(options, statement)).toEqual([{ user: 'geographer', database: 'shop', items: 3 }])
    }
    expect(await cluster.sql('db', 'select count(*)::int as n from item')).toEqual([{ n: 3 }])
  })

  test('the address of pods works in the test and in pods', async ({ cluster }) => {
    expect(await query({ connectionString: cluster.services.db.inCluster.url }, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await cluster.logs('job/reader')).toContain('geographer')
  })

  test('Redis, with a password and without', async ({ cluster }) => {
    for (const { url } of [cluster.services.cache, cluster.services.open]) {
      const client = await createClient({ url }).connect()
      expect(await client.incr('visits')).toBe(1)
      client.destroy()
    }
    const refused = createClient({
      url: `redis://${cluster.services.cache.host}:${cluster.services.cache.port}`,
      socket: { reconnectStrategy: false },
    })
    await expect(refused.connect()).rejects.toThrow('NOAUTH')
    refused.destroy()
    expect((await cluster.exec('cache', ['redis-cli', 'get', 'visits'])).stdout).toBe('1\n')
  })

  test('MariaDB answers the test as its user', async ({ cluster }) => {
    const connection = await createConnection(cluster.services.shop.url)
    const [rows] = await connection.query('select current_user() as user, database() as db, @@character_set_database as charset')
    await connection.end()
    expect(rows).toEqual([{ user: 'clerk@%', db: 'shop_%', charset: 'utf8mb4' }])
  })

  test('RabbitMQ takes and gives messages', async ({ cluster }) => {
    const connection = await connectQueue(cluster.services.queue.url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('orders')
    channel.sendToQueue('orders', Buffer.from('order 1'))
    await channel.waitForConfirms()
    const message = await channel.get('orders', { noAck: true })
    expect(message && message.content.toString()).toBe('order 1')
    await connection.close()
  })

  test('NATS with JetStream', async ({ cluster }) => {
    const { host, port, user, password } = cluster.services.events
    const connection = await connectEvents({ servers: `${host}:${port}`, user: user!, pass: password! })
    const created = await connection.request('$JS.API.STREAM.CREATE.orders', JSON.stringify({ name: 'orders', subjects: ['orders.>'] }))
    expect(created.json()).toMatchObject({ config: { name: 'orders' } })
    expect((await connection.request('orders.new', 'order 1')).json()).toMatchObject({ stream: 'orders', seq: 1 })
    await connection.close()
  })

  test('any other service', async ({ cluster, request }) => {
    expect(await (await fetch(cluster.services.web.url)).text()).toBe('hello\n')
    expect((await request('web').get('/')).text).toBe('hello\n')
  })

  test('the API server takes the objects of MongoDB, Kafka and MySQL', async ({ cluster }) => {
    const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
    for (const definition of [mongodb(), kafka(), mysql(), mongodb({ storage: 'persistent' }), kafka({ storage: 'persistent' })]) {
      for (const { object } of serviceManifests('dry', definition, 'default')) {
        const resource = await kube.resource(object.apiVersion, object.kind)
        const applied = await kube.request<KubeObject>('PATCH', resource!.path('default', 'dry'), {
          query: { fieldManager: 'test', fieldValidation: 'Strict', dryRun: 'All' },
          body: object,
          contentType: 'application/apply-patch+yaml',
        })
        expect(applied.metadata.name).toBe('dry')
      }
    }
  })

  test('connections may be left open', async ({ cluster }) => {
    const { db, cache, shop, queue } = cluster.services
    left.pools.push(new Pool({ connectionString: db.inCluster.url }), new Pool({ connectionString: db.url }))
    for (const pool of left.pools) expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    const client = await createClient({ url: cache.url }).connect()
    expect(await client.ping()).toBe('PONG')
    left.areOpen.push(() => client.isReady)
    const rows = createPool(shop.url)
    const row = await rows.getConnection()
    row.release()
    let hasRow = true
    row.on('end', () => (hasRow = false))
    left.areOpen.push(() => hasRow)
    const connection = await connectQueue(queue.url)
    // amqplib tells an error before anything else, which nobody takes.
    const { stream } = connection.connection as unknown as { readonly stream: Socket }
    left.areOpen.push(() => !stream.destroyed)
  })

  test('persistent storage outlives its pod', async ({ cluster }) => {
    await cluster.sql('archive', 'create table kept (n int)')
    const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
    const { metadata } = await kube.request<KubeObject>('DELETE', '/api/v1/namespaces/default/pods/archive-0')
    const current = () => cluster.get('pod/archive-0').then(({ metadata: { uid } }) => uid)
    await expect.poll(() => current().catch(String), { timeout: 60_000 }).not.toBe(metadata.uid)
    await expect
      .poll(() => query({ connectionString: cluster.services.archive.url }, 'select count(*)::int as n from kept').catch(String), {
        timeout: 60_000,
      })
      .toEqual([{ n: 0 }])
  })
})

// In the order of the file, after the suite has ended.
plain('connections that a suite has left open have ended with it', async () => {
  await expect.poll(() => left.areOpen.map((isOpen) => isOpen())).toEqual([false, false, false])
  const [byName, byAddress] = left.pools
  await expect.poll(() => [byName!.totalCount, byAddress!.totalCount]).toEqual([0, 0])
  await Promise.all(left.pools.map((pool) => pool.end()))
})

async function query(options: ClientConfig, statement: string): Promise<object[]> {
  const client = new Client({ ...options, connectionTimeoutMillis: 5000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query<object>(statement)).rows
  } finally {
    await client.end()
  }
}
