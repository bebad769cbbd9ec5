import type { SnapshotScripts } from './snapshot.ts'

const login = `export PGPASSWORD="$POSTGRES_PASSWORD" PGUSER="\${POSTGRES_USER:-postgres}"
export PGDATABASE="\${POSTGRES_DB:-$PGUSER}" PGOPTIONS='-c client_min_messages=warning'`

/** Triggers and foreign keys sleep meanwhile, so that tables that refer to each other come back in any order. */
const before = `set session_replication_role = replica;
set local lock_timeout = '10s';
do $$
declare tables text;
begin
  select string_agg(format('%I.%I', schemaname, tablename), ', ') into tables from pg_tables
  where schemaname not in ('pg_catalog', 'information_schema') and schemaname not like 'pg\\_%';
  if tables is not null then execute 'truncate ' || tables; end if;
end $$;`

/** What a dump of data leaves out. */
const after = `do $$
declare name text;
begin
  for name in select format('%I.%I', schemaname, matviewname) from pg_matviews loop execute 'refresh materialized view ' || name; end loop;
end $$;`

/** Tables and sequences by pg_dump, put back in one transaction: a template database would need every client to leave. */
export const postgresSnapshot: SnapshotScripts = {
  folder: '${PGDATA:-/var/lib/postgresql/data}',
  save: (path) => `${login}\npg_dump --no-password --data-only --file=${path}`,
  restore: (path) => `${login}
{ cat << 'SQL'
${before}
SQL
cat ${path}
cat << 'SQL'
${after}
SQL
} | psql --no-psqlrc --no-password --quiet --single-transaction --set=ON_ERROR_STOP=1 > /dev/null`,
}
