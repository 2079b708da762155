import type { ObjectProof, WithheldProof } from '@entente/verify/proof'
import { canonicalize } from '@entente/verify/json'
import { ClientError } from './error.ts'
import type { Http } from './http.ts'
import { COSE, PROOF, RECORDS } from './media.ts'
import { type ListKind, type Page, readPages } from './pages.ts'
import type { ApiRoot, CollectionInfo, ManifestRecord, ObjectQuery, StixObject, Status } from './resources.ts'
import { type Clock, readStatus, type WaitOptions, waitForStatus } from './status.ts'
import { type Added, type AddOptions, submit } from './submit.ts'
import { apiRootOf, formatQuery, parseEndpoint } from './url.ts'

/** One collection of a TAXII server. Methods throw ClientError. What an Entente server proves is in the last three. */
export type TaxiiCollection = {
  /** Ends with a slash. */
  readonly url: string
  readonly apiRootUrl: string
  /** Section 5.2. */
  info(): Promise<CollectionInfo>
  /** Section 5.4, page by page. */
  objects(query?: ObjectQuery, signal?: AbortSignal): AsyncGenerator<Page<StixObject>, void, void>
  /** Section 5.6: the versions of one object that the query selects, the newest where it selects none. */
  object(id: string, query?: Pick<ObjectQuery, 'versions' | 'specVersions'>): Promise<StixObject[]>
  /** Section 5.8: as the objects write them. */
  versions(id: string): Promise<string[]>
  /** Section 5.3, page by page. */
  manifest(query?: ObjectQuery, signal?: AbortSignal): AsyncGenerator<Page<ManifestRecord>, void, void>
  /** Section 5.5, in as many requests as it takes; gives each answer as it comes. */
  send(objects: Iterable<object> | AsyncIterable<object>, options?: AddOptions): AsyncGenerator<Added, void, void>
  /** {@link send}, all answers at once in the order of the objects. */
  add(objects: Iterable<object> | AsyncIterable<object>, options?: AddOptions): Promise<Status[]>
  /** Section 4.3. */
  status(id: string): Promise<Status>
  /** Until it is complete: for Entente, until the ledgers of the collection have confirmed it. */
  waitFor(status: Status, options?: WaitOptions): Promise<Status>
  /** Section 5.7: without versions only the newest goes (section 3.4.1). */
  delete(id: string, query?: Pick<ObjectQuery, 'versions' | 'specVersions'>): Promise<void>
  /** docs/formats.md 10: records from `from` on, page by page, up to but not with `end`. Unverified. */
  records(from?: number, options?: { end?: number; limit?: number }): AsyncGenerator<unknown[], void, void>
  /** docs/formats.md 7, for verifyObject. Unverified. */
  proof(id: string, version?: string): Promise<ObjectProof>
  /** docs/formats.md 13: nothing of it is verified; `verifyCoseReceipt` of @entente/verify/cose does. */
  coseReceipt(id: string, version?: string): Promise<Uint8Array>
  /** docs/formats.md 7, of any record by its `seq`, for verifyObject; where the client may not see it, for verifyWithheld. Unverified. */
  recordProof(seq: number): Promise<ObjectProof | WithheldProof>
  /** docs/formats.md 9, for verifyCollectionProof. Unverified. */
  collectionProof(): Promise<object>
}

/** Records on a page, where the caller does not say. */
const RECORDS_PAGE = 1000
/** What is believed of a server whose API root does not say how much it takes. */
const DEFAULT_MAX_CONTENT_LENGTH = 8_388_608

const OBJECTS: ListKind<StixObject> = {
  member: 'objects',
  keyOf: object => {
    const version = object['modified'] ?? object['created']
    return typeof version === 'string' ? `${object.id} ${version}` : canonicalize(object)
  },
}
const MANIFEST: ListKind<ManifestRecord> = {
  member: 'objects',
  keyOf: record => `${record.id} ${record.version} ${record.date_added}`,
  addedOf: record => record.date_added,
}
const VERSIONS: ListKind<string> = { member: 'versions', keyOf: version => version }

