/**
 * The resources of TAXII 2.1, named as on the wire, and what an Entente server adds (`x_entente…`, docs/formats.md). A server that is no
 * Entente has none of the latter. All of it is what the server says: nothing here is verified.
 */

/** `YYYY-MM-DDTHH:MM:SS.ssssssZ` (section 2); other servers write fewer digits. */
export type Timestamp = string

/** A STIX object: anything with a type and, but for a custom object of old, an id. */
export type StixObject = { type: string; id: string; [property: string]: unknown }

/** Section 3.6.1. */
export type TaxiiErrorMessage = {
  title: string
  description?: string
  error_id?: string
  error_code?: string
  http_status?: string
  external_details?: string
  details?: Record<string, unknown>
}

/** Section 4.1.1. */
export type Discovery = {
  title: string
  description?: string
  contact?: string
  default?: string
  api_roots?: string[]
}

/** Section 4.2.1. */
export type ApiRoot = {
  title: string
  description?: string
  versions: string[]
  /** Bytes that a request's body may have. */
  max_content_length: number
  x_entente_log?: { checkpoint: string; origin: string; vkey: string }
}

/** What the credentials may see by its markings, as an Entente server says it. */
export type MarkingsInfo = {
  /** The level of TLP that an object counts as that has none. */
  unmarked: string
  /** Whether objects are shown that have a marking which is not listed. */
  others: 'allow' | 'deny'
  markings: { id: string; name?: string; cleared: boolean }[]
  /** Ids of collections that the credentials may read, and where an object without TLP counts as something else. */
  collections?: { id: string; unmarked: string }[]
}

/** A channel of an API root, as an Entente server describes it. */
export type ChannelInfo = {
  name: string
  title?: string
  /** Path of its events. */
  url: string
  /** Ids of the collections that the caller may read, and so hears of here. */
  collections?: string[]
  /** Where a broker has it too. */
  brokers?: { kind: string; address: string }[]
}

/** Section 4.3.1, type status-detail. */
export type StatusDetail = { id: string; version: string; message?: string }

/** How far a ledger is with what a status is about (docs/formats.md 11). */
export type StatusLedger = { ledger: string; final: boolean; transaction?: string; block?: number; error?: string }

/** Section 4.3.1. */
export type Status = {
  id: string
  status: 'complete' | 'pending'
  request_timestamp?: Timestamp
  total_count: number
  success_count: number
  successes?: StatusDetail[]
  failure_count: number
  failures?: StatusDetail[]
  pending_count: number
  pendings?: StatusDetail[]
  /** docs/formats.md 6 */
  x_entente_receipt?: string
  /** docs/formats.md 11 */
  x_entente?: { size: number; level: string; ledgers: StatusLedger[] }
}

/** Section 5.2.1; `can_read` and `can_write` are those of the caller. */
export type CollectionInfo = {
  id: string
  title: string
  description?: string
  alias?: string
  can_read: boolean
  can_write: boolean
  media_types?: string[]
  x_entente_log?: { proof: string; records: string }
}

/** Section 5.1.1. */
export type Collections = { collections?: CollectionInfo[] }

/** Section 3.7. */
export type Envelope = { more?: boolean; next?: string; objects?: StixObject[] }

/** Section 5.3.1, type manifest-record. */
export type ManifestRecord = { id: string; date_added: Timestamp; version: string; media_type?: string }

/** Section 5.3.1; `next` is not in the standard's table, and needed (its errata). */
export type Manifest = { more?: boolean; next?: string; objects?: ManifestRecord[] }

/** Section 5.8.1; `next` as in {@link Manifest}. */
export type Versions = { more?: boolean; next?: string; versions?: string[] }

/** What to read (sections 3.4 and 3.4.1). Values of one field are alternatives, the fields all apply. */
export type ObjectQuery = {
  /** Objects added after this (`date_added`, not a date of STIX). */
  addedAfter?: Timestamp | undefined
  ids?: readonly string[] | undefined
  types?: readonly string[] | undefined
  /** `last` (what servers take by default), `first`, `all`, or exact versions. */
  versions?: readonly string[] | undefined
  specVersions?: readonly string[] | undefined
  /** Objects in a page; servers may give fewer. */
  limit?: number | undefined
}

/** docs/formats.md 10: records of a collection, from a `seq` on. */
export type RecordsPage = { records: unknown[]; more?: true; next?: number }
