import { parseMicros } from '#notary/time.ts'
import { TaxiiError } from './errors.ts'

/** What a client asks of a list (TAXII 2.1 section 3.4 and 3.4.1). */
export type Query = {
  limit: number
  /** `date_added` must be after this, microseconds. */
  addedAfter: number | undefined
  /** First `seq` that a page continues with. */
  next: number | undefined
  ids: string[] | undefined
  types: string[] | undefined
  specs: string[] | undefined
  versions: VersionFilter
  /** `verify=ledger`: only what the ledgers stand for, asked now. */
  byLedger: boolean
}
export type VersionFilter = { last: boolean; first: boolean; all: boolean; exact: string[] }

type Field = 'id' | 'type' | 'version' | 'spec_version'
export type Allowed = { fields: Field[]; paging: boolean }

const MAX_VALUES = 1000
const SPECS = new Set(['2.0', '2.1'])

/**
 * Reads the query string. Parameters that TAXII doesn't define for the resource are ignored (section 3.4).
 *
 * @param raw what stands behind `?`
 * @throws TaxiiError 400 for a malformed or repeated parameter
 */
export function parseQuery(raw: string, allowed: Allowed, limits: { page: number; maxPage: number }): Query {
  const parameters = new URLSearchParams(raw)
  const once = (name: string): string | undefined => {
    const values = parameters.getAll(name)
    if (values.length > 1)
      throw bad(
        name,
        `is given ${values.length} times`,
        'give it once; several values of match[…] are separated by commas',
      )
    return values[0]
  }
  const list = (field: Field): string[] | undefined => {
    const text = allowed.fields.includes(field) ? once(`match[${field}]`) : undefined
    if (text === undefined) return undefined
    const values = text.split(',')
    if (values.length > MAX_VALUES)
      throw bad(`match[${field}]`, `has ${values.length} values`, `give at most ${MAX_VALUES}`)
    if (values.some(v => v === ''))
      throw bad(`match[${field}]`, 'has an empty value', 'name at least one value, without a final comma')
    return [...new Set(values)]
  }
  const specs = list('spec_version')
  const unknown = specs?.find(s => !SPECS.has(s))
  if (unknown !== undefined) throw bad('match[spec_version]', `is ${quote(unknown)}`, 'STIX versions are 2.0 and 2.1')
  return {
    limit: allowed.paging ? parseLimit(once('limit'), limits) : limits.maxPage,
    addedAfter: allowed.paging ? parseAddedAfter(once('added_after')) : undefined,
    next: allowed.paging ? parseNext(once('next')) : undefined,
    ids: list('id'),
    types: list('type'),
    specs,
    versions: parseVersions(list('version')),
    byLedger: parseVerify(once('verify')),
  }
}

/** An extension of ours (docs/operating.md). */
function parseVerify(text: string | undefined): boolean {
  if (text !== undefined && text !== 'ledger')
    throw bad('verify', `is ${quote(text)}`, 'it is ledger, or left out: the log is verified in any case')
  return text === 'ledger'
}

function parseLimit(text: string | undefined, { page, maxPage }: { page: number; maxPage: number }): number {
  if (text === undefined) return page
  if (!/^\d{1,15}$/.test(text) || Number(text) === 0)
    throw bad('limit', `is ${quote(text)}`, 'it is a positive integer')
  return Math.min(Number(text), maxPage)
}

function parseAddedAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const micros = parseMicros(text)
  if (micros === undefined)
    throw bad('added_after', `is ${quote(text)}`, 'it is a timestamp such as 2026-01-31T12:00:00.000000Z')
  return micros
}

/** `next` is the sequence number that a page goes on with: it holds no state of the server, so it works after a restart and tomorrow. */
export function formatNext(seq: number): string {
  return Buffer.from(`seq:${seq}`).toString('base64url')
}

function parseNext(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seq = /^seq:(\d{1,15})$/.exec(Buffer.from(text.slice(0, 64), 'base64url').toString('latin1'))?.[1]
  if (seq === undefined) throw bad('next', `is ${quote(text)}`, 'use the value that the last page gave, as it is')
  return Number(seq)
}

function parseVersions(values: string[] | undefined): VersionFilter {
  if (!values) return { last: true, first: false, all: false, exact: [] }
  const filter: VersionFilter = { last: false, first: false, all: false, exact: [] }
  for (const value of values) {
    if (value === 'last' || value === 'first' || value === 'all') filter[value] = true
    else {
      const exact = normalizeVersion(value)
      if (exact === undefined)
        throw bad(
          'match[version]',
          `holds ${quote(value)}`,
          'it takes last, first, all, or versions as the objects write them',
        )
      filter.exact.push(exact)
    }
  }
  if (filter.all && values.length > 1)
    throw bad('match[version]', 'combines all with other values', 'all stands alone (TAXII 2.1 section 3.4.1)')
  return filter
}

/** A version as the store compares it: six digits. Undefined where the text is no timestamp. */
function normalizeVersion(text: string): string | undefined {
  if (parseMicros(text) === undefined) return undefined
  const [seconds = '', fraction = ''] = text.toUpperCase().slice(0, -1).split('.')
  return fraction.length > 6 ? undefined : `${seconds}.${fraction.padEnd(6, '0')}Z`
}

function bad(name: string, what: string, wayOut: string): TaxiiError {
  return new TaxiiError(400, 'query', `${name} ${what}: ${wayOut}`)
}

const quote = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
