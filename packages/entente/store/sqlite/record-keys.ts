import { StoreError } from '../store.ts'
import { openSideFile } from './side-file.ts'
import { wipe } from './sqlite.ts'

/** As the port of notary/record-keys.ts has it. */
type RecordKey = { seq: number; commitment: Uint8Array; key: Uint8Array }

/**
 * Keys of records in one SQLite file (mode 0600), as durable as the store, and overwritten where they are destroyed.
 *
 * @throws StoreError `corrupt`, `io`
 */
export function openSqliteRecordKeys({ path, readOnly = false }: { path: string; readOnly?: boolean }) {
  const { db, doing, together } = openSideFile(path, readOnly, opened => {
    opened.exec('pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on')
    opened.exec(`create table if not exists record_key(coll text not null, seq integer not null, commitment blob not null, key blob not null,
          primary key(coll, seq)) without rowid;
        create table if not exists place(follower text not null, coll text not null, seq integer not null, primary key(follower, coll)) without rowid;`)
    wipe(opened)
  })
  const setPlace = (follower: string, collection: string, seq: number) =>
    db.prepare('insert or replace into place(follower, coll, seq) values(?, ?, ?)').run(follower, collection, seq)
  const find = db.prepare('select commitment from record_key where coll = ? and seq = ?')
  const insert = readOnly
    ? undefined
    : db.prepare('insert into record_key(coll, seq, commitment, key) values(?, ?, ?, ?)')

  return {
    place: (follower: string, collection: string): number =>
      doing(() => {
        const row = db.prepare('select seq from place where follower = ? and coll = ?').get(follower, collection)
        return (row as { seq: number } | undefined)?.seq ?? 0
      }),
    follow(collection: string, made: readonly RecordKey[], gone: readonly number[], place: number): void {
      together(() => {
        for (const { seq, commitment, key } of made) {
          const there = find.get(collection, seq) as { commitment: Uint8Array } | undefined
          if (!there) insert?.run(collection, seq, commitment, key)
          else if (Buffer.compare(there.commitment, commitment) !== 0)
            throw new StoreError(
              'corrupt',
              `${path} has the key of another record ${seq} of ${collection}: it belongs to another store, or the store was put back to an older copy`,
            )
        }
        for (const seq of gone) db.prepare('delete from record_key where coll = ? and seq = ?').run(collection, seq)
        setPlace('', collection, place)
      })
      if (gone.length > 0) doing(() => wipe(db))
    },
    move: (follower: string, collection: string, place: number): void =>
      doing(() => void setPlace(follower, collection, place)),
    collections: (): string[] =>
      doing(() => {
        const rows = db.prepare("select coll from place where follower = '' order by coll").all()
        return (rows as { coll: string }[]).map(({ coll }) => coll)
      }),
    count: (collection: string): number =>
      doing(() => {
        const row = db.prepare('select count(*) as n from record_key where coll = ?').get(collection)
        return (row as { n: number }).n
      }),
    list: (collection: string, from: number, limit: number): RecordKey[] =>
      doing(
        () =>
          db
            .prepare('select seq, commitment, key from record_key where coll = ? and seq >= ? order by seq limit ?')
            .all(collection, from, limit) as RecordKey[],
      ),
    close: () => db.close(),
  }
}
