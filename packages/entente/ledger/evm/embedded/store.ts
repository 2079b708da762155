import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { LedgerError } from '../../error.ts'
import { syncFolder } from './keys.ts'
import { type NodeChanges, type NodeKey, nodeChanges } from './nodes.ts'

/** Each entry moves a folder from the version before to its own (index + 1); never edit one that was released. */
const MIGRATIONS: readonly string[] = [
  `create table config (name text primary key, value text not null) strict, without rowid;
   -- Trie nodes and code by hash. refs: references from the newest state; died: the block that dropped the last one.
   create table node (key blob primary key, refs integer not null, died integer, data blob not null) strict, without rowid;
   create index node_died on node (died) where died is not null;
   create table block (number integer primary key, hash blob not null, header blob not null) strict;
   create unique index block_hash on block (hash);
   -- receipt: RLP, see receipt.ts
   -- place: block * 65536 + position. A rowid table: rows of 1 KB would spill into pages of their own in any other.
   create table tx (place integer primary key, hash blob not null, raw blob not null, receipt blob not null) strict;
   create unique index tx_hash on tx (hash);
   -- Which blocks have logs of an address or with a topic; key: 8 bytes of a hash, see receipt.ts
   create table log_key (key blob not null, block integer not null, primary key (key, block)) strict, without rowid;`,
]

export interface StoredBlock {
  readonly number: number
  readonly hash: Uint8Array
  readonly header: Uint8Array
}

export interface StoredTransaction {
  readonly block: number
  readonly position: number
  readonly hash: Uint8Array
  readonly raw: Uint8Array
  readonly receipt: Uint8Array
}

/** What one block adds: written in one SQLite transaction, or not at all. */
export interface Sealed {
  readonly block: StoredBlock
  readonly transactions: readonly Omit<StoredTransaction, 'block'>[]
  readonly logKeys: readonly Uint8Array[]
  readonly oldRoot: NodeKey
  readonly newRoot: NodeKey
  readonly written: ReadonlyMap<NodeKey, Uint8Array>
}

export interface Store {
  readonly path: string
  config(name: string): string | undefined
  node(key: NodeKey): Uint8Array | undefined
  head(): StoredBlock | undefined
  block(number: number): StoredBlock | undefined
  blockByHash(hash: Uint8Array): StoredBlock | undefined
  transactions(block: number): StoredTransaction[]
  transaction(hash: Uint8Array): StoredTransaction | undefined
  /** Numbers of the blocks in a range that have a log with all these keys (hash collisions possible), at most `limit`. */
  blocksWithLogs(keys: readonly Uint8Array[], from: number, to: number, limit: number): number[]
  /** Every node with its count and the block it died at: for checks of the whole. */
  nodes(): Iterable<{ key: NodeKey; references: number; died: number | undefined; data: Uint8Array }>
  /**
   * Durable, and all or nothing, when it returns. `config` is written with the first block. Nodes that the newest `keepStates` states do without go.
   */
  commit(
    sealed: Sealed,
    keepStates: number,
    hook: (point: CrashPoint) => void,
    config?: Readonly<Record<string, string>>,
  ): void
  close(): void
}

/** Where a test may stop the process. */
export type CrashPoint = 'before-transaction' | 'in-transaction' | 'before-commit' | 'after-commit'

/**
 * Opens `ledger.db` in a folder, which it creates, and keeps every other process from writing to it until it is closed. With `readOnly` it shows the
 * ledger as it is now, beside a process that writes.
 * Throws LedgerError `locked`, `corrupt`, or `mismatch` for a folder that a later version wrote.
 */
