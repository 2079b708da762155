import { formatTilePath, type TilePath } from '@entente/verify/tlog'
import { openCollection, readInfo, type TaxiiCollection } from './collection.ts'
import { ClientError } from './error.ts'
import { type Auth, createHttp } from './http.ts'
import type { ApiRoot, ChannelInfo, CollectionInfo, Discovery, MarkingsInfo } from './resources.ts'
import { sleepFor } from './retry.ts'
import { subscribe, type SubscribeOptions, type Subscription, type SubscribeTarget } from './subscribe.ts'
import { parseEndpoint } from './url.ts'

export type TaxiiClientOptions = {
  /** Any URL of the server. Its origin is the only one that gets the credentials. */
  url?: string
  /** The discovery resource, where it is not `/taxii2/` at that origin (section 4.1). One of the two is needed. */
  discovery?: string
  auth?: Auth | undefined
  /** Default: the one of the platform. */
  fetch?: typeof fetch
  /** Tries after the first: on 429, 502, 503, 504 and broken connections. Default: {@link DEFAULT_RETRIES}. */
  retries?: number
  /** For one request with its answer. Default: {@link DEFAULT_TIMEOUT_MS}. */
  timeoutMs?: number
  /** Default: {@link DEFAULT_MAX_RESPONSE_BYTES}. */
  maxResponseBytes?: number
  /** In [0, 1), for the backoff. Default: `Math.random`. */
  random?: () => number
  /** Default: a timer. */
  sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>
  /** Milliseconds since 1970. Default: `Date.now`. */
  now?: () => number
}

export const DEFAULT_RETRIES = 4
export const DEFAULT_TIMEOUT_MS = 60_000
/** 160 MiB: a page of an Entente server with the largest object that it takes. */
export const DEFAULT_MAX_RESPONSE_BYTES = 167_772_160

/** A TAXII 2.1 server. Methods throw ClientError. */
export type TaxiiClient = {
  /** Origin of the server, with a slash. */
  readonly url: string
  /** Section 4.1. */
  discovery(): Promise<Discovery>
  /** Section 4.2. Default: the API root that discovery names as default, or first. */
  apiRoot(url?: string): Promise<ApiRoot & { url: string }>
  /** Section 5.1, of an API root (default as in {@link apiRoot}), each with its URL. */
  collections(apiRoot?: string): Promise<(CollectionInfo & { url: string })[]>
  /** The newest checkpoint of an Entente server's log (docs/formats.md 5), or the newest that a quorum of its witnesses has cosigned; unverified. */
  checkpoint(which?: { isWitnessed: boolean }): Promise<string>
  /**
   * The verifier key that an Entente server says its log has. To believe it is to believe the server: compare it with one that came
   * another way.
   */
  logKey(): Promise<string>
  /** The statements by which keys of an Entente server's log followed each other (docs/formats.md 16), the oldest first; unverified. */
  successions(): Promise<string[]>
  /** The statements by which an Entente server's log went on from others that had ended (docs/formats.md 18), the oldest first; unverified. */
  continuations(): Promise<string[]>
  /** A tile or entry bundle of an Entente server's log (C2SP tlog-tiles), unverified. */
  tile(path: TilePath): Promise<Uint8Array>
  /** One collection, by URL: `{api-root}/collections/{id or alias}/`. */
  collection(url: string): TaxiiCollection
  /** The channels of an API root (default as in {@link apiRoot}) of an Entente server. */
  channels(apiRoot?: string): Promise<ChannelInfo[]>
  /** Which markings the credentials may see in an API root (default as in {@link apiRoot}) of an Entente server. */
  markings(apiRoot?: string): Promise<MarkingsInfo>
  /**
   * The events of a channel, or everything that happens in a collection, as they come (docs/formats.md 15): at least once, in order, over as many
   * connections as it takes. With `verify`, an event is given when the log was found to have it.
   */
  subscribe(target: SubscribeTarget, options?: SubscribeOptions): Subscription
}

/**
 * Creates a client of a TAXII 2.1 server (OASIS Standard, 10 June 2021). Nothing is sent yet.
 *
 * @throws ClientError `usage`
 * @example
 * const client = createTaxiiClient({ url: 'https://taxii.example/', auth: { kind: 'token', token } })
 * for await (const { items } of client.collection(url).objects({ types: ['indicator'] })) for (const object of items) take(object)
 */
