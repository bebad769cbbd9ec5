import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect } from 'vitest'

import { describe } from '../suite/describe.ts'
import { readCities, writeCitiesSql } from '../testing/cities.ts'
import { seedSql } from './seed-sql.ts'

const folder = mkdtempSync(join(tmpdir(), 'seed-'))
const file = (name: string) => join(folder, name)
beforeAll(() => writeCitiesSql(file('copy.sql'), 'copy'))
afterAll(() => rmSync(folder, { recursive: true }))

const postgres = 'statefulset/postgres'

// A database without a readiness probe: the seed itself has to find out when it answers queries.
describe.withCluster('seed', { manifests: '../../fixtures/manifests/postgres.yaml', seed: { [postgres]: [file('copy.sql')] } }, (test) => {
  test('every row of a dump is there, byte by byte', async ({ cluster }) => {
    const cities = readCities()
    const [counted] = await cluster.sql(
      postgres,
      'select count(*)::int as rows, sum(population)::text as population, count(distinct country)::int as countries from city',
    )
    expect(counted).toEqual({
      rows: cities.length,
      population: String(cities.reduce((sum, { population }) => sum + population, 0)),
      countries: new Set(cities.map(({ country }) => country)).size,
    })
    expect(cities.length).toBeGreaterThan(100_000)
    const names = new Map(cities.map(({ cityId, name }) => [cityId, name]))
    const rows = await cluster.sql<{ id: number; name: string }>(postgres, 'select id, name from city')
    expect(rows.filter(({ id, name }) => names.get(id) !== name)).toEqual([])
    expect(await cluster.sql(postgres, 'select current_user as user, current_database() as database')).toEqual([
      { user: 'geographer', database: 'atlas' },
    ])
  })

  const seed = async (cluster: { address(service: string): { host: string; port: number } }, script: string | Buffer) => {
    await writeFile(file('script.sql'), script)
    const address = { ...cluster.address('postgres'), user: 'geographer', password: `p@ss: 'word' "$1"`, database: 'atlas' }
    return seedSql(address, createReadStream(file('script.sql')), 'script.sql', AbortSignal.timeout(60_000))
  }

  test('INSERT statements give the same rows', async ({ cluster }) => {
    await cluster.sql(postgres, 'alter table city rename to copied')
    await writeCitiesSql(file('insert.sql'), 'insert')
    const address = { ...cluster.address('postgres'), user: 'geographer', password: `p@ss: 'word' "$1"`, database: 'atlas' }
    const result = await seedSql(address, createReadStream(file('insert.sql')), 'insert.sql', AbortSignal.timeout(60_000))
    expect(result).toEqual({ statements: 1 + Math.ceil(readCities().length / 100), rows: readCities().length })
    const columns = 'id, name, country, population, longitude, latitude'
    expect(
      await cluster.sql(
        postgres,
        `select count(*)::int as differ from (select ${columns} from city except select ${columns} from copied) as d`,
      ),
    ).toEqual([{ differ: 0 }])
  })

  test('a failing statement is named by file, line and number', async ({ cluster }) => {
    await expect(
      seed(
        cluster,
        'create table one (n int primary key);\ninsert into one values (1);\n-- again\ninsert into one\nvalues (1);\ninsert into one values (2);\n',
      ),
    ).rejects.toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: Seed "script.sql", line 4, statement 3: duplicate key value violates unique constraint "one_pkey" (Key (n)=(1) already exists.)
        insert into one
        values (1)]
    `)
    expect(await cluster.sql(postgres, 'select n from one')).toEqual([{ n: 1 }])
  })

  test('a syntax error is found at its own line', async ({ cluster }) => {
    await expect(seed(cluster, 'select 1;\nselect\n  2,\n  frm nowhere;\n')).rejects.toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: Seed "script.sql", line 4, statement 2: column "frm" does not exist
        select
          2,
          frm nowhere]
    `)
  })

  test('a row of a COPY that does not fit is found', async ({ cluster }) => {
    await expect(seed(cluster, 'create table two (n int);\ncopy two from stdin;\n1\ntwo\n\\.\n')).rejects
      .toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: Seed "script.sql", line 4, statement 2: invalid input syntax for type integer: "two" (COPY two, line 2, column n: "two")
        copy two from stdin]
    `)
  })

  test('lines are counted behind the rows of a COPY, with the line ends of Windows and a byte order mark too', async ({ cluster }) => {
    const script = '\ufeffcreate table three (n int, t text);\r\ncopy three\r\nfrom stdin\r\n;\r\n1\t\\\\.\r\n2\tä\r\n\\.\r\n'
    await expect(seed(cluster, `${script}\r\nselect '😀\r\n😀', nothing;`)).rejects.toThrow(
      'Seed "script.sql", line 10, statement 3: column "nothing" does not exist',
    )
    expect(await cluster.sql(postgres, 'select * from three order by n')).toEqual([
      { n: 1, t: '\\.' },
      { n: 2, t: 'ä' },
    ])
    await expect(
      seed(cluster, `${script.replace('create table three (n int, t text)', 'delete from three')}copy three from stdin;\n3\n`),
    ).rejects.toThrow('Seed "script.sql", line 9, statement 3: missing data for column "t" (COPY three, line 1: "3")')
  })

  test('rows in another encoding arrive as the dump declares it; statements in one are refused by line', async ({ cluster }) => {
    const latin1 = (script: string) => seed(cluster, Buffer.from(script, 'latin1'))
    await latin1("set client_encoding = 'LATIN1';\ncreate table four (t text);\ncopy four from stdin;\nMünchen\n\\.\n")
    expect(await cluster.sql(postgres, 'select t from four')).toEqual([{ t: 'München' }])
    await expect(latin1("create table five (t text);\ninsert into five\nvalues ('München');\n")).rejects
      .toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: Seed "script.sql", line 3: This is not UTF-8.
      Hint: Save it as UTF-8, or dump with "pg_dump --encoding=UTF8 --file=…".]
    `)
    await expect(seed(cluster, Buffer.from('\ufeffselect 1;\r\n', 'utf16le'))).rejects.toThrow(
      'Seed "script.sql", line 1: This is not UTF-8.',
    )
    expect(await cluster.sql(postgres, 'select * from five')).toEqual([])
  })

  test('a wrong password is an error at once, not a wait', async ({ cluster }) => {
    const address = { ...cluster.address('postgres'), user: 'geographer', password: 'wrong', database: 'atlas' }
    await expect(seedSql(address, createReadStream(file('copy.sql')), 'copy.sql', AbortSignal.timeout(60_000))).rejects.toMatchObject({
      code: 'ERR_SEED_FAILED',
      message: expect.stringContaining('refused the connection: password authentication failed for user "geographer"'),
    })
  })

  test('a workload that is no database, or is not there', async ({ cluster }) => {
    await expect(cluster.sql('statefulset/postgre', 'select 1')).rejects.toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: There is no StatefulSet "postgre" in namespace "default".
      Hint: It has "statefulset/postgres".]
    `)
  })

  test('exec gives all of both outputs and the true exit code', async ({ cluster }) => {
    const exec = (line: string, options = {}) => cluster.exec(postgres, ['sh', '-c', line], { reject: false, ...options })
    expect(await exec('echo out; echo err >&2; exit 3')).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: 3 })
    expect(await exec('cat', { input: 'ä\n"\0' })).toEqual({ stdout: 'ä\n"\0', stderr: '', exitCode: 0 })
    const codes = await Promise.all(Array.from({ length: 20 }, async (_, index) => (await exec(`exit ${index}`)).exitCode))
    expect(codes).toEqual(Array.from({ length: 20 }, (_, index) => index))
    for (let round = 0; round < 5; round++) {
      const { stdout } = await exec('seq 2000000')
      expect(stdout.length).toBe(14_888_896)
      expect(stdout.endsWith('\n2000000\n')).toBe(true)
    }
  })

  test('exec says why a command failed, or could not start', async ({ cluster }) => {
    await expect(cluster.exec(postgres, ['sh', '-c', 'echo broken >&2; exit 9'])).rejects.toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: Command "sh -c echo broken >&2; exit 9" in statefulset/postgres ended with exit code 9.
      broken
      Hint: Pass { reject: false } to look at the result yourself.]
    `)
    await expect(cluster.exec(postgres, ['no-such-program'])).rejects.toMatchObject({
      code: 'ERR_KUBE_EXEC_FAILED',
      message: expect.stringMatching(/could not be started: .*no-such-program/),
    })
    await expect(cluster.exec(postgres, ['sleep', '60'], { timeout: 500 })).rejects.toMatchObject({
      code: 'ERR_KUBE_EXEC_FAILED',
      message: `Command "sleep 60" in ${postgres} took longer than 500 ms.\nHint: Raise its option "timeout".`,
    })
    await expect(cluster.exec(postgres, ['true'], { container: 'sidecar' })).rejects.toMatchObject({
      code: 'ERR_KUBE_NOT_FOUND',
      message: expect.stringContaining('It has "postgres".'),
    })
  })

  /** A database of its own whose image runs a script at its first start. */
  const initialised = (name: string, script: string, probe: object = {}) => [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { 'init.sql': script } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 0,
        volumes: [
          { name: 'init', configMap: { name } },
          { name: 'data', emptyDir: {} },
        ],
        containers: [
          {
            name: 'db',
            image: 'postgres:17',
            ...probe,
            env: [
              { name: 'POSTGRES_PASSWORD', value: 'secret' },
              { name: 'PGDATA', value: '/data/db' },
              { name: 'POSTGRES_INITDB_ARGS', value: '--no-sync' },
            ],
            volumeMounts: [
              { name: 'init', mountPath: '/docker-entrypoint-initdb.d' },
              { name: 'data', mountPath: '/data' },
            ],
          },
        ],
      },
    },
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { app: name }, ports: [{ port: 5432 }] } },
  ]

  test('five databases whose init scripts take their time have what the scripts put in when they are first asked', async ({ cluster }) => {
    const script = 'select pg_sleep(3); create table started (n int); insert into started values (1);'
    const ask = (name: string) => cluster.sql(`pod/${name}` as typeof postgres, 'select n from started')
    const rounds = Array.from({ length: 5 }, async (_, index) => {
      await cluster.apply(initialised(`slow-${index}`, script))
      return ask(`slow-${index}`)
    })
    expect(await Promise.all(rounds)).toEqual(Array.from({ length: 5 }, () => [{ n: 1 }]))
    // Again on the data that is there.
    await cluster.exec('pod/slow-0', ['sh', '-c', 'kill -INT 1'])
    await expect
      .poll(
        () =>
          cluster.logs('pod/slow-0', { previous: true }).then(
            () => true,
            () => false,
          ),
        { timeout: 30_000 },
      )
      .toBe(true)
    expect(await ask('slow-0')).toEqual([{ n: 1 }])
  })

  test('a database whose init script fails is an error, also once it has started again on half of the data', async ({ cluster }) => {
    const script = ['create table a (n int)', 'insert into a values (1)', 'insert into b values (1)', 'insert into a values (2)'].join(
      ';\n',
    )
    const probe = { readinessProbe: { exec: { command: ['pg_isready', '--host=127.0.0.1'] }, periodSeconds: 1 } }
    const failure =
      /^.*pod\/half: pod "half", container "db" ended with exit code 3: a database that restarts after a failed first start has incomplete data.*relation "b" does not exist/s
    await expect(cluster.apply(initialised('half', `${script};`, probe))).rejects.toThrow(failure)
    await expect
      .poll(() => cluster.get('pod/half'), { timeout: 60_000 })
      .toMatchObject({ status: { containerStatuses: [{ restartCount: 1, state: { running: {} } }] } })
    await expect(cluster.apply(initialised('half', `${script};`, probe))).rejects.toThrow(failure)
  })

  test('logs of the run before a restart', async ({ cluster }) => {
    const command = ['sh', '-c', 'echo one; while [ ! -e /stop ]; do sleep 0.1; done; echo last words']
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'talker' },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'app', image: 'busybox:1.37', command }] },
    })
    await expect(cluster.logs('pod/talker', { previous: true })).rejects.toThrow('talker')
    await cluster.exec('pod/talker', ['touch', '/stop'])
    await expect.poll(() => cluster.logs('pod/talker', { previous: true }).catch(String), { timeout: 60_000 }).toBe('one\nlast words\n')
  })

  test('logs, by number of lines', async ({ cluster }) => {
    const all = await cluster.logs(postgres)
    expect(all).toContain('database system is ready to accept connections')
    const last = await cluster.logs(postgres, { tail: 2, container: 'postgres' })
    expect(last.trimEnd().split('\n')).toHaveLength(2)
  })
})
