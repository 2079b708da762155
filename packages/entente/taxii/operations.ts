import Type, { type TSchema } from 'typebox'
import { COSE, EVENT_STREAM, PROOF, RECORDS, TAXII } from './media.ts'

/** What a route is for those who read `/openapi.json`: declared with the route, as its `config.operation`. */
export type Operation = {
  summary: string
  /** Of TAXII 2.1. */
  section?: string
  query?: readonly string[]
  body?: Content
  /** Status of success, and what comes with it. */
  status: 200 | 202
  content?: Content
  /** Error statuses beside those that every route may give. */
  errors?: readonly number[]
  /** Statuses that are answered with something else than an error message. */
  answers?: Readonly<Record<number, Content>>
}
type Content = { type: string; schema: TSchema }

const Timestamp = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z$' })
const Uuid = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' })
const Text = Type.String({ minLength: 1 })
const Count = Type.Integer({ minimum: 0 })
const Any = Type.Record(Type.String(), Type.Unknown())
const listOf = (item: TSchema) => Type.Array(item, { minItems: 1 })
/** Nothing but these: what a resource says more than this is missing here. */
const resource = (properties: Record<string, TSchema>) => Type.Object(properties, { additionalProperties: false })
const { Optional } = Type

const StatusItem = resource({ id: Type.String(), version: Type.String(), message: Optional(Text) })
const paged = { more: Optional(Type.Literal(true)), next: Optional(Text) }
const taxii = (schema: TSchema): Content => ({ type: TAXII, schema })

/** Error Message (TAXII 2.1 section 3.6.1). */
export const ErrorMessage = resource({
  title: Text,
  description: Text,
  error_id: Uuid,
  error_code: Text,
  http_status: Type.String({ pattern: '^[45]\\d\\d$' }),
})
const Collection = resource({
  id: Uuid,
  title: Text,
  description: Optional(Type.String()),
  alias: Optional(Text),
  can_read: Type.Boolean(),
  can_write: Type.Boolean(),
  media_types: listOf(Text),
  x_entente_log: Optional(Any),
  x_entente_feed: Optional(Text),
  x_entente_channels: Optional(Any),
})
const Channel = resource({
  name: Text,
  title: Optional(Text),
  url: Text,
  media_types: listOf(Text),
  collections: Type.Array(Uuid),
  brokers: Optional(listOf(resource({ kind: Text, address: Text }))),
})
const events: Content = { type: EVENT_STREAM, schema: Type.String() }
const Status = resource({
  id: Uuid,
  status: Type.Union([Type.Literal('complete'), Type.Literal('pending')]),
  request_timestamp: Timestamp,
  total_count: Count,
  success_count: Count,
  successes: Optional(listOf(StatusItem)),
  failure_count: Count,
  failures: Optional(listOf(StatusItem)),
  pending_count: Count,
  pendings: Optional(listOf(StatusItem)),
  x_entente_receipt: Optional(Text),
  x_entente: Optional(Any),
})
const Envelope = resource({ ...paged, objects: Optional(listOf(Any)) })
const Manifest = resource({
  ...paged,
  objects: Optional(listOf(resource({ id: Text, date_added: Timestamp, version: Text, media_type: Text }))),
})

const PAGING = ['limit', 'added_after', 'next']
const LIST = [...PAGING, 'match[id]', 'match[type]', 'match[version]', 'match[spec_version]']
const json = (schema: TSchema): Content => ({ type: 'application/json; charset=utf-8', schema })
const text: Content = { type: 'text/plain; charset=utf-8', schema: Type.String() }

