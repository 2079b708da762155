import { ClientError } from './error.ts'
import type { Http } from './http.ts'
import type { ObjectQuery, Timestamp } from './resources.ts'
import { formatMicros, parseMicros } from './timestamp.ts'
import { formatQuery } from './url.ts'

/** A page of a list, in the server's order: ascending by `date_added` (section 3.3). */
export type Page<T> = {
  items: T[]
  /** `X-TAXII-Date-Added-First` and `-Last` (section 3.2), where the server sends them. */
  addedFirst: Timestamp | undefined
  addedLast: Timestamp | undefined
  /** Records that an Entente server did not serve because they do not match its log. */
  withheld: number
}

/** How one kind of list is read. */
export type ListKind<T> = {
  member: 'objects' | 'versions'
  /** What tells two items apart where pages overlap. */
  keyOf: (item: T) => string
  /** `date_added` of an item, where items have it. */
  addedOf?: (item: T) => Timestamp | undefined
}

/** Pages of one list at most. */
const MAX_PAGES = 1_000_000

/**
 * Reads a list page by page: by `next` where the server gives it. A server that says `more` without it (section 3.5 allows that) is asked
 * again by `added_after`, from just before the last `date_added` on: objects that share this date would be lost otherwise. What was
 * read is left out then.
 *
 * @throws ClientError `stuck` where pages do not advance, so that no server can keep a client busy for ever
 */
export async function* readPages<T>(
  http: Http,
  url: string,
  query: ObjectQuery,
  kind: ListKind<T>,
  signal?: AbortSignal,
): AsyncGenerator<Page<T>, void, void> {
  const usedNexts = new Set<string>()
  let next: string | undefined
  let addedAfter = query.addedAfter
  let overlap: Set<string> | undefined // keys of the page before, where this one begins within it
  for (let pages = 1; ; pages++) {
    const paging = { ...(next === undefined ? {} : { next }), ...(addedAfter === undefined ? {} : { addedAfter }) }
    const { json, headers } = await http(url + formatQuery(query, paging), { signal })
    const body = readListBody<T>(json, kind.member, url)
    const items = overlap ? body.items.filter(item => !overlap?.has(kind.keyOf(item))) : body.items
    const addedLast = headers.get('x-taxii-date-added-last') ?? lastDate(body.items, kind)
    yield {
      items,
      addedFirst: headers.get('x-taxii-date-added-first') ?? undefined,
      addedLast,
      withheld: Number(headers.get('x-entente-withheld') ?? 0) || 0,
    }
    if (!body.more) return
    if (pages >= MAX_PAGES) throw stuck(url, `gave ${MAX_PAGES} pages and has more`)
    if (body.next !== undefined) {
      if (usedNexts.has(body.next)) throw stuck(url, `gives the same "next" again (${body.next.slice(0, 80)})`)
      usedNexts.add(body.next)
      next = body.next
      overlap = undefined
      continue
    }
    const last = addedLast === undefined ? undefined : parseMicros(addedLast)
    if (last === undefined) throw stuck(url, 'says that there is more, and neither "next" nor X-TAXII-Date-Added-Last')
    if (items.length === 0)
      throw stuck(
        url,
        `has more objects with the date_added ${addedLast} than fit on a page, and no "next": ask for a larger limit`,
      )
    next = undefined
    const asked = query.addedAfter === undefined ? undefined : parseMicros(query.addedAfter)
    addedAfter = formatMicros(Math.max(last - 1, asked ?? Number.NEGATIVE_INFINITY))
    overlap = new Set([...(overlap ?? []), ...body.items.map(kind.keyOf)].slice(-2 * Math.max(body.items.length, 1)))
  }
}

/** An envelope, manifest or list of versions; `{}` is an empty one (section 3.7). */
function readListBody<T>(
  json: unknown,
  member: string,
  url: string,
): { items: T[]; more: boolean; next: string | undefined } {
  const body = json ?? {}
  if (typeof body !== 'object' || Array.isArray(body))
    throw new ClientError('malformed', `${url} answers with something else than a TAXII envelope`, { url })
  const members = body as Record<string, unknown>
  const items = members[member] ?? []
  if (!Array.isArray(items)) throw new ClientError('malformed', `${url}: "${member}" is no list`, { url })
  const next = members['next']
  return {
    items: items as T[],
    more: members['more'] === true,
    next: typeof next === 'string' && next !== '' ? next : typeof next === 'number' ? String(next) : undefined,
  }
}

const lastDate = <T>(items: T[], { addedOf }: ListKind<T>): Timestamp | undefined => {
  const item = items.at(-1)
  return item === undefined ? undefined : addedOf?.(item)
}

const stuck = (url: string, what: string) =>
  new ClientError('stuck', `${url} ${what}: reading on would lose objects or never end`, { url })
