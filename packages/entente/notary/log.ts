import {
  EMPTY_ROOT,
  formatCheckpoint,
  hashLeaf,
  type NoteSigner,
  parseNote,
  parseVkey,
  signNote,
  TreeEdge,
  treeRoot,
} from '@entente/verify/tlog'
import { collectionKey, type LogKeys, readLogKeys, verifyLogCheckpoint, verifySuccession } from '@entente/verify/proof'
import type { Batch, CollectionHead, Store, StoredHead } from '#store/store.ts'
import { createAsk } from './ask.ts'
import { NotaryError } from './errors.ts'
import { createRecent, type Growth, grow, type Grown, type GrownCollection, headsEntry } from './growth.ts'
import { type RecordFrame, recordFrame } from './record.ts'
import { createVerifiedTiles, decodeBundle, type Edge, entryOf, type VerifiedTiles } from './tiles.ts'

/**
 * The log as this process knows it: a head that is its own, and the right edges of the trees under it. Whatever is read from
 * the store is checked up to this head (notary/tiles.ts), which itself came from the store once, at the start, and was
 * checked against the log's signature and the ledgers.
 */
export type Log = {
  readonly origin: string
  readonly head: StoredHead | undefined
  readonly size: number
  readonly root: Uint8Array
  readonly tiles: VerifiedTiles
  /** By number. */
  readonly collections: ReadonlyMap<number, Collection>
  /** A copy to append to; nothing of this log changes until it is published. */
  stage(): Stage
  /** The staged batch is durable: it is the log now. */
  publish(stage: Stage): void
  /**
   * Goes on to the head that the store has now, where that is another: it must be signed by the log's key and continue this one.
   *
   * @returns whether the log has grown
   * @throws NotaryError `rolled-back` where it is smaller, `forked` where it does not continue this log, `integrity`
   */
  advance(): Promise<boolean>
  /** What this process has published since the log had this size; undefined where it does not remember that. */
  since(size: number): Growth | undefined
  /**
   * Goes on to a head by what was added under it, without the store: signed by the log's key, it must be the one of this log with that at its end.
   *
   * @returns whether the log has grown: it does not where it has another size than `growth` begins at
   * @throws NotaryError `integrity`
   */
  extend(growth: Growth, head: StoredHead): boolean
}

export type Collection = CollectionHead & { readonly key: Uint8Array; readonly frame: RecordFrame; edge: TreeEdge }

/** Entries that are staged: given their places one by one, then sealed under one checkpoint. */
export type Stage = {
  /** A collection that the log doesn't know yet: the next checkpoint has its head, with no record. */
  found(apiRoot: string, id: string): void
  /** Spread the dates of `count` new records so that the last one falls on a whole millisecond. Once a collection, before `place`. */
  reserve(collection: number, count: number, now: number): void
  /**
   * The next place: index in the log, `seq` and date in the collection.
   *
   * @param date instead of a reserved one, of a record that another server dated; it must be after that of the record before
   */
  place(collection: number, date?: number): { leaf: number; seq: number; added: number }
  /** An entry of its own, that is no record: it takes the next place. */
  say(text: string): void
  /** The commitment of a record, in the order of the places. */
  enter(collection: number, commitment: Uint8Array): void
  /** Nothing was placed or founded. */
  readonly empty: boolean
  /** Size of the log once sealed. */
  readonly size: number
  /** Appends the heads entry, and signs the checkpoint over everything. */
  seal(signer: NoteSigner): StoredHead
  writes(): Pick<Batch, 'tiles' | 'entryBundles' | 'collections'>
  /** The head that it builds on: what the store must still have when it is committed. */
  readonly base: StoredHead | undefined
  /** What the log becomes; for {@link Log.publish}. */
  readonly sealed: Sealed | undefined
}

/** What a log is under a head. */
export type State = {
  head: StoredHead | undefined
  root: Uint8Array
  tree: TreeEdge
  edge: Edge
  collections: Map<number, Collection>
}
type Sealed = { base: State; state: State; growth: Growth; grown: Grown }

/**
 * Opens the log that a store holds: the checkpoint must carry the log's signature, the tiles at the right edge must give its
 * root, and the heads entry under it must be the one of the stored collections.
 *
 * @param vkey the log's public key
 * @param successions the statements by which it followed others: each must be the entry of the log that it says it is
 * @param agree called with the size of what {@link Log.advance} has read, before that is shown
 * @throws NotaryError `integrity` where the store contradicts itself
 */
