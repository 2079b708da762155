import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '#store/store.ts'

/**
 * The migrations, oldest first; `user_version` counts how many a file has had. One that has landed never changes.
 *
 * A record's `text` is the evidence. All other columns of `record` are derived from it for finding it again, and every
 * read compares them with it.
 */
const MIGRATIONS: string[] = [
  `create table head(one integer primary key check (one = 1), size integer not null, note text not null);
   create table checkpoint(size integer primary key, note text not null);
   create table collection(number integer primary key, api_root text not null, id text not null, count integer not null,
     last_added integer not null, root blob not null, unique(api_root, id));
   create table record(leaf integer primary key, coll integer not null, seq integer not null, kind integer not null,
     added integer not null, imported integer not null, id text, type text, version text, digits integer not null,
     spec text, superseded integer, refused text, invalid integer not null default 0, text blob);
   create unique index record_seq on record(coll, seq);
   create index record_id on record(coll, id, version) where id is not null;
   create index record_type on record(coll, type, seq) where type is not null;
   create table tile(tree integer not null, level integer not null, idx integer not null, data blob not null,
     unique(tree, level, idx));
   create table bundle(idx integer primary key, data blob not null);
   create table status(id text primary key, api_root text not null, coll integer not null, submitter text not null,
     requested integer not null, size integer not null, accepted text not null, failed text not null, receipt text not null);
   create table opening(submitter text primary key, opening blob not null, name text not null) without rowid;
   create table anchor(ledger text not null, size integer not null, root blob not null, tx text not null, block integer not null,
     block_hash text not null, final integer not null, at integer not null, primary key(ledger, size)) without rowid;`,
  `alter table status add column gone_accepted integer not null default 0;
   alter table status add column gone_failed integer not null default 0;
   create table erased(tag blob primary key) without rowid;`,
  // Each filter of TAXII without an id has an index that ends on seq, so that a page of it is found without reading what it leaves out.
  `drop index record_type;
   create index record_type on record(coll, type, spec, seq) where type is not null;
   create index record_spec on record(coll, spec, seq) where type is not null;
   create index record_version on record(coll, version, seq) where type is not null;`,
  'create table cosignature(size integer not null, witness text not null, line text not null, primary key(size, witness)) without rowid',
  `create table route(channel text not null, leaf integer not null, primary key(channel, leaf)) without rowid;
   create table cursor(name text primary key, position integer not null) without rowid;`,
]

/** Brings the file to the newest schema, one transaction a migration. Throws StoreError `newer` for a file from the future. */
export function migrate(db: DatabaseSync): void {
  const { user_version: version } = db.prepare('pragma user_version').get() as { user_version: number }
  if (version > MIGRATIONS.length) {
    throw new StoreError(
      'newer',
      `the store has schema ${version}, this program knows ${MIGRATIONS.length}: run the newer version of Entente that wrote it`,
    )
  }
  for (let next = version; next < MIGRATIONS.length; next++) {
    db.exec(`begin immediate; ${MIGRATIONS[next]}; pragma user_version = ${next + 1}; commit`)
  }
}
