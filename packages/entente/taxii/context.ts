import type { FastifyRequest } from 'fastify'
import type { Policy } from '@entente/stix'
import type { Streams } from '#channel/stream.ts'
import type { NoteSigner } from '@entente/verify/tlog'
import type { Confirmation } from '#notary/confirm.ts'
import type { ReadCosigned } from '#notary/cosigned.ts'
import type { Damage } from '#notary/damage.ts'
import type { AnchorPolicy, LedgerState } from '#notary/finality.ts'
import type { EventSource } from '#notary/event.ts'
import type { Forward } from '#notary/route.ts'
import type { Notary } from '#notary/notary.ts'
import type { Witnessing } from '#notary/witnessing.ts'
import type { Opened } from '#notary/reader.ts'
import type { ReadVia } from '#store/reads.ts'
import type { AnchorRow, RecordRow } from '#store/store.ts'
import type { Authenticate, Identify, Login, Principal, Rights } from './auth/auth.ts'
import { canRead, canWrite } from './auth/auth.ts'
import { TaxiiError } from './errors.ts'
import { FOR_ALL, type Label, type Markings, type TlpName } from './markings.ts'
import type { Memory } from './memory.ts'
import type { VersionFilter } from './query.ts'
import type { ReadLog } from './reads.ts'

export type CollectionConfig = Rights &
  AnchorPolicy & {
    id: string
    alias?: string | undefined
    title: string
    description?: string | undefined
    onInvalid: 'withhold' | 'fail'
    /** How long its records may wait for an anchor, milliseconds. */
    intervalMs?: number | undefined
    /** How objects are held against STIX 2.1 (packages/stix, "Policies"). */
    validation: Policy
    /** Another content under a stored version: refused, or stored as well and served. */
    onConflict: 'fail' | 'keepBoth'
    /** Until when objects can't be deleted. */
    hold?: Hold | undefined
    /** Whether what was erased may be added again. */
    repost: 'allow' | 'refuse'
    /** Where objects go that no marking sends to a channel. */
    forward?: Forward | undefined
    /** What an object counts as that has no marking of TLP, where it is not what `markings.unmarked` says. */
    unmarked?: TlpName | undefined
  }

/** A date, or a time counted from `date_added`; microseconds. */
export type Hold = { until: number } | { for: number }

export type ApiRootConfig = {
  /** Begins and ends with `/`. */
  path: string
  title: string
  description?: string | undefined
  collections: CollectionConfig[]
}

export type TaxiiConfig = {
  title: string
  description?: string | undefined
  contact?: string | undefined
  maxContentLength: number
  /** Objects in a page when the client doesn't say, and at most. */
  page: number
  maxPage: number
  /** Rows that one page passes over because the caller may not see them; 20,000 (taxii/pages.ts) where it is left out. */
  mostPassedOver?: number
  apiRoots: ApiRootConfig[]
}

export type ChannelConfig = { name: string; title: string | undefined }

/** The channels, and what bounds those who are subscribed. */
export type Channels = {
  list: readonly ChannelConfig[]
  /** Where else a channel is to be had. */
  brokers: (channel: string) => { kind: string; address: string }[]
  heartbeatMs: number
  /** A connection that takes nothing for so long is closed; whoever is there resumes. */
  stalledMs: number
  /** Streams at a time, feeds included. */
  maxSubscribers: number
}

/** What an anchor is on its ledger, for the proofs (docs/formats.md 8). */
export type AnchorEvidence = Record<string, unknown>

/** What the resources need, put together in cli/serve.ts. */
export type TaxiiContext = {
  config: TaxiiConfig
  notary: Notary
  /** The verifier key of the key that signs now. */
  vkey: string
  /** Statements by which it followed others (docs/formats.md 16), the oldest first. */
  successions?: readonly string[]
  /** The statements by which the log went on from others that had ended (docs/formats.md 18), the oldest first. */
  continuations?: readonly string[]
  /** The log's key, over bytes as they are. */
  sign: NoteSigner['sign']
  damage: Damage
  /** Where events say that they come from. */
  source: EventSource
  channels: Channels
  streams: Streams
  authenticate: Authenticate
  login: Login
  /** Left out: nobody is known by the connection. */
  identify?: Identify | undefined
  /** Left out: whoever may read a collection sees all of it. */
  markings?: Markings | undefined
  /** Left out: it is not kept who read what. */
  reads?: Pick<ReadLog, 'note'> | undefined
  memory: Memory
  newId: () => string
  ledgers: () => LedgerState[]
  /** Where other servers write as well: deletes versions of an object on the one that does. @returns how many went */
  remove?: ((deletion: Deletion) => Promise<number>) | undefined
  /** Where other servers write as well: resolves once all that any of them has acknowledged is in this one's log. */
  fresh?: (() => Promise<void>) | undefined
  /** How far the witnesses are, where the log has any. */
  witnessing: Pick<Witnessing, 'quorum' | 'head' | 'states'> | undefined
  /** A checkpoint, with what witnesses have cosigned. */
  cosigned: ReadCosigned
  /** What an anchor proves, with sealed evidence where the ledger gives it; undefined while the ledger has not been reached yet. */
  evidence: (anchor: AnchorRow) => Promise<AnchorEvidence | undefined>
  /** What a ledger itself says of an anchor that covers this size of the log. */
  confirm: (ledger: string, size: number) => Promise<Confirmation>
  /** What a reader pins of each ledger that answers (docs/formats.md 8). */
  pins: () => Promise<AnchorEvidence[]>
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
}