export async function openLog(
  store: Store,
  origin: string,
  vkey: string,
  successions: readonly string[] = [],
  agree: (size: number) => Promise<void> = async () => {},
): Promise<Log> {
  const keys = readLogKeys(vkey, successions)
  const start = emptyState()
  const log = createLog(store, origin, keys, (await readHead(store, origin, keys, start)) ?? start, agree)
  await checkSuccessions(log, keys)
  return log
}

/** Tries to read head and collections of one moment, while others write; and what is under one head, while the database has another primary. */
const TRIES = 20
const SAME_TRIES = 4
const SAME_MS = 100

/**
 * The state under the head that the store has now; undefined where that is `known`.
 *
 * @throws NotaryError `integrity`
 */
async function readHead(store: Store, origin: string, keys: LogKeys, known: State): Promise<State | undefined> {
  let [failed, same] = ['', 0]
  for (let tries = 1; ; tries++) {
    const [head, heads] = await Promise.all([store.head(), store.collections()])
    if (head?.note === known.head?.note) return undefined
    if (!head) return emptyState()
    try {
      return await load(store, head, heads, origin, keys, known)
    } catch (error) {
      // The collections may be those of the batch before, or after.
      same = failed === head.note ? same + 1 : 1
      failed = head.note
      if (tries === TRIES || same === SAME_TRIES) throw error
      if (same > 1) await new Promise(resolve => setTimeout(resolve, SAME_MS))
    }
  }
}

const NO_EDGE: Edge = { size: 0, tiles: new Map(), lastBundle: new Uint8Array(0) }
const emptyState = (): State => ({
  head: undefined,
  root: EMPTY_ROOT,
  tree: TreeEdge.empty(),
  edge: NO_EDGE,
  collections: new Map(),
})

async function load(
  store: Store,
  head: StoredHead,
  heads: CollectionHead[],
  origin: string,
  keys: LogKeys,
  known: State,
): Promise<State> {
  const checkpoint = verifyStored(head, origin, keys)
  const { tree, tiles } = await openEdge(store, 0, head.size, checkpoint.root, 'the log')
  const collections = new Map<number, Collection>()
  for (const c of heads) {
    const before = known.collections.get(c.number)
    if (before && isSameHead(before, c)) {
      collections.set(c.number, before)
      continue
    }
    const own = await openEdge(store, c.number, c.count, c.root, `collection ${c.id}`)
    collections.set(c.number, {
      ...c,
      key: collectionKey(c.apiRoot, c.id),
      frame: recordFrame(c.apiRoot, c.id),
      edge: own.tree,
    })
  }
  const index = Math.floor(head.size / 256)
  const width = head.size % 256
  const stored = width === 0 ? new Uint8Array(0) : await store.entryBundle(index)
  if (!stored) throw broken(`entry bundle ${index} is missing`)
  const bundle = decodeBundle(stored)
  for (let i = 0; i < width; i++) {
    const hash = i < bundle.count ? Buffer.from(hashLeaf(entryOf(bundle, i))) : undefined
    if (!hash?.equals((tiles.get(0)?.data ?? stored).subarray(i * 32, i * 32 + 32)))
      throw broken(`entry ${index * 256 + i} does not match its leaf`)
  }
  // It may be of a later head already: what is added to this one would stand behind that.
  const lastBundle = stored.subarray(0, Math.max(0, (bundle.offsets[width] as number) - 2))
  const state = { head, root: checkpoint.root, tree, edge: { size: head.size, tiles, lastBundle }, collections }
  await checkHeads(store, state)
  return state
}

const isSameHead = (a: CollectionHead, b: CollectionHead): boolean =>
  a.apiRoot === b.apiRoot &&
  a.id === b.id &&
  a.count === b.count &&
  a.lastAdded === b.lastAdded &&
  Buffer.from(a.root).equals(b.root)

function verifyStored(head: StoredHead, origin: string, keys: LogKeys): { size: number; root: Uint8Array } {
  try {
    const checkpoint = verifyLogCheckpoint(head.note, keys)
    requireNewest(head.note, keys)
    if (checkpoint.size === head.size && checkpoint.origin === origin) return checkpoint
  } catch (cause) {
    throw new NotaryError(
      'integrity',
      `the stored checkpoint is not one of log ${origin}: ${(cause as Error).message}. Is log.key the key that this store was written with?`,
      { cause },
    )
  }
  throw broken(`the stored head is at size ${head.size}, its checkpoint at another`)
}

/** A checkpoint that another key of this log has signed besides: that one has followed ours, and ours signs nothing any more. */
function requireNewest(note: string, keys: LogKeys): void {
  if (isOfNewerKey(note, keys)) throw new Error(`it is signed by a newer key, which has followed ${keys.vkeys.at(-1)}`)
}

