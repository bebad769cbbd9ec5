import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { createConnection } from 'mysql2/promise'
import { Client } from 'pg'
import { createClient } from 'redis'
import { afterAll, expect } from 'vitest'

import { defineStack } from '../client/define-stack.ts'
import type { TestCluster } from '../client/test-cluster.ts'
import { createKubeClient } from '../kube/client.ts'
import { mariadb } from '../stack/services/mariadb.ts'
import { postgres } from '../stack/services/postgres.ts'
import { redis } from '../stack/services/redis.ts'
import { describe } from '../suite/describe.ts'
import { nodeApp } from '../testing/node-app.ts'
import { seedFile } from './seed-file.ts'
import { findStore } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'seeds-'))
afterAll(() => rmSync(folder, { recursive: true }))
const scratch = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

/** Keeps what it is sent. */
const recorder = `
const seen = []
require('node:http').createServer((request, response) => {
  if (request.method === 'GET') return response.end(JSON.stringify(seen))
  let text = ''
  request.on('data', (chunk) => (text += chunk)).on('end', () => {
    seen.push([request.method, request.url, request.headers['content-type'], text])
    response.writeHead(request.url.startsWith('/refuse') ? 422 : 201).end('noted')
  })
}).listen(3000)
process.on('SIGTERM', () => process.exit(0))
`

const job = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'migrate' },
  spec: {
    backoffLimit: 0,
    template: {
      spec: {
        restartPolicy: 'Never',
        containers: [
          {
            name: 'migrate',
            image: 'postgres:17',
            command: ['sh', '-c', `psql "$DB_URL" -c "create table migrated (at timestamptz default now())"`],
            env: [{ name: 'DB_URL', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } }],
          },
        ],
      },
    },
  },
}

/** What PostGIS does with spatial_ref_sys: a table with rows of its own, beside which users put theirs. */
const extension = `
create extension citext;
create table reference (id int primary key, name text);
insert into reference values (1, 'stock');
alter extension citext add table reference;
update pg_extension set extconfig = array['reference'::regclass], extcondition = array['where id > 100'] where extname = 'citext';
insert into reference values (101, 'own');
`

const stack = defineStack({
  services: { db: postgres(), shop: mariadb({ password: `it's "$1" \\ %_` }), cache: redis({ password: 'secret' }), events: redis() },
  manifests: nodeApp('web', {}, recorder),
  seed: [
    {
      db: ['../../fixtures/seeds/families.dump', scratch('note.sql.gz', gzipSync(`create table note (text text);${extension}`)), { job }],
      shop: '../../fixtures/seeds/shop-mariadb.sql',
      cache: ['../../fixtures/seeds/cache.rdb', '../../fixtures/seeds/cache.redis'],
      events: { exec: ['redis-cli', '-x', 'set', 'story'], input: scratch('story.txt', 'once upon a time'), container: 'events' },
    },
    {
      'deployment/web': [
        { http: '/import?full=1', json: { id: 1 }, port: 'http' },
        { http: '/file', method: 'PUT', file: scratch('rows.csv', 'a,b\n'), headers: { 'content-type': 'text/csv' } },
        { http: '/refuse', status: 422 },
      ],
    },
    async ({ cluster }) => {
      await cluster.sql('db', `insert into note values ('by a function, into ' || $1)`, [cluster.services.db.database])
    },
  ],
})

