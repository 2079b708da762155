import { ClientError } from './error.ts'
import type { ObjectQuery } from './resources.ts'

/**
 * A URL of http or https without credentials, fragment or query, that ends with a slash (section 3.1).
 *
 * @throws ClientError `usage`
 */
export function parseEndpoint(text: string, what: string): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch (cause) {
    throw new ClientError('usage', `${what} is ${JSON.stringify(text.slice(0, 200))}: that is no URL`, { cause })
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new ClientError('usage', `${what} begins with ${url.protocol}: http: or https: is wanted`)
  if (url.username !== '' || url.password !== '')
    throw new ClientError('usage', `${what} holds credentials, which end up in logs: give them as auth`)
  url.hash = ''
  url.search = ''
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

/**
 * The API root of a collection, which is what stands before `collections/{id}/` (section 5).
 *
 * @throws ClientError `usage` where this is no URL of a collection
 */
export function apiRootOf(collection: URL): URL {
  const match = /^(\/.*?)collections\/[^/]+\/$/.exec(collection.pathname)
  if (!match)
    throw new ClientError(
      'usage',
      `${collection.href} is not the URL of a collection: that ends with /collections/ID/ (TAXII 2.1 section 5.2)`,
    )
  return new URL(match[1] as string, collection)
}

/** The query string of sections 3.4 and 3.4.1. */
export function formatQuery(query: ObjectQuery, paging: { next?: string; addedAfter?: string } = {}): string {
  const parameters = new URLSearchParams()
  const match = (field: string, values: readonly string[] | undefined) => {
    if (values && values.length > 0) parameters.set(`match[${field}]`, values.join(','))
  }
  match('id', query.ids)
  match('type', query.types)
  match('version', query.versions)
  match('spec_version', query.specVersions)
  const addedAfter = paging.addedAfter ?? query.addedAfter
  if (addedAfter !== undefined) parameters.set('added_after', addedAfter)
  if (query.limit !== undefined) parameters.set('limit', String(query.limit))
  if (paging.next !== undefined) parameters.set('next', paging.next)
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}
