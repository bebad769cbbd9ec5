import { mysqlShell } from './mysql-shell.ts'
import type { SnapshotScripts } from './snapshot-scripts.ts'

const options =
  '--single-transaction --no-create-info --no-tablespaces --skip-triggers --skip-add-locks --skip-disable-keys --skip-comments --hex-blob --default-character-set=utf8mb4'

/** Rows in one transaction; next ids after it, since ALTER TABLE commits. TRUNCATE would commit too. */
export const mysqlSnapshot: SnapshotScripts = {
  folder: '/var/lib/mysql',
  save: (path, store) =>
    mysqlShell(
      store,
      `
$dump ${options} "$database" > ${path}
query() { $client --skip-column-names --batch --raw --database="$database" --execute="$1"; }
query 'set session sql_mode = ""; select concat("alter table ", char(96), table_name, char(96), " auto_increment = ", auto_increment, ";") from information_schema.tables where table_schema = database() and auto_increment is not null' > ${path}.ids
mv ${path}.ids "$path.ids"`,
      true,
    ),
  restore: (path, store) =>
    mysqlShell(
      store,
      `
query() { $client --skip-column-names --batch --raw --database="$database" --execute="$1"; }
deletes=$(query 'select concat("delete from ", char(96), table_name, char(96), ";") from information_schema.tables where table_schema = database() and table_type = "BASE TABLE"')
{ echo 'set foreign_key_checks = 0; set unique_checks = 0; start transaction;'; echo "$deletes"; cat ${path}; echo 'commit;'; cat "$path.ids"; } |
  $client --default-character-set=utf8mb4 --database="$database"`,
      true,
    ),
}