export function openStore(folder: string, readOnly = false): Store {
  if (!readOnly) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'ledger.db')
  const lock = readOnly ? undefined : takeLock(path)
  let db: DatabaseSync
  try {
    db = open(path, readOnly)
  } catch (error) {
    lock?.close()
    throw error
  }
  if (!readOnly) syncFolder(folder)
  const prepared = new Map<string, StatementSync>()
  const sql = (text: string): StatementSync => {
    const known = prepared.get(text) ?? db.prepare(text)
    prepared.set(text, known)
    return known
  }
  const get = <T>(text: string, ...values: SQLInputValue[]) => sql(text).get(...values) as T | undefined
  const all = <T>(text: string, ...values: SQLInputValue[]) => sql(text).all(...values) as T[]
  const run = (text: string, ...values: SQLInputValue[]) => sql(text).run(...values)

  const reader = {
    data: (key: NodeKey): Uint8Array => {
      const row = get<{ data: Uint8Array }>('select data from node where key = ?', bytes(key))
      if (row === undefined)
        throw new LedgerError('corrupt', `${path}: trie node ${key} is missing: restore the folder from a backup`)
      return row.data
    },
    references: (key: NodeKey): number =>
      get<{ refs: number }>('select refs from node where key = ?', bytes(key))?.refs ?? 0,
  }

  function writeNodes(changes: NodeChanges, number: number, keepStates: number): void {
    const born =
      'insert into node (key, refs, died, data) values (?, ?, null, ?) on conflict (key) do update set refs = excluded.refs, died = null'
    for (const [key, { references, data }] of changes.born) run(born, bytes(key), references, data)
    for (const [key, references] of changes.counted)
      run('update node set refs = ? where key = ?', references, bytes(key))
    for (const key of changes.died) run('update node set refs = 0, died = ? where key = ?', number, bytes(key))
    run('delete from node where died <= ?', number - keepStates + 1)
  }

  return {
    path,
    config: name => get<{ value: string }>('select value from config where name = ?', name)?.value,
    node: key => get<{ data: Uint8Array }>('select data from node where key = ?', bytes(key))?.data,
    head: () => get('select number, hash, header from block order by number desc limit 1'),
    block: number => get('select number, hash, header from block where number = ?', number),
    blockByHash: hash => get('select number, hash, header from block where hash = ?', hash),
    transactions: block => {
      const text = 'select place, hash, raw, receipt from tx where place between ? and ? order by place'
      return all<TransactionRow>(text, placeOf(block, 0), placeOf(block + 1, 0) - 1).map(toTransaction)
    },
    transaction: hash => {
      const row = get<TransactionRow>('select place, hash, raw, receipt from tx where hash = ?', hash)
      return row === undefined ? undefined : toTransaction(row)
    },
    blocksWithLogs(keys, from, to, limit) {
      // The rarest key leads; the others are looked up in its blocks.
      const counted = keys
        .map(key => ({
          key,
          n: get<{ n: number }>('select count(*) n from (select 1 from log_key where key = ? limit 1000)', key)?.n ?? 0,
        }))
        .sort((a, b) => a.n - b.n)
      const [lead, ...rest] = counted.map(({ key }) => key)
      if (lead === undefined) {
        const text = 'select number block from block where number between ? and ? order by number limit ?'
        return all<{ block: number }>(text, from, to, limit).map(r => r.block)
      }
      const and = rest.map(() => ' and exists (select 1 from log_key o where o.key = ? and o.block = l.block)').join('')
      const text = `select l.block from log_key l where l.key = ? and l.block between ? and ?${and} order by l.block limit ?`
      return all<{ block: number }>(text, lead, from, to, ...rest, limit).map(r => r.block)
    },
    *nodes() {
      type Row = { key: Uint8Array; refs: number; died: number | null; data: Uint8Array }
      for (const row of sql('select key, refs, died, data from node').iterate() as Iterable<Row>) {
        yield {
          key: Buffer.from(row.key).toString('hex'),
          references: row.refs,
          died: row.died ?? undefined,
          data: row.data,
        }
      }
    },
    commit({ block, transactions, logKeys, oldRoot, newRoot, written }, keepStates, hook, config = {}) {
      if (readOnly) throw new LedgerError('refused', `${path} was opened to read only`)
      const changes = nodeChanges(oldRoot, newRoot, written, reader)
      hook('before-transaction')
      db.exec('begin immediate')
      try {
        for (const [name, value] of Object.entries(config))
          run('insert into config (name, value) values (?, ?)', name, value)
        writeNodes(changes, block.number, keepStates)
        hook('in-transaction')
        run('insert into block (number, hash, header) values (?, ?, ?)', block.number, block.hash, block.header)
        for (const { position, hash, raw, receipt } of transactions) {
          const text = 'insert into tx (place, hash, raw, receipt) values (?, ?, ?, ?)'
          run(text, placeOf(block.number, position), hash, raw, receipt)
        }
        for (const key of logKeys) run('insert or ignore into log_key (key, block) values (?, ?)', key, block.number)
        hook('before-commit')
        db.exec('commit') // synchronous = full: on disk when it returns. A crash before leaves the block before, whole.
      } catch (cause) {
        if (db.isTransaction) db.exec('rollback')
        throw cause
      }
      hook('after-commit') // A crash here loses the answer, never the block.
    },
    close: () => {
      if (!db.isOpen) return
      db.close()
      lock?.close()
    },
  }
}

type TransactionRow = Omit<StoredTransaction, 'block' | 'position'> & { readonly place: number }
const POSITIONS = 65_536 // a block's gas is enough for 1,428 transactions
const placeOf = (block: number, position: number): number => block * POSITIONS + position
const toTransaction = ({ place, ...rest }: TransactionRow): StoredTransaction => ({
  block: Math.floor(place / POSITIONS),
  position: place % POSITIONS,
  ...rest,
})

function open(path: string, readOnly: boolean): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly, timeout: BUSY_MS })
    if (readOnly)
      db.exec('begin') // one snapshot for all reads
    else {
      db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -8000')
      db.exec('begin immediate')
    }
    const { user_version: version } = db.prepare('pragma user_version').get() as { user_version: number }
    if (version > MIGRATIONS.length) {
      throw new LedgerError(
        'mismatch',
        `${path} has schema ${version}, this version knows ${MIGRATIONS.length}: use a later Entente`,
      )
    }
    if (readOnly) return db
    for (const migration of MIGRATIONS.slice(version)) db.exec(migration)
    db.exec(`pragma user_version = ${MIGRATIONS.length}`)
    db.exec('commit')
    return db
  } catch (cause) {
    if (db?.isOpen === true) db.close()
    if (cause instanceof LedgerError) throw cause
    throw new LedgerError(
      'corrupt',
      `${path} cannot be opened (${messageOf(cause)}): restore the folder from a backup`,
      { cause },
    )
  }
}

/** How long a statement waits for who reads beside. */
const BUSY_MS = 5000

/** A lock on a file beside it, which the operating system gives back when this process ends, however it ends: readers may come and go. */
function takeLock(path: string): DatabaseSync {
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(`${path}.lock`)
    lock.exec('pragma locking_mode = exclusive; begin exclusive')
    return lock
  } catch (cause) {
    if (lock?.isOpen === true) lock.close()
    if (/locked|busy/i.test(messageOf(cause))) {
      throw new LedgerError(
        'locked',
        `${path} is open in another process: only one may have it; stop the other, or use another folder`,
        { cause },
      )
    }
    throw new LedgerError(
      'corrupt',
      `${path}.lock cannot be opened (${messageOf(cause)}): look at the folder's rights`,
      {
        cause,
      },
    )
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const bytes = (key: NodeKey): Uint8Array => Buffer.from(key, 'hex')
