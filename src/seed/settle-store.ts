import type { KubeClient } from '../kube/client.ts'
import { type ExecTarget, execInPod } from '../kube/exec.ts'
import { quote } from '../support/sh.ts'
import { mysqlShell } from './mysql-shell.ts'
import { postgresLogin } from './postgres-snapshot.ts'
import { redisLogin } from './redis-rdb.ts'
import { snapshotScripts } from './snapshot.ts'
import type { SeededType, Store } from './store.ts'

/** Each prints tables that are empty after a crash, by the databases' own rules, and lets the store write down all else. */
const scripts: Readonly<Record<SeededType, (store: Store) => string>> = {
  postgres: () =>
    `${postgresLogin}\npsql --no-psqlrc --no-password -tAc "select relname from pg_class where relpersistence = 'u' and relkind = 'r'"`,
  mariadb: (store) =>
    mysqlShell(
      store,
      `$client -N -e "select table_name from information_schema.tables where engine = 'MEMORY' and table_schema = '$database'"`,
    ),
  // Redis loads what it finds there at its start, also where it never saves by itself.
  redis: () => `${redisLogin}\nredis-cli save > /dev/null`,
}

/** Makes a store ready for a copy of its files. Resolves to what such a copy would lack, undefined if nothing. */
export async function settleStore(store: Store, signal: AbortSignal): Promise<string | undefined> {
  const { exitCode, stdout, stderr } = await store.shell(scripts[store.type](store), { signal })
  if (exitCode !== 0) return `${store.workload} could not be asked: ${stderr.trim()}`
  const [table] = stdout.trim().split('\n')
  if (table) return `table "${table}" of ${store.workload} does not outlive a crash of the database`
  const isOnVolume = `[ "$(stat -c %d "${snapshotScripts[store.type].folder}")" != "$(stat -c %d /)" ]`
  if ((await store.shell(isOnVolume, { signal })).exitCode !== 0)
    return `${store.workload} keeps its data in the container, not on a volume`
  return undefined
}

/** Whether a container has nothing in a folder that its image keeps data in, nor in its memory, where it is a Redis. */
export async function isUnused(kube: KubeClient, target: ExecTarget, folder: string, signal: AbortSignal): Promise<boolean> {
  const isEmpty = `[ -z "$(ls -A ${quote(folder)})" ]`
  const hasNoKeys = `if command -v redis-cli > /dev/null; then ${redisLogin}; [ "$(redis-cli dbsize)" = 0 ]; fi`
  const { exitCode } = await execInPod(kube, target, ['sh', '-c', `${isEmpty} && ${hasNoKeys}`], { signal })
  return exitCode === 0
}