export function createTaxiiClient(options: TaxiiClientOptions): TaxiiClient {
  const given = options.url ?? options.discovery
  if (given === undefined)
    throw new ClientError('usage', 'a client needs the url of its server, or that of its discovery')
  const base = parseEndpoint(given, 'the server')
  const clock = { now: options.now ?? Date.now, sleep: options.sleep ?? sleepFor }
  const random = options.random ?? Math.random
  const maxResponseBytes = options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES
  const http = createHttp({
    ...clock,
    fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    origin: base.origin,
    auth: options.auth,
    retries: options.retries ?? DEFAULT_RETRIES,
    random,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxResponseBytes,
  })
  const discoveryUrl =
    options.discovery === undefined
      ? new URL('/taxii2/', base.origin).href
      : parseEndpoint(options.discovery, 'the discovery').href

  async function discovery(): Promise<Discovery> {
    const found = (await http(discoveryUrl)).json as Partial<Discovery> | undefined
    if (typeof found?.title !== 'string')
      throw new ClientError('malformed', `${discoveryUrl} answers without a discovery resource (section 4.1)`, {
        url: discoveryUrl,
      })
    return found as Discovery
  }

  /** Section 4.1.1: URLs of API roots are absolute, or relative to the server. */
  async function apiRootUrl(url?: string): Promise<string> {
    if (url !== undefined) return parseEndpoint(new URL(url, base).href, 'the API root').href
    const found = await discovery()
    const root = found.default ?? found.api_roots?.[0]
    if (root === undefined)
      throw new ClientError('not-found', `${discoveryUrl} names no API root that these credentials may see`, {
        url: discoveryUrl,
      })
    return parseEndpoint(new URL(root, discoveryUrl).href, 'the API root').href
  }

  const logUrl = (name: string) => new URL(`/log/${name}`, base.origin).href
  const logText = async (name: string) =>
    (await http(logUrl(name), { accept: 'text/plain', answer: 'text' })).json as string

  async function statements(name: string, member: string): Promise<string[]> {
    const url = logUrl(name)
    const list = ((await http(url, { accept: 'application/json' })).json as Record<string, unknown> | undefined)?.[
      member
    ]
    if (!Array.isArray(list) || !list.every(note => typeof note === 'string'))
      throw new ClientError('malformed', `${url} answers without a list of statements`, { url })
    return list
  }

  const client: TaxiiClient = {
    url: `${base.origin}/`,
    discovery,
    async apiRoot(given) {
      const url = await apiRootUrl(given)
      const root = (await http(url)).json as Partial<ApiRoot> | undefined
      if (typeof root?.title !== 'string')
        throw new ClientError('malformed', `${url} answers without an API root (section 4.2)`, { url })
      return { ...(root as ApiRoot), url }
    },
    async collections(given) {
      const url = `${await apiRootUrl(given)}collections/`
      const list = ((await http(url)).json as { collections?: unknown } | undefined)?.collections ?? []
      if (!Array.isArray(list)) throw new ClientError('malformed', `${url}: "collections" is no list`, { url })
      return list.map(item => {
        const info = readInfo(item, url)
        return { ...info, url: `${url}${encodeURIComponent(info.id)}/` }
      })
    },
    checkpoint: which => logText(which?.isWitnessed ? 'checkpoint?witnessed' : 'checkpoint'),
    logKey: async () => (await logText('key')).trim(),
    successions: () => statements('keys', 'successions'),
    continuations: () => statements('continuations', 'continuations'),
    tile: async path =>
      (await http(logUrl(formatTilePath(path)), { accept: '*/*', answer: 'bytes' })).json as Uint8Array,
    collection: url => openCollection(http, clock, new URL(url, base).href),
    async channels(given) {
      const url = `${await apiRootUrl(given)}channels/`
      const list = ((await http(url)).json as { channels?: unknown } | undefined)?.channels ?? []
      if (!Array.isArray(list) || !list.every(c => typeof (c as ChannelInfo | null)?.name === 'string'))
        throw new ClientError('malformed', `${url} answers without a list of channels`, { url })
      return list as ChannelInfo[]
    },
    async markings(given) {
      const url = `${await apiRootUrl(given)}markings/`
      const found = (await http(url)).json as Partial<MarkingsInfo> | undefined
      if (!Array.isArray(found?.markings))
        throw new ClientError('malformed', `${url} answers without a list of markings`, { url })
      return found as MarkingsInfo
    },
    subscribe: (target, given = {}) =>
      subscribe({ client, http, clock, random, maxLength: maxResponseBytes }, target, given),
  }
  return client
}
