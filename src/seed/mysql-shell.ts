import type { Store } from './store.ts'

/** A script with `$client` (MariaDB's images since 11 have no `mysql`), `$dump`, `$database`, as the application's user. */
export function mysqlShell({ env }: Store, script: string, asRoot = false): string {
  const prefix = 'MARIADB_DATABASE' in env || 'MARIADB_USER' in env || 'MARIADB_ROOT_PASSWORD' in env ? 'MARIADB' : 'MYSQL'
  const hasUser = !asRoot && env[`${prefix}_USER`] !== undefined
  return [
    `export MYSQL_PWD="$${prefix}_${hasUser ? 'PASSWORD' : 'ROOT_PASSWORD'}" database="$${prefix}_DATABASE"`,
    `login='--protocol=tcp --host=127.0.0.1 --user=${hasUser ? `'"$${prefix}_USER"'` : 'root'}'`,
    'if command -v mariadb > /dev/null; then client=mariadb dump=mariadb-dump; else client=mysql dump=mysqldump; fi',
    'client="$client $login" dump="$dump $login"',
    script,
  ].join('\n')
}

/** 2002, 2003 and 2013: a server that is not there yet, also while the image's init folder runs. Anything else is for good. */
export const untilMysqlAnswers = `until error=$($client -e 'select 1' 2>&1 > /dev/null < /dev/null); do
  case "$error" in
    *'ERROR 2002 '* | *'ERROR 2003 '* | *'ERROR 2013 '*) sleep 0.1 ;;
    *) echo "$error" >&2; exit 1 ;;
  esac
done`
