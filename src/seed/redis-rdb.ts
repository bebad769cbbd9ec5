import { ClusterTestError } from '../support/errors.ts'
import type { SnapshotScripts } from './snapshot-scripts.ts'
import type { Store } from './store.ts'

/** redis-cli takes the password from its own variable; charts and manifests often have another one. */
export const redisLogin = 'export REDISCLI_AUTH="${REDISCLI_AUTH:-$REDIS_PASSWORD}"; [ -n "$REDISCLI_AUTH" ] || unset REDISCLI_AUTH'

/** Redis takes an RDB file only when it starts, or from a primary: a second server in the pod is the primary for a moment. */
const loadScript = (file: string) => `
set -e
${redisLogin}
folder=$(mktemp -d)
# Until it has ended it writes to its log.
trap 'kill $server 2> /dev/null || true; wait $server || true; rm -rf "$folder"' EXIT
${file === '-' ? 'cat > "$folder/dump.rdb"' : `cp ${file} "$folder/dump.rdb"`}
redis-server --port 6399 --bind 127.0.0.1 --dir "$folder" --dbfilename dump.rdb --save '' --repl-diskless-sync yes --repl-diskless-sync-delay 0 --logfile "$folder/log" > /dev/null &
server=$!
until env -u REDISCLI_AUTH redis-cli -p 6399 ping 2> /dev/null | grep -q PONG; do
  kill -0 $server 2> /dev/null || { cat "$folder/log" >&2; exit 1; }
  sleep 0.05
done
auth=$(redis-cli config get masterauth | sed -n 2p)
[ -z "$auth" ] || redis-cli config set masterauth '' > /dev/null
redis-cli replicaof 127.0.0.1 6399 > /dev/null
until redis-cli info replication | grep -q '^master_link_status:up'; do sleep 0.02; done
redis-cli replicaof no one > /dev/null
redis-cli dbsize
`

/**
 * Puts the content of an RDB file in place of all that a Redis holds. Its clients stay connected.
 * @returns the number of keys in database 0
 * @throws ClusterTestError `ERR_SEED_FAILED` with what Redis says of the file
 */
export async function loadRdb(store: Store, input: AsyncIterable<Uint8Array>, shown: string, signal: AbortSignal): Promise<number> {
  const { exitCode, stdout, stderr } = await store.shell(loadScript('-'), { input, signal })
  if (exitCode === 0) return Number(stdout.trim().split('\n').at(-1))
  throw new ClusterTestError(
    'ERR_SEED_FAILED',
    `Seed "${shown}" could not be loaded into ${store.workload}: ${stderr.trim() || stdout.trim()}`,
    {
      hint: 'The file must not come from a newer Redis than the server.',
    },
  )
}

export const redisSnapshot: SnapshotScripts = {
  // The image's working directory, which is where Redis keeps its files.
  folder: '.',
  save: (path: string) => `${redisLogin}
# A server that saves for a copy without a disk waits 5 s for others that may want one too.
delay=$(redis-cli config get repl-diskless-sync-delay | sed -n 2p)
redis-cli config set repl-diskless-sync-delay 0 > /dev/null
redis-cli --rdb ${path} > /dev/null
redis-cli config set repl-diskless-sync-delay "$delay" > /dev/null`,
  restore: (path: string) => loadScript(path),
}