describe.withCluster('seeds', stack, (test) => {
  const families = 'select p.id, p.favourite, c.id as child, c.name from parent p join child c on c.parent = p.id order by c.id'
  const rows = [
    { id: 1, favourite: 2, child: 1, name: 'one' },
    { id: 1, favourite: 2, child: 2, name: 'two' },
    { id: 2, favourite: 1, child: 3, name: 'three' },
  ]

  test('every kind of seed has done its work', async ({ cluster, request }) => {
    expect(await cluster.sql('db', families)).toEqual(rows)
    expect(
      await cluster.sql('db', 'select text, count(migrated)::int as migrated from note left join migrated on true group by 1'),
    ).toEqual([{ text: 'by a function, into app', migrated: 0 }])
    expect(await purchases(cluster.services.shop.url)).toEqual(['globe; 100%', 'atlas', 'compass'])
    const cache = await createClient({ url: cluster.services.cache.url }).connect()
    expect(await cache.get('motto')).toBe('two words, a "quote" and A')
    expect(await cache.hGetAll('user:1')).toEqual({ name: 'Ada', role: 'admin' })
    expect(await cache.lRange('queue', 0, -1)).toEqual(['a', 'b', 'c'])
    expect(await cache.zScore('scores', 'grace')).toBe(5)
    cache.destroy()
    expect((await cluster.exec('events', ['redis-cli', 'get', 'story'])).stdout).toBe('once upon a time\n')
    expect((await request('web').get('/')).text).toBe(
      JSON.stringify([
        ['POST', '/import?full=1', 'application/json', '{"id":1}'],
        ['PUT', '/file', 'text/csv', 'a,b\n'],
        ['POST', '/refuse', undefined, ''],
      ]),
    )
  })

  test('PostgreSQL is reset to the same rows and next ids, twice, while a client stays connected', async ({ cluster }) => {
    const client = new Client(cluster.services.db.url)
    await client.connect()
    for (let round = 0; round < 2; round++) {
      const added = await client.query('insert into parent default values returning id')
      expect(added.rows).toEqual([{ id: 3 }])
      expect((await client.query('insert into child (parent) values (3) returning id')).rows).toEqual([{ id: 4 }])
      await client.query('truncate parent, child, note')
      await client.query(`update reference set id = 102 where id = 101`)
      await cluster.reset('db')
      expect((await client.query(families)).rows).toEqual(rows)
      expect((await client.query('select text from note')).rows).toEqual([{ text: 'by a function, into app' }])
      expect((await client.query('select name from reference order by id')).rows).toEqual([{ name: 'stock' }, { name: 'own' }])
    }
    await client.end()
  })

  test('PostgreSQL leaves tables alone that nobody has changed, also where others refer to them', async ({ cluster }) => {
    const made = async (table: string) => cluster.sql('db', `select xmin::text from ${table} order by 1`)
    await cluster.reset('db')
    const [parents, children] = [await made('parent'), await made('child')]
    await cluster.sql('db', `update child set name = name where id = 1`)
    await cluster.reset('db')
    expect(await made('parent')).toEqual(parents)
    expect(await made('child')).not.toEqual(children)
    // What is restored counts as unchanged the next time.
    const again = await made('child')
    await cluster.reset('db')
    expect(await made('child')).toEqual(again)
    await cluster.sql('db', 'update parent set favourite = 3 where id = 1')
    await cluster.reset('db')
    expect(await cluster.sql('db', families)).toEqual(rows)
  })

  test('MariaDB is reset to the same rows and next ids, twice', async ({ cluster }) => {
    for (let round = 0; round < 2; round++) {
      await using connection = await connectMysql(cluster.services.shop.url)
      const [added] = await connection.query('insert into purchase (customer, what) values (2, "map")')
      expect(added).toMatchObject({ insertId: 4 })
      await connection.query('delete from customer where id = 1')
      expect(await purchases(cluster.services.shop.url)).toEqual(['compass', 'map'])
      await cluster.reset('shop')
      expect(await purchases(cluster.services.shop.url)).toEqual(['globe; 100%', 'atlas', 'compass'])
    }
  })

  test('Redis is reset, and everything at once', async ({ cluster }) => {
    await cluster.exec('cache', ['redis-cli', 'flushall'])
    await cluster.exec('events', ['redis-cli', 'set', 'more', '1'])
    await cluster.sql('db', 'delete from note')
    await cluster.reset()
    expect((await cluster.exec('cache', ['redis-cli', 'dbsize'])).stdout).toBe('5\n')
    expect((await cluster.exec('events', ['redis-cli', 'keys', '*'])).stdout).toBe('story\n')
    expect(await cluster.sql('db', 'select count(*)::int as n from note')).toEqual([{ n: 1 }])
  })

  test('a reset that fails changes nothing', async ({ cluster }) => {
    await cluster.sql(
      'db',
      `truncate note; alter table note add column more int not null; insert into child (parent, name) values (2, 'kept')`,
    )
    await expect(cluster.reset('db')).rejects.toMatchObject({
      code: 'ERR_SEED_RESET_FAILED',
      message: expect.stringMatching(/statefulset\/db could not be restored: .*null value in column "more"/s),
    })
    expect(await cluster.sql('db', `select name from child where name = 'kept'`)).toEqual([{ name: 'kept' }])
    await cluster.sql('db', 'alter table note drop column more')
    await cluster.reset('db')
    expect(await cluster.sql('db', families)).toEqual(rows)
  })

  test('what cannot be reset is refused', async ({ cluster }) => {
    await expect(cluster.reset('deployment/web')).rejects.toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: "deployment/web" cannot be reset.
      Hint: Services of PostgreSQL, MariaDB, MySQL and Redis can, and what the option "seed" loads files into: here "statefulset/db", "statefulset/shop", "statefulset/cache" and "statefulset/events".]
    `)
  })

  const seed = async (cluster: TestCluster, workload: string, name: string, content: string | Uint8Array) => {
    const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
    const signal = AbortSignal.timeout(60_000)
    const { namespace } = cluster
    const store = await findStore(workload, { kube, namespace, signal })
    const service = workload.replace('statefulset/', '')
    const connect = async () => ({
      ...cluster.address(service),
      user: 'app',
      password: { cache: 'secret', events: '' }[service] ?? 'app',
      database: 'app',
    })
    return seedFile(store, { path: scratch(name, content), shown: name }, { signal, onRead: () => {}, connect })
  }

  test('the line that fails is named', async ({ cluster }) => {
    await expect(
      seed(cluster, 'statefulset/shop', 'a.sql', 'select 1;\nselect 2;\ninsert into\nnowhere values (1);\n'),
    ).rejects.toThrowErrorMatchingInlineSnapshot(`[ClusterTestError: Seed "a.sql", line 3: Table 'app.nowhere' doesn't exist]`)
    await expect(seed(cluster, 'statefulset/cache', 'a.redis', 'SET a 1\n\nINCR motto\nSET b 2\n')).rejects
      .toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: Seed "a.redis", line 3: ERR value is not an integer or out of range
        INCR motto]
    `)
    await expect(seed(cluster, 'statefulset/cache', 'b.redis', 'SET a "1\n')).rejects.toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: Seed "b.redis", line 1: a quote is not closed.
        SET a "1]
    `)
  })

  test('a Redis that has only just begun to start is waited for', async ({ cluster }) => {
    await cluster.exec('events', ['redis-cli', 'shutdown', 'nosave'], { reject: false })
    expect(await seed(cluster, 'statefulset/events', 'late.redis', 'SET late 1\nSET later 2\n')).toBe('2 commands')
  })

  test('a dump that does not fit is refused, and leaves nothing', async ({ cluster }) => {
    await cluster.reset('cache')
    const dump = await readFile(join(import.meta.dirname, '../../fixtures/seeds/families.dump'))
    await expect(seed(cluster, 'statefulset/shop', 'x.dump', dump)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ClusterTestError: Seed "x.dump" is a dump of PostgreSQL, and "statefulset/shop" runs MariaDB or MySQL.]`,
    )
    await expect(seed(cluster, 'statefulset/db', 'again.dump', dump)).rejects.toMatchObject({
      code: 'ERR_SEED_FAILED',
      message: expect.stringContaining('relation "child" already exists'),
    })
    await expect(seed(cluster, 'statefulset/cache', 'broken.rdb', 'REDIS0011 is not all of it')).rejects.toMatchObject({
      code: 'ERR_SEED_FAILED',
      message: expect.stringMatching(/"broken.rdb" could not be loaded/),
    })
    expect((await cluster.exec('cache', ['redis-cli', 'dbsize'])).stdout).toBe('5\n')
  })
})

async function connectMysql(url: string) {
  const connection = await createConnection(url)
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.end() })
}

async function purchases(url: string): Promise<readonly string[]> {
  await using connection = await connectMysql(url)
  const [found] = await connection.query('select what from purchase order by id')
  return (found as { what: string }[]).map(({ what }) => what)
}