/** Every resource of the server. */
export const OPERATIONS = {
  discovery: {
    summary: 'Server discovery',
    section: '4.1',
    status: 200,
    content: taxii(
      resource({
        title: Text,
        description: Optional(Type.String()),
        contact: Optional(Type.String()),
        default: Optional(Text),
        api_roots: Optional(listOf(Text)),
      }),
    ),
  },
  apiRoot: {
    summary: 'API root',
    section: '4.2',
    status: 200,
    content: taxii(
      resource({
        title: Text,
        description: Optional(Type.String()),
        versions: listOf(Text),
        max_content_length: Type.Integer({ minimum: 1 }),
        x_entente_log: Optional(Any),
        x_entente_channels: Optional(Text),
        x_entente_markings: Optional(Text),
      }),
    ),
  },
  markings: {
    summary: 'Which markings the caller may see',
    status: 200,
    content: taxii(
      resource({
        unmarked: Text,
        others: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
        markings: listOf(resource({ id: Text, name: Optional(Text), cleared: Type.Boolean() })),
        collections: Optional(listOf(resource({ id: Uuid, unmarked: Text }))),
      }),
    ),
  },
  status: { summary: 'Status of a request', section: '4.3', status: 200, content: taxii(Status), errors: [404] },
  collections: {
    summary: 'Collections that the caller may read or write',
    section: '5.1',
    status: 200,
    content: taxii(resource({ collections: Optional(listOf(Collection)) })),
  },
  collection: { summary: 'A collection', section: '5.2', status: 200, content: taxii(Collection), errors: [404] },
  manifest: {
    summary: 'Manifest of the objects',
    section: '5.3',
    query: LIST,
    status: 200,
    content: taxii(Manifest),
    errors: [403, 404],
  },
  objects: {
    summary: 'Objects',
    section: '5.4',
    query: [...LIST, 'verify'],
    status: 200,
    content: taxii(Envelope),
    errors: [403, 404],
  },
  addObjects: {
    summary: 'Add objects',
    section: '5.5',
    body: taxii(Type.Object({ objects: listOf(Any) })),
    status: 202,
    content: taxii(Status),
    errors: [403, 404, 408, 413, 415, 422],
  },
  object: {
    summary: 'An object',
    section: '5.6',
    query: [...PAGING, 'match[version]', 'match[spec_version]', 'verify'],
    status: 200,
    content: taxii(Envelope),
    errors: [403, 404],
  },
  deleteObject: {
    summary: 'Delete an object, its newest version unless match[version] says otherwise',
    section: '5.7',
    query: ['match[version]', 'match[spec_version]'],
    status: 200,
    errors: [403, 404],
  },
  versions: {
    summary: 'Versions of an object',
    section: '5.8',
    query: [...PAGING, 'match[spec_version]'],
    status: 200,
    content: taxii(resource({ ...paged, versions: Optional(listOf(Text)) })),
    errors: [403, 404],
  },
  objectProof: {
    summary: 'Proof of an object (docs/formats.md 7)',
    query: ['match[version]', 'match[spec_version]'],
    status: 200,
    content: {
      type: PROOF,
      schema: Type.Object({ format: Text, kind: Type.Literal('object'), record: Any, log: Text }),
    },
    errors: [403, 404],
  },
  objectReceipt: {
    summary: 'COSE receipt of an object (draft-ietf-cose-merkle-tree-proofs, RFC9162_SHA256; docs/formats.md 13)',
    query: ['match[version]', 'match[spec_version]'],
    status: 200,
    content: { type: COSE, schema: Type.String({ format: 'binary' }) },
    errors: [403, 404],
  },
  collectionProof: {
    summary: 'Proof of how many records a collection has and which (docs/formats.md 9)',
    status: 200,
    content: { type: PROOF, schema: Type.Object({ format: Text, kind: Type.Literal('collection'), count: Count }) },
    errors: [403, 404],
  },
  recordProof: {
    summary: 'Proof of a record by its place in the collection, deletions included (docs/formats.md)',
    status: 200,
    content: { type: PROOF, schema: Type.Object({ format: Text, kind: Text, log: Text }) },
    errors: [403, 404],
  },
  records: {
    summary: 'Records of a collection, in order (docs/formats.md 10)',
    query: ['from', 'limit'],
    status: 200,
    content: {
      type: RECORDS,
      schema: resource({ more: Optional(Type.Literal(true)), next: Optional(Count), records: Type.Array(Any) }),
    },
    errors: [403, 404],
  },
  channels: {
    summary: 'Channels, which bring what was published as it is published',
    status: 200,
    content: taxii(resource({ channels: Optional(listOf(Channel)) })),
  },
  channel: {
    summary:
      'Objects on a channel as server-sent events (docs/formats.md 15), resumed behind Last-Event-ID; under the media type of TAXII, what the channel is',
    query: ['from'],
    status: 200,
    content: events,
    errors: [404],
  },
  feed: {
    summary:
      'All that happens in a collection as server-sent events (docs/formats.md 15), resumed behind Last-Event-ID',
    query: ['from'],
    status: 200,
    content: events,
    errors: [403, 404],
  },
  checkpoint: {
    summary:
      'Newest checkpoint of the log (C2SP tlog-checkpoint); with `witnessed`, the newest that a quorum of witnesses has cosigned',
    query: ['witnessed'],
    status: 200,
    content: text,
    errors: [404],
  },
  key: { summary: 'Verifier key of the log (C2SP signed-note)', status: 200, content: text },
  keys: {
    summary: 'All keys that the log has had, and the statements by which one followed another',
    status: 200,
    content: {
      type: 'application/json',
      schema: Type.Object({
        format: Type.Literal('entente/keys/v1'),
        origin: Type.String(),
        keys: Type.Array(Type.String()),
        successions: Type.Array(Type.String()),
      }),
    },
  },
  continuations: {
    summary: 'The statements by which the log went on from others that had ended',
    status: 200,
    content: {
      type: 'application/json',
      schema: Type.Object({
        format: Type.Literal('entente/continuations/v1'),
        origin: Type.String(),
        continuations: Type.Array(Type.String()),
      }),
    },
  },
  ledgers: {
    summary: 'What a reader pins of each ledger',
    status: 200,
    content: { type: 'application/json', schema: Type.Array(Any) },
  },
  tile: {
    summary: 'A tile or entry bundle of the log (C2SP tlog-tiles)',
    status: 200,
    content: { type: 'application/octet-stream', schema: Type.String({ format: 'binary' }) },
    errors: [404],
  },
  addCheckpoint: {
    summary: 'Cosign a checkpoint of another log (C2SP tlog-witness, add-checkpoint)',
    body: text,
    status: 200,
    content: text,
    answers: { 400: text, 403: text, 404: text, 409: { type: 'text/x.tlog.size', schema: Type.String() }, 422: text },
    errors: [408, 413],
  },
  witnessedCheckpoint: {
    summary:
      'Newest checkpoint that this witness has cosigned of a log, by the SHA-256 of its origin (C2SP tlog-witness)',
    status: 200,
    content: text,
    errors: [404],
  },
  witnessKey: { summary: 'Verifier key of this witness (C2SP tlog-cosignature)', status: 200, content: text },
  healthz: { summary: 'The process answers', status: 200, content: json(resource({ status: Text, time: Timestamp })) },
  readyz: {
    summary: 'It takes writes, and how far each ledger is',
    status: 200,
    content: json(Type.Object({ status: Text, log_size: Count, ledgers: Type.Array(Any) })),
    errors: [503],
  },
  overview: { summary: 'Where things are', status: 200, content: text },
  openapi: {
    summary: 'This document',
    status: 200,
    content: { type: 'application/json', schema: Type.Object({ openapi: Type.Literal('3.1.0'), paths: Any }) },
  },
} as const satisfies Record<string, Operation>