/** @throws ClientError `usage` where `address` is no URL of a collection */
export function openCollection(http: Http, clock: Clock, address: string): TaxiiCollection {
  const base = parseEndpoint(address, 'the collection')
  const root = apiRootOf(base)
  const url = base.href
  const objectUrl = (id: string) => `${url}objects/${encodeURIComponent(id)}/`
  const statusUrl = (id: string) => `${root.href}status/${encodeURIComponent(id)}/`

  let maxBytes: Promise<number> | undefined
  const maxContentLength = () => (maxBytes ??= readMaxContentLength(http, root.href))

  async function all<T>(pages: AsyncIterable<Page<T>>): Promise<T[]> {
    const items: T[] = []
    for await (const page of pages) for (const item of page.items) items.push(item)
    return items
  }
  async function* send(objects: Iterable<object> | AsyncIterable<object>, options?: AddOptions) {
    yield* submit(http, `${url}objects/`, objects, await maxContentLength(), options)
  }

  return {
    url,
    apiRootUrl: root.href,
    info: async () => readInfo((await http(url)).json, url),
    objects: (query = {}, signal) => readPages(http, `${url}objects/`, query, OBJECTS, signal),
    object: (id, query = {}) => all(readPages(http, objectUrl(id), query, OBJECTS)),
    versions: id => all(readPages(http, `${objectUrl(id)}versions/`, {}, VERSIONS)),
    manifest: (query = {}, signal) => readPages(http, `${url}manifest/`, query, MANIFEST, signal),
    send,
    async add(objects, options) {
      const added: Added[] = []
      for await (const one of send(objects, options)) added.push(one)
      return added.sort((a, b) => a.from - b.from).map(one => one.status)
    },
    status: async id => readStatus((await http(statusUrl(id))).json, statusUrl(id)),
    waitFor: (status, options) => waitForStatus(http, statusUrl(status.id), status, clock, options),
    async delete(id, query = {}) {
      // "last", which is the default, names another version each time: not to be repeated blindly.
      const named = query.versions?.every(v => v !== 'last' && v !== 'first') ?? false
      await http(objectUrl(id) + formatQuery(query), { method: 'DELETE', repeatable: named })
    },
    records: (from = 0, options) => readRecords(http, `${url}records/`, from, options),
    async proof(id, version) {
      const query = formatQuery(version === undefined ? {} : { versions: [version] })
      return (await http(`${objectUrl(id)}proof/${query}`, { accept: PROOF })).json as ObjectProof
    },
    async coseReceipt(id, version) {
      const query = formatQuery(version === undefined ? {} : { versions: [version] })
      const { json } = await http(`${objectUrl(id)}receipt/${query}`, { accept: COSE, answer: 'bytes' })
      return json as Uint8Array
    },
    recordProof: async seq =>
      (await http(`${url}records/${seq}/proof/`, { accept: PROOF })).json as ObjectProof | WithheldProof,
    collectionProof: async () => (await http(`${url}proof/`, { accept: PROOF })).json as object,
  }
}

async function readMaxContentLength(http: Http, apiRoot: string): Promise<number> {
  try {
    const most = ((await http(apiRoot)).json as Partial<ApiRoot> | undefined)?.max_content_length
    return Number.isSafeInteger(most) && (most as number) > 0 ? (most as number) : DEFAULT_MAX_CONTENT_LENGTH
  } catch (error) {
    // Who may use a collection need not be allowed to see the API root (section 1.6.9).
    const code = error instanceof ClientError ? error.code : undefined
    if (code === 'forbidden' || code === 'not-found' || code === 'malformed') return DEFAULT_MAX_CONTENT_LENGTH
    throw error
  }
}

async function* readRecords(
  http: Http,
  url: string,
  from: number,
  { end = Number.POSITIVE_INFINITY, limit = RECORDS_PAGE }: { end?: number; limit?: number } = {},
): AsyncGenerator<unknown[], void, void> {
  for (let at = from; at < end; ) {
    const most = Math.min(end - at, limit)
    const { json } = await http(`${url}?from=${at}&limit=${most}`, { accept: RECORDS })
    const { records, next } = (json ?? {}) as { records?: unknown; next?: unknown }
    if (!Array.isArray(records)) throw new ClientError('malformed', `${url} answers without a list of records`, { url })
    const page = records.slice(0, most)
    if (page.length > 0) yield page
    if (next === undefined || at + page.length >= end) return
    if (next !== at + records.length || records.length === 0) {
      const found = JSON.stringify(next)?.slice(0, 40)
      throw new ClientError('stuck', `${url} gives ${records.length} records from ${at} on and goes on with ${found}`, {
        url,
      })
    }
    at = next
  }
}

/** @throws ClientError `malformed` */
export function readInfo(json: unknown, url: string): CollectionInfo {
  const info = (json ?? {}) as Partial<CollectionInfo>
  if (typeof info.id !== 'string' || typeof info.title !== 'string')
    throw new ClientError('malformed', `${url} answers without a collection resource (TAXII 2.1 section 5.2)`, { url })
  return { ...info, can_read: info.can_read === true, can_write: info.can_write === true } as CollectionInfo
}
