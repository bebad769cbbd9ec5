import type { SnapshotScripts } from './snapshot-scripts.ts'

export const postgresLogin = `export PGPASSWORD="$POSTGRES_PASSWORD" PGUSER="\${POSTGRES_USER:-postgres}"
export PGDATABASE="\${POSTGRES_DB:-$PGUSER}" PGOPTIONS='-c client_min_messages=warning'`

/** What the transactions after this moment change has this id, or a later one. */
const oldest = 'txid_snapshot_xmin(txid_current_snapshot()) % 4294967296'

/**
 * Splits a dump: the rows of each table into a file of their own, by number, and all else into `rest`. `marks` says of each number which
 * table with which columns it is, how many rows it has, and which transaction was the oldest when the dump began. Without awk all of it
 * is `rest`.
 */
const split = String.raw`
if command -v awk > /dev/null; then
  LC_ALL=C awk -v folder="$folder" -v oldest="$oldest" '
    isRow {
      print > file
      if ($0 != "\\.") { rows++; next }
      printf "%d\t%s\t%d\t%s\t0\n", number, name, rows, oldest > (folder "/marks")
      close(file)
      isRow = 0
      next
    }
    /^COPY .* FROM stdin;$/ {
      # With its columns. A name that COPY itself would have to be told in another way is rare enough.
      name = substr($0, 6, length($0) - 17)
      if (name ~ /[\\\t]/) name = ""
      file = folder "/" ++number
      print > file
      rows = 0
      isRow = 1
      next
    }
    { print > (folder "/rest") }' "$folder/dump"
  rm "$folder/dump"
else
  mv "$folder/dump" "$folder/rest"
fi
touch "$folder/rest" "$folder/marks"`

/** Triggers and foreign keys sleep meanwhile, so that tables that refer to each other come back in any order. */
const before = String.raw`set session_replication_role = replica;
set local lock_timeout = '10s';
create temp table vk_tables on commit drop as
  select c.oid, c.oid::regclass::text as shown, false as is_same, false as is_empty,
    concat(quote_ident(n.nspname), '.', quote_ident(c.relname), ' ', (
      select '(' || string_agg(quote_ident(attname), ', ' order by attnum) || ')' from pg_attribute a
      where attrelid = c.oid and attnum > 0 and not attisdropped and coalesce(to_jsonb(a) ->> 'attgenerated', '') = ''
    )) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname <> 'information_schema' and n.nspname not like 'pg\_%'
    and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e');
create temp table vk_marks (number int, name text, rows bigint, oldest text, own text) on commit drop;
copy vk_marks from stdin;`

/**
 * Empties what has changed, and writes down which files bring the rows back. A table is the same when it has its columns and its number
 * of rows, and none of a transaction that ended later. Nobody writes meanwhile. Of a table that an extension has made, such as PostGIS'
 * spatial_ref_sys, a dump has the rows that the extension says are the user's.
 */
const empty = String.raw`do $$
declare
  tables text;
  each record;
begin
  select string_agg(shown, ', ') into tables from vk_tables;
  if tables is not null then execute 'lock table ' || tables || ' in access exclusive mode'; end if;
  for each in select * from vk_marks join vk_tables using (name) loop
    execute format(
      'update vk_tables set is_same = (
        select count(*) = %s and count(*) filter (where age(xmin) <= age(%L::xid) and xmin::text <> %L) = 0 from only %s
      ) where oid = %s', each.rows, each.oldest, each.own, each.shown, each.oid);
  end loop;
  -- What others refer to cannot be truncated without them; of a partitioned table, only its partitions have rows.
  for each in
    with recursive kept as (
      select oid from vk_tables where is_same union select oid from pg_class where relkind = 'p'
      union select confrelid from pg_constraint join kept on conrelid = kept.oid where contype = 'f'
    )
    select shown from vk_tables join kept using (oid) where not is_same
  loop
    execute 'delete from only ' || each.shown;
    update vk_tables set is_empty = true where shown = each.shown;
  end loop;
  select string_agg('only ' || shown, ', ') into tables from vk_tables where not is_same and not is_empty;
  if tables is not null then execute 'truncate ' || tables; end if;
  for each in select relation::regclass as shown, rows from pg_extension, unnest(extconfig, extcondition) as config (relation, rows)
    join pg_class on oid = relation and relkind in ('r', 'p')
  loop execute format('delete from %s %s', each.shown, each.rows); end loop;
end $$;
\o :plan
select format('\i ''%s/%s''', :'folder', number) from vk_marks left join vk_tables using (name) where is_same is not true order by number;
\o :marks
select concat_ws(E'\t', number, name, rows, case when is_same then oldest else (${oldest})::text end,
  case when is_same then own else (txid_current() % 4294967296)::text end)
from vk_marks left join vk_tables using (name) order by number;
\o /dev/null`

/** What a dump of data leaves out. */
const after = `do $$
declare name text;
begin
  for name in select format('%I.%I', schemaname, matviewname) from pg_matviews loop execute 'refresh materialized view ' || name; end loop;
end $$;`

/**
 * Tables and sequences by pg_dump, put back in one transaction: a template database would need every client to leave. Tables that nobody
 * has changed are left alone.
 */
export const postgresSnapshot: SnapshotScripts = {
  folder: '${PGDATA:-/var/lib/postgresql/data}',
  save: (path) => `${postgresLogin}
folder=${path}
mkdir -p "$folder"
oldest=$(psql --no-psqlrc --no-password -tAc "select ${oldest}")
pg_dump --no-password --data-only --file="$folder/dump"
${split}`,
  // Of two at once, each has a file of its own: the second one writes while the first one moves. Older marks only load more than is needed.
  restore: (path) => `${postgresLogin}
folder=${path}
marks="$folder/marks.$$"
trap 'rm -f "$marks"' EXIT
{ cat << 'SQL'
${before}
SQL
cat "$folder/marks"
cat << 'SQL'
\\.
${empty}
SQL
cat "$folder/rest"
cat << 'SQL'
\\i :plan
${after}
SQL
} | psql --no-psqlrc --no-password --quiet --tuples-only --no-align --single-transaction --set=ON_ERROR_STOP=1 \\
  --set=folder="$folder" --set=plan="$folder/plan" --set=marks="$marks" > /dev/null
mv "$marks" "$folder/marks"`,
}
