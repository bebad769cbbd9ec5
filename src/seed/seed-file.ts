import { ClusterTestError } from '../support/errors.ts'
import { counted } from '../support/format.ts'
import type { DatabaseAddress } from './database.ts'
import { mysqlShell, untilMysqlAnswers } from './mysql-shell.ts'
import { openSeed, type OnRead } from './open-seed.ts'
import type { SeedFile } from './plan-seeds.ts'
import { loadRdb } from './redis-rdb.ts'
import { type RedisAddress, seedRedis } from './seed-redis.ts'
import { seedSql } from './seed-sql.ts'
import type { Store } from './store.ts'

export interface SeedFileOptions {
  readonly signal: AbortSignal
  readonly onRead: OnRead
  /** How this process reaches the store. */
  readonly connect: () => Promise<DatabaseAddress & RedisAddress>
}

/**
 * Loads a file into a store, by what the file holds, and resolves to what was done, for people.
 * @throws ClusterTestError `ERR_SEED_FAILED` with the file, and the line or statement where there is one
 */
export async function seedFile(store: Store, file: SeedFile, { signal, onRead, connect }: SeedFileOptions): Promise<string> {
  const { start, stream } = await openSeed(file, onRead)
  const isDump = start.toString('latin1').startsWith('PGDMP')
  const isRdb = start.toString('latin1').startsWith('REDIS')
  if (isDump !== (isDump && store.type === 'postgres') || isRdb !== (isRdb && store.type === 'redis'))
    throw new ClusterTestError(
      'ERR_SEED_FAILED',
      `Seed "${file.shown}" is ${isDump ? 'a dump of PostgreSQL' : 'an RDB file of Redis'}, and "${store.workload}" runs ${names[store.type]}.`,
    )
  switch (store.type) {
    case 'postgres': {
      if (isDump) return restoreDump(store, file, stream, signal)
      const { statements, rows } = await seedSql(await connect(), stream, file.shown, signal)
      return `${counted(statements, 'statement')}, ${counted(rows, 'row')}`
    }
    case 'mariadb':
      return runMysqlScript(store, file, stream, signal)
    case 'redis': {
      if (isRdb) return `${await loadRdb(store, stream, file.shown, signal)} keys`
      return counted(await seedRedis(await connect(), stream, file.shown, signal), 'command')
    }
  }
}

const names = { postgres: 'PostgreSQL', mariadb: 'MariaDB or MySQL', redis: 'Redis' } as const

/** Whole or not at all. What does not hold the role that owned the objects gets them as the seed's user. */
async function restoreDump(store: Store, file: SeedFile, input: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
  // While its init folder runs, the image's server answers on its socket alone.
  const script = `export PGPASSWORD="$POSTGRES_PASSWORD" PGUSER="\${POSTGRES_USER:-postgres}"
export PGDATABASE="\${POSTGRES_DB:-$PGUSER}"
until pg_isready --quiet --host=127.0.0.1; do sleep 0.1; done
exec pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --no-password --dbname="$PGDATABASE"`
  const { exitCode, stderr } = await store.shell(script, { input, signal })
  if (exitCode === 0) return 'restored'
  throw new ClusterTestError('ERR_SEED_FAILED', `Seed "${file.shown}" could not be restored into ${store.workload}: ${stderr.trim()}`, {
    hint: stderr.includes('unsupported version') ? 'Create the dump with a pg_dump that is not newer than the server.' : undefined,
  })
}

/** As the application's user, by the client that the image brings; it ends at the first statement that fails, and names its line. */
async function runMysqlScript(store: Store, file: SeedFile, input: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
  const { exitCode, stderr } = await store.shell(
    mysqlShell(store, `${untilMysqlAnswers}\n$client --default-character-set=utf8mb4 "$database"`),
    {
      input,
      signal,
    },
  )
  if (exitCode === 0) return 'done'
  const [, line, message] = /^ERROR .* at line (\d+): (.*)$/m.exec(stderr) ?? []
  throw new ClusterTestError(
    'ERR_SEED_FAILED',
    line ? `Seed "${file.shown}", line ${line}: ${message}` : `Seed "${file.shown}" into ${store.workload}: ${stderr.trim()}`,
  )
}