/** @throws TlogError where it is no note */
export function isOfNewerKey(note: string, { origin, vkeys }: LogKeys): boolean {
  const known = vkeys.map(vkey => parseVkey(vkey).keyId)
  const isKnown = (keyId: Uint8Array) => known.some(own => Buffer.from(own).equals(keyId))
  return parseNote(note).signatures.some(({ name, keyId }) => name === origin && !isKnown(keyId))
}

/** @throws NotaryError `integrity` where a statement that led to the log's key is not in the log */
async function checkSuccessions({ size, tiles }: Log, { successions }: LogKeys): Promise<void> {
  for (const note of successions) {
    const { index, to } = verifySuccession(note)
    const entry = index < size ? entryOf(await tiles.bundle(Math.floor(index / 256)), index % 256) : undefined
    if (entry?.toString() !== note)
      throw new NotaryError(
        'integrity',
        `log.key says that ${to} became the log's key at entry ${index}, and the log, of size ${size}, does not have that there: are log.key and the store of one server and one time?`,
      )
  }
}

/** The heads entry, last under the checkpoint, commits to count and root of every collection. */
async function checkHeads(store: Store, { edge, collections }: State): Promise<void> {
  const last = edge.size - 1
  const bundle = await createVerifiedTiles(store, 0, edge).bundle(Math.floor(last / 256))
  if (entryOf(bundle, last % 256).toString() !== headsEntry(collections)) {
    throw broken('the heads of the collections are not those under the checkpoint')
  }
}

/**
 * What this process knows is never taken back: another head must be larger, and have the same beginning.
 *
 * @throws NotaryError `rolled-back`, `forked`
 */
async function requireContinued(store: Store, known: State, next: State): Promise<void> {
  const [was, is] = [known.edge.size, next.edge.size]
  if (was === 0) return
  if (is < was)
    throw new NotaryError(
      'rolled-back',
      `the store has this log at size ${is} now, and had it at ${was}: it was put back to an older copy or lost its end. Nothing is written until the newer store is restored`,
    )
  const root = await createVerifiedTiles(store, 0, next.edge).prove(reader => treeRoot(was, reader))
  if (!Buffer.from(root).equals(known.root))
    throw new NotaryError(
      'forked',
      `at size ${was} this server knows the root ${Buffer.from(known.root).toString('base64')}, the store has ${Buffer.from(root).toString('base64')} there now, signed by the log's key: somebody else has that key, or an older copy of the store was written on`,
    )
}

/** The right edge of a tree, checked: the tiles at the edge must give the root. */
async function openEdge(
  store: Store,
  number: number,
  size: number,
  root: Uint8Array,
  what: string,
): Promise<{ tree: TreeEdge; tiles: Edge['tiles'] }> {
  const tiles: Edge['tiles'] = new Map()
  for (let level = 0, rest = size; rest > 0; level++, rest = Math.floor(rest / 256)) {
    if (rest % 256 === 0) continue
    const index = Math.floor(rest / 256)
    const data = await store.tile(number, level, index)
    if (!data || data.length < (rest % 256) * 32)
      throw broken(`tile ${level}/${index} of ${what} is missing or too short`)
    tiles.set(level, { index, data: data.subarray(0, (rest % 256) * 32) })
  }
  const tree = TreeEdge.open(size, level => tiles.get(level)?.data as Uint8Array)
  if (!Buffer.from(tree.root()).equals(root)) {
    throw broken(
      `the tiles of ${what} give the root ${Buffer.from(tree.root()).toString('base64')}, its head says ${Buffer.from(root).toString('base64')}`,
    )
  }
  return { tree, tiles }
}

const broken = (what: string) =>
  new NotaryError(
    'integrity',
    `the store contradicts itself: ${what}. Run "entente audit" to see what is damaged; restore the store from a backup`,
  )

/** A database whose primary changes may show what it had a moment ago. */
export const OLDER_TRIES = 8
export const OLDER_MS = 250

