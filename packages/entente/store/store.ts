/**
 * The store: what a notary keeps. One durable write, {@link Store.commit}; everything else reads.
 *
 * A store is mutable, ours, and not believed: whoever reads a row from it checks it against the log
 * (notary/reader.ts). What an adapter must guarantee is therefore small, and the conformance suite in
 * `store/conformance.ts` tests all of it.
 *
 * - `commit` MUST be atomic and durable: when it resolves, everything in the batch survives a power cut; when it
 *   rejects with `conflict`, nothing of it is there. After any other rejection the caller does not know, and reads `head()`.
 * - `commit` MUST compare-and-swap: it takes effect only if the stored head is `expected`, else it rejects with `conflict`.
 *   Two sequencers on one store can thereby never fork the log.
 * - A batch whose head is `expected` itself adds statuses without moving the log.
 * - After `commit` resolved, every read MUST show it (read your writes). A read MUST NOT show part of a batch.
 * - Reads MAY be concurrent with a commit. The adapter MUST NOT retry a commit by itself.
 * - Deleted text MUST be overwritten in the store's files, not just unlinked.
 */
export interface Store {
  readonly kind: string
  /** The newest checkpoint, or undefined in an empty store. */
  head(): Promise<StoredHead | undefined>
  commit(expected: StoredHead | undefined, batch: Batch): Promise<void>

  /** Heads of all collections that the log knows, in no order. */
  collections(): Promise<CollectionHead[]>
  /** The row at a log index. */
  recordAt(leaf: number): Promise<RecordRow | undefined>
  /** Rows of a collection with `seq` from `selection.from` on, ascending by `seq`, at most `selection.limit`. */
  records(collection: number, selection: RecordSelection): Promise<RecordRow[]>
  /** All object rows with this id, ascending by `seq`. */
  versions(collection: number, id: string): Promise<RecordRow[]>
  /** All object rows with any of these ids, in no order and without their texts. A hundred ids MUST cost no more than a few questions to another machine. */
  versionsOf(collection: number, ids: readonly string[]): Promise<RecordRow[]>
  /**
   * What new objects would meet, in their order: of each the newest version of its id, the rows of this version (the newest row, where the
   * object has no version of its own) in order of the log, and which contents were refused for it. Versions of the same instant are told apart by
   * their digits. It comes in pieces: none goes on once its texts have more bytes than `maxBytes`. A thousand objects that nobody has
   * MUST cost no more than a few questions to another machine.
   */
  lookups(collection: number, objects: readonly Sought[], maxBytes: number): AsyncIterable<Lookup[]>
  /** All equivocation rows with this id, ascending by `seq`. */
  equivocations(collection: number, id: string): Promise<RecordRow[]>
  /** Which of these ids an object row of the collection has. Asked in bulk: MUST cost one look into an index an id. */
  known(collection: number, ids: string[]): Promise<Set<string>>
  /** Which of these tags were kept when objects were erased ({@link Batch.erasedTags}), in their order. */
  wereErased(tags: readonly Uint8Array[]): Promise<boolean[]>
  /** Whether any tag was kept. */
  hasErased(): Promise<boolean>
  /**
   * The `seq` of those of the rows from `from` on, `limit` places, that a filter does not find where they belong, because what the store derived
   * for finding them (the STIX type of an object row's id, the entries of its indexes) is not theirs. Ascending.
   */
  misfiled(collection: number, range: { from: number; limit: number }): Promise<number[]>
  /** Rows present with `seq` below `count`, and the first `seq` that is missing. */
  gaps(collection: number, count: number): Promise<{ present: number; firstMissing: number | undefined }>

  /** All hashes of a tile so far (32 bytes each). `tree` 0 is the log, others are collections. */
  tile(tree: number, level: number, index: number): Promise<Uint8Array | undefined>
  /** The C2SP entry bundle `index` of the log, as far as it is filled. */
  entryBundle(index: number): Promise<Uint8Array | undefined>
  /** The signed checkpoint of this size, where one was published. */
  checkpoint(size: number): Promise<string | undefined>
  /** The first checkpoint of at least this size. */
  checkpointFrom(size: number): Promise<StoredHead | undefined>
  /** The lines with which witnesses cosigned the checkpoint of this size, in order of their keys. */
  cosignatures(size: number): Promise<CosignatureRow[]>
  /** Keeps such a line; durable when it resolves. It takes the place of one of the same witness and size. */
  putCosignature(row: CosignatureRow): Promise<void>
  /** The largest size whose checkpoint at least `quorum` of these witnesses have cosigned; 0 without one. */
  cosignedSize(witnesses: readonly string[], quorum: number): Promise<number>

