import type { SnapshotScripts } from './snapshot-scripts.ts'

export const postgresLogin = `export PGPASSWORD="$POSTGRES_PASSWORD" PGUSER="\${POSTGRES_USER:-postgres}"
export PGDATABASE="\${POSTGRES_DB:-$PGUSER}" PGOPTIONS='-c client_min_messages=warning'`

/**
 * Triggers and foreign keys sleep meanwhile, so that tables that refer to each other come back in any order. Of a table that
 * an extension has made, such as PostGIS' spatial_ref_sys, a dump has the rows that the extension says are the user's.
 */
const before = `set session_replication_role = replica;
set local lock_timeout = '10s';
do $$
declare
  tables text;
  own record;
begin
  select string_agg(c.oid::regclass::text, ', ') into tables from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
    and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e');
  if tables is not null then execute 'truncate ' || tables; end if;
  for own in select relation::regclass, rows from pg_extension, unnest(extconfig, extcondition) as config (relation, rows)
    join pg_class on oid = relation and relkind in ('r', 'p')
  loop execute format('delete from %s %s', own.relation, own.rows); end loop;
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
  save: (path) => `${postgresLogin}\npg_dump --no-password --data-only --file=${path}`,
  restore: (path) => `${postgresLogin}
{ cat << 'SQL'
${before}
SQL
cat ${path}
cat << 'SQL'
${after}
SQL
} | psql --no-psqlrc --no-password --quiet --single-transaction --set=ON_ERROR_STOP=1 > /dev/null`,
}