function createLog(
  store: Store,
  origin: string,
  keys: LogKeys,
  start: State,
  agree: (size: number) => Promise<void>,
): Log {
  let state = start
  const tiles = createVerifiedTiles(store, 0, state.edge)
  const recent = createRecent()
  async function advance(): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const known = state
      const next = await readHead(store, origin, keys, known)
      if (!next) return false
      if (next.edge.size < known.edge.size && tries < OLDER_TRIES) {
        await new Promise(resolve => setTimeout(resolve, OLDER_MS))
        continue
      }
      await requireContinued(store, known, next)
      await agree(next.edge.size)
      if (state !== known) continue // this process has published meanwhile
      state = next
      tiles.advance(state.edge, [], [])
      return next.edge.size > known.edge.size
    }
  }

  return {
    origin,
    tiles,
    get head() {
      return state.head
    },
    get size() {
      return state.head?.size ?? 0
    },
    get root() {
      return state.root
    },
    get collections() {
      return state.collections
    },
    stage: () => createStage(origin, state),
    publish: stage => {
      if (!stage.sealed) throw new TypeError('this stage was not sealed')
      const { base, state: next, growth, grown } = stage.sealed
      // Else it was read from the store since, with what followed: nobody else can have committed on this base.
      if (state !== base) return
      state = next
      tiles.advance(state.edge, grown.fullTiles, grown.fullBundles)
      recent.add(growth)
    },
    advance: createAsk(advance),
    since: size => recent.since(size, state.edge.size),
    extend: (growth, head) => {
      if (growth.from !== state.edge.size || head.size <= state.edge.size) return false
      const checkpoint = verifyStored(head, origin, keys)
      const grown = grow(state, growth.entries.slice(0, -1), growth.collections)
      if (grown.edge.size !== head.size || !Buffer.from(grown.root).equals(checkpoint.root))
        throw broken(
          `what was added to the log at ${growth.from} gives the root ${Buffer.from(grown.root).toString('base64')} at size ${grown.edge.size}, the checkpoint has ${Buffer.from(checkpoint.root).toString('base64')} at ${head.size}`,
        )
      state = toState(head, grown)
      tiles.advance(state.edge, grown.fullTiles, grown.fullBundles)
      return true
    },
  }
}

const toState = (head: StoredHead, { root, tree, edge, collections }: Grown): State => ({
  head,
  root,
  tree,
  edge,
  collections,
})

function createStage(origin: string, base: State): Stage {
  const start = base.edge.size
  const entries: Uint8Array[] = []
  const changed = new Map<number, GrownCollection>()
  const touched = new Map<number, { at: number[]; nextDate: number; placed: number }>()
  let placed = 0
  let sealed: Sealed | undefined

  const stage: Stage = {
    found: (apiRoot, id) => {
      const number = 1 + Math.max(0, ...base.collections.keys(), ...changed.keys())
      changed.set(number, { number, apiRoot, id, lastAdded: 0, at: [] })
    },
    reserve: (number, count, now) => {
      const last = base.collections.get(number)?.lastAdded ?? 0
      const end = Math.ceil(Math.max(now, last + count) / 1000) * 1000
      touched.set(number, { at: [], nextDate: end - count + 1, placed: 0 })
    },
    place: (number, date) => {
      const t = touched.get(number) as { nextDate: number; placed: number }
      const { count = 0, lastAdded = 0 } = base.collections.get(number) ?? {}
      const before = t.placed === 0 ? lastAdded : t.nextDate - 1
      if (date !== undefined && date <= before) throw new RangeError(`the date ${date} is not after ${before}`)
      const added = date ?? t.nextDate
      t.nextDate = added + 1
      return { leaf: start + placed++, seq: count + t.placed++, added }
    },
    enter: (number, commitment) => {
      touched.get(number)?.at.push(entries.length)
      entries.push(commitment)
    },
    say: text => {
      placed++
      entries.push(Buffer.from(text))
    },
    get empty() {
      return placed === 0 && changed.size === 0
    },
    get size() {
      return stage.empty ? start : start + placed + 1
    },
    seal: signer => {
      for (const [number, { at, nextDate }] of touched) {
        if (at.length === 0) continue
        const { apiRoot, id } = changed.get(number) ?? (base.collections.get(number) as Collection)
        changed.set(number, { number, apiRoot, id, lastAdded: nextDate - 1, at })
      }
      const growth = { from: start, entries, collections: [...changed.values()] }
      const grown = grow(base, entries, growth.collections)
      entries.push(grown.heads)
      const { size } = grown.edge
      const head = {
        size,
        note: signNote(formatCheckpoint({ origin: signer.name, size, root: grown.root, extensions: [] }), signer),
      }
      sealed = { base, state: toState(head, grown), growth, grown }
      return head
    },
    base: base.head,
    get sealed() {
      return sealed
    },
    writes: () => {
      const { tiles = [], bundles = [], written = [] } = sealed?.grown ?? {}
      return { tiles, entryBundles: bundles, collections: written }
    },
  }
  return stage
}