  status(id: string): Promise<StatusRow | undefined>
  /**
   * Gives `rewrite` each status of the collection in whose details `naming` stands, in a message too, and keeps its `accepted`, `failed` and
   * `gone`. Each is changed as a whole or not; what it said before MUST be overwritten, at the latest by the next commit that erases.
   */
  rewriteStatuses(collection: number, naming: string, rewrite: (row: StatusRow) => StatusRow): Promise<void>
  /**
   * Forgets statuses that were requested at `before` or earlier and whose `size` is at most that of their collection in `sizes`: the oldest, at
   * most `limit`. Atomic; their text MUST be overwritten.
   *
   * @returns how many went
   */
  purgeStatuses(before: number, sizes: ReadonlyMap<number, number>, limit: number): Promise<number>
  /** The opening of a submitter commitment (docs/formats.md 2). */
  opening(submitter: string): Promise<{ opening: Uint8Array; name: string } | undefined>

  /** Rows that go to a channel ({@link Batch.routes}) at log indexes from `from` on, ascending, with their texts; a row whose object was erased is left out. */
  routed(
    channel: string,
    selection: { from: number; limit: number; maxBytes?: number | undefined },
  ): Promise<RecordRow[]>
  /** How many places of a channel lie at log indexes from `from` on; counts to `most`. */
  countRouted(channel: string, from: number, most: number): Promise<number>
  /** Which of these channels the row at a log index goes to, also where its object was erased. */
  routedTo(leaf: number, channels: readonly string[]): Promise<string[]>
  /** Forgets which rows below this log index went to which channel; atomic, and with it {@link Store.routesFrom} moves up to it. */
  forgetRoutes(below: number): Promise<void>
  /** The log index below which routes were forgotten; 0 at first. */
  routesFrom(): Promise<number>
  /** How far something has come that follows the log: the position that was put last under this name. */
  cursor(name: string): Promise<number | undefined>
  /** Durable when it resolves. */
  putCursor(name: string, position: number): Promise<void>
  /** Which of these object rows have an earlier one of the same id in their collection, by log index. MUST cost one look into an index a row. */
  continued(rows: readonly RecordRow[]): Promise<Set<number>>

  /** All rows at log indexes from `from` on, ascending, at most `limit`, whichever collection they say that they are of. */
  scan(from: number, limit: number): Promise<RecordRow[]>
  /**
   * Puts right what the log shows to be wrong (notary/repair.ts); the log does not move. Atomic, durable and compared with the head as `commit`, but that
   * `expected` MAY be undefined: of a store whose head is what is mended. A row in {@link Mending.rows} takes the place of the one at its log index, as a
   * whole. A row at another index that claims its `seq` MUST NOT lose its text; it loses that claim.
   */
  mend(expected: StoredHead | undefined, mending: Mending): Promise<void>
  /**
   * What is wrong in the store's own structures, a sentence each; empty where nothing is. Reads everything.
   *
   * @param isQuick without what reading every row and {@link Store.misfiled} shows as well: whether indexes have an entry for each row
   */
  integrity(isQuick?: boolean): Promise<string[]>
  /** Builds everything anew by which rows are found; atomic. */
  rebuildIndexes(): Promise<void>

  /** All that is kept, in pieces, for another store; the head comes last. Nobody writes meanwhile. */
  pieces(): AsyncIterable<Piece>
  /**
   * Keeps a piece of another store, in the place of what is there under the same names. Not atomic: until it has a head, the last of the pieces, it is no
   * store of a log, and taking all of them again makes it whole.
   */
  take(piece: Piece): Promise<void>

  /** A number that changes when somebody other than this store wrote to its files; always the same where that can't be told. */
  foreignWrites(): Promise<number>
  /** Lets go of everything. Closing again does nothing. */
  close(): Promise<void>
}

/**
 * What a notary remembers for convenience. Losing it costs a look at the ledgers or another check, never a promise:
 * its writes MAY be lost in a crash, and MUST NOT be applied in part.
 */
export interface Journal {
  /** All anchors by ledger and size; or those on one ledger, the largest first. */
  anchors(query?: { ledger: string; final?: true; limit: number }): Promise<AnchorRow[]>
  putAnchor(row: AnchorRow): Promise<void>
  /** The anchor on this ledger at the smallest size of at least `size`, of all or of the final ones. */
  anchorCovering(ledger: string, size: number, final?: true): Promise<AnchorRow | undefined>
  /** The largest size of an anchor on this ledger that was known to be final at this time; 0 without one. */
  finalSizeAt(ledger: string, at: number): Promise<number>
  /** Label a row (in)valid: a cache of the verdict for operators; no read relies on it. */
  label(leaf: number, invalid: boolean): Promise<void>
}

export type StoredHead = { size: number; note: string }

/** `witness` is its verifier key, `line` its signature line with the line feed (C2SP tlog-cosignature). */
export type CosignatureRow = { size: number; witness: string; line: string }

export type CollectionHead = {
  /** Small number of the collection in this store; also the number of its tree. From 1. */
  number: number
  apiRoot: string
  id: string
  count: number
  /** `date_added` of the newest record, microseconds since 1970; 0 without records. */
  lastAdded: number
  root: Uint8Array
}

export type RecordKind = 'object' | 'deleted' | 'equivocation'