/** Which versions of an object are to go, as plain data. */
export type Deletion = {
  /** Path of the API root. */
  root: string
  /** Id of the collection. */
  collection: string
  id: string
  versions: VersionFilter
  specs: string[] | undefined
  principal: Principal
}

/** A collection that a request names, with what the caller may do there. */
export type Target = {
  root: ApiRootConfig
  config: CollectionConfig
  number: number
  read: boolean
  write: boolean
  /** Whether the caller may see a record of it; undefined where no marking hides anything from this caller. */
  sees: Sees | undefined
}
/** Of a row that was verified: what an unverified one is marked with, nobody knows. */
export type Sees = (row: RecordRow, opened: Opened) => boolean

/** What it takes to see a record: the markings of an object, nothing for a deletion, and everything for what was never stored. */
export const toLabel = (
  { kind }: RecordRow,
  { object }: Opened,
  markings: Markings,
  { unmarked }: Pick<CollectionConfig, 'unmarked'>,
): Label | undefined => {
  if (kind === 'object') return markings.label(object, unmarked)
  return kind === 'deleted' ? undefined : FOR_ALL
}

/** What a caller sees of a collection; undefined where markings hide nothing from it, so that nothing is spent on asking. */
export function toSees(
  { markings }: Pick<TaxiiContext, 'markings'>,
  config: Pick<CollectionConfig, 'unmarked'>,
  principal: Principal,
): Sees | undefined {
  const clearance = markings?.clearance(principal.roles)
  if (!markings || !clearance || clearance.isFull) return undefined
  return (row, opened) => {
    const label = toLabel(row, opened, markings, config)
    return !label || clearance.clears(label)
  }
}

/** A store that is behind a ledger, or a ledger that is not ours: nothing of it is served as good. */
export const isUntrusted = ({ halted }: Pick<Notary, 'halted'>): boolean =>
  halted?.code === 'rolled-back' || halted?.code === 'forked'

/** @throws NotaryError `rolled-back`, `forked` */
export function refuseWhenUntrusted(notary: Pick<Notary, 'halted'>): void {
  if (isUntrusted(notary)) throw notary.halted
}

/** Collections may be named by id or alias (TAXII 2.1 section 5.2.1). */
export function findTarget(context: TaxiiContext, root: ApiRootConfig, name: string, principal: Principal): Target {
  const config = root.collections.find(c => c.id === name.toLowerCase() || c.alias === name)
  const collection = config && context.notary.collection(root.path, config.id)
  const target = config &&
    collection && {
      root,
      config,
      number: collection.number,
      read: canRead(principal, config),
      write: canWrite(principal, config),
      sees: toSees(context, config, principal),
    }
  // Who may neither read nor write isn't told that it exists.
  if (!target || !(target.read || target.write))
    throw new TaxiiError(404, 'not-found', 'there is no such collection, or it is not for you')
  return target
}

/** Notes that a caller is given these records as they are. @param seqs ascending */
export function noteRead(
  { reads }: Pick<TaxiiContext, 'reads'>,
  { method, principal, ip }: Pick<FastifyRequest, 'method' | 'principal' | 'ip'>,
  { config }: Target,
  via: ReadVia,
  seqs: Iterable<number>,
): void {
  if (method !== 'HEAD') reads?.note({ user: principal.name, address: ip, collection: config.id, via }, seqs)
}

export function requireRead(target: Target): void {
  if (!target.read) throw new TaxiiError(403, 'forbidden', 'you may write to this collection, but not read it')
}
export function requireWrite(target: Target): void {
  if (!target.write) throw new TaxiiError(403, 'forbidden', 'you may read this collection, but not write to it')
}