/** A row: the record's text and the index columns that were derived from it. Only the text is evidence. */
export type RecordRow = {
  leaf: number
  collection: number
  seq: number
  kind: RecordKind
  /** Microseconds since 1970. */
  added: number
  imported: boolean
  /** STIX id; null for `deleted` records and for rows whose object was erased. */
  id: string | null
  /** `YYYY-MM-DDTHH:MM:SS.ssssssZ`: comparable as text. */
  version: string | null
  /** Digits after the decimal point in the version as written in the object. */
  versionDigits: number
  spec: string | null
  /** Log index of a newer version of the same id; of an erased row: of its `deleted` record. */
  superseded: number | null
  /** SHA-256 of the refused canonical object in an equivocation record, lower-case hex. */
  refused: string | null
  invalid: boolean
  /** Prefix and canonical JSON (docs/formats.md 1); null once erased, or where the selection left it out. */
  text: Uint8Array | null
}

export type RecordSelection = {
  /** First `seq`, inclusive. */
  from: number
  limit: number
  /** No further row is given once the texts of those before have more bytes than this. */
  maxBytes?: number | undefined
  /** Only object rows of these STIX types. */
  types?: string[] | undefined
  /** Only object rows of these versions of STIX, as in {@link RecordRow.spec}. */
  specs?: string[] | undefined
  /** Only object rows of these versions, as in {@link RecordRow.version}. */
  versions?: string[] | undefined
  /**
   * 'last' leaves out the text of rows that a newer version has really superseded (the rows themselves stay, so that gaps show): the
   * object row of the same id at the log index `superseded` has a later version, or the same and a higher index. Where another row
   * with an id has lost its text, that is empty instead of null. 'versions' leaves out in the same way what another content of the same
   * version has superseded, and only that.
   */
  text: 'last' | 'versions' | 'all' | 'none'
}

export type Sought = { id: string; version: string | undefined }
export type Lookup = { newest?: { leaf: number; version: string }; same: RecordRow[]; refused: string[] }

export type TileWrite = { tree: number; level: number; index: number; data: Uint8Array }

export type StatusRow = {
  id: string
  apiRoot: string
  collection: number
  submitter: string
  /** Microseconds since 1970. */
  requested: number
  /** Log size that covers every accepted object. */
  size: number
  accepted: StatusItem[]
  failed: StatusItem[]
  receipt: string
  /** How many items more there were, whose details went with their objects. */
  gone?: { accepted: number; failed: number }
}
export type StatusItem = { id: string; version: string; message?: string }

export type Batch = {
  head: StoredHead
  records: RecordRow[]
  /** Rows whose `superseded` changes: to the log index of a newer version, or back to null when that was deleted. */
  supersede: { leaf: number; by: number | null }[]
  /** Rows whose text, id, version and refused hash go; `by` is the log index of the `deleted` record. */
  erase: { leaf: number; by: number }[]
  /** Tags to keep of what is erased, so that it is known again when it comes back (notary/erased.ts). */
  erasedTags: Uint8Array[]
  tiles: TileWrite[]
  entryBundles: { index: number; data: Uint8Array }[]
  collections: CollectionHead[]
  statuses: StatusRow[]
  openings: { submitter: string; opening: Uint8Array; name: string }[]
  /** Which of the records go to which channels (notary/route.ts). */
  routes: { leaf: number; channel: string }[]
}

/** What {@link Store.mend} changes; whatever is not named stays. */
export type Mending = {
  head?: StoredHead
  rows: RecordRow[]
  /** Log indexes of rows that go. */
  remove: number[]
  supersede: Batch['supersede']
  tiles: TileWrite[]
  entryBundles: Batch['entryBundles']
  /** All heads of collections, where any of them is wrong. */
  collections: CollectionHead[]
}

/** Some of all that a store keeps. */
export type Piece = Partial<Omit<Batch, 'supersede' | 'erase'>> & {
  checkpoints?: StoredHead[]
  cosignatures?: CosignatureRow[]
  cursors?: { name: string; position: number }[]
  anchors?: AnchorRow[]
}

/** A batch of nothing: what it holds besides is added to it. */
export const emptyBatch = (head: StoredHead): Batch => ({
  head,
  records: [],
  supersede: [],
  erase: [],
  erasedTags: [],
  tiles: [],
  entryBundles: [],
  collections: [],
  statuses: [],
  openings: [],
  routes: [],
})

export type AnchorRow = {
  ledger: string
  size: number
  root: Uint8Array
  transaction: string
  block: number
  blockHash: string
  final: boolean
  /** Microseconds since 1970. */
  at: number
}

export type StoreErrorCode = 'conflict' | 'full' | 'readonly' | 'corrupt' | 'locked' | 'newer' | 'io'

/** Why a store refused or failed. `conflict`: the head moved. `newer`: written by a later version of Entente. */
export class StoreError extends Error {
  override name = 'StoreError'
  readonly code: StoreErrorCode
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
