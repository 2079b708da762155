import type { FastifyReply } from 'fastify'
import { TaxiiError } from './errors.ts'

/** TAXII 2.1 section 3.1: every TAXII answer, errors included, carries this type with its version. */
export const TAXII = 'application/taxii+json;version=2.1'
export const STIX = 'application/stix+json;version=2.1'
export const PROOF = 'application/vnd.entente.proof+json;version=1'
export const RECORDS = 'application/vnd.entente.records+json;version=1'
/** RFC 9052 section 11 */
export const COSE = 'application/cose; cose-type="cose-sign1"'
/** WHATWG HTML section 9.2: always UTF-8. */
export const EVENT_STREAM = 'text/event-stream; charset=utf-8'

type Range = { type: string; parameters: Map<string, string>; q: number }

/** Splits at `separator` outside quoted strings (RFC 9110 section 5.6.4). */
function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (quoted && c === '\\') i++
    else if (c === '"') quoted = !quoted
    else if (c === separator && !quoted) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

function parseRange(text: string): Range {
  const [type = '', ...rest] = splitOutsideQuotes(text, ';')
  const parameters = new Map<string, string>()
  let q = 1
  for (const parameter of rest) {
    const [name = '', value = ''] = splitOutsideQuotes(parameter, '=').map(s => s.trim())
    const bare = value.startsWith('"') && value.endsWith('"') && value.length > 1 ? value.slice(1, -1) : value
    if (name.toLowerCase() === 'q') q = Number(bare)
    else if (name !== '') parameters.set(name.toLowerCase(), bare)
  }
  return { type: type.trim().toLowerCase(), parameters, q: Number.isFinite(q) ? q : 0 }
}

/** Whether a range of a client takes `type` at `version`: a range without a version takes the highest (section 3.1). */
function takes(range: Range, type: string, version: string): boolean {
  if (range.q <= 0) return false
  if (range.type === '*/*' || range.type === 'application/*') return true
  if (range.type !== type) return false
  const wanted = range.parameters.get('version')
  return wanted === undefined || wanted === version
}

/** Whether an `Accept` names a type, or a range that it is in; no header takes anything (RFC 9110 section 12.5.1). */
export function isAccepted(header: string | undefined, type: string): boolean {
  if (header === undefined || header.trim() === '') return true
  const [main = '', sub = ''] = parseRange(type).type.split('/')
  const ranges = ['*/*', `${main}/*`, `${main}/${sub}`]
  return splitOutsideQuotes(header, ',')
    .map(parseRange)
    .some(r => r.q > 0 && ranges.includes(r.type))
}

/**
 * Refuses an `Accept` that none of `offers` (type;version=v) satisfies: 406. No header takes anything (RFC 9110 section 12.5.1).
 *
 * @throws TaxiiError 406
 */
export function checkAccept(header: string | undefined, offers: string[] = [TAXII]): void {
  if (header === undefined || header.trim() === '') return
  const ranges = splitOutsideQuotes(header, ',').map(parseRange)
  // application/json is what people type into curl: our answers are JSON, so it is taken (section 3.1: other types MAY be served).
  const found = offers.some(offer => {
    const { type, parameters } = parseRange(offer)
    return ranges.some(
      r => takes(r, type, parameters.get('version') ?? '') || (r.type === 'application/json' && r.q > 0),
    )
  })
  if (!found)
    throw new TaxiiError(
      406,
      'accept',
      `this resource is served as ${offers.join(' or ')}; the request accepts ${header.slice(0, 200)}`,
    )
}

/**
 * Refuses a POST body that is neither TAXII's envelope nor a STIX bundle: 415. The version may be absent, quoted, and spaced as RFC 9110 allows.
 *
 * @param encoding `Content-Encoding`: compressed bodies are not taken, a small one could hide a huge one
 * @returns the type without its version: {@link TAXII}'s or, not asked for by the standard but sent by OpenCTI's connector, {@link STIX}'s
 * @throws TaxiiError 415
 */
export function checkContentType(
  header: string | undefined,
  encoding?: string,
): 'application/taxii+json' | 'application/stix+json' {
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new TaxiiError(415, 'content-type', `the body is sent as it is; the request says ${encoding.slice(0, 40)}`, {
      headers: { 'accept-encoding': 'identity' }, // RFC 9110 section 15.5.16
    })
  }
  const { type, parameters } = parseRange(header ?? '')
  const version = parameters.get('version')
  const isKnown = type === 'application/taxii+json' || type === 'application/stix+json'
  if (isKnown && (version === undefined || version === '2.1')) return type
  throw new TaxiiError(
    415,
    'content-type',
    `objects are sent as ${TAXII}; the request says ${header?.slice(0, 200) ?? 'nothing'}`,
  )
}

/** Sends JSON under exactly this type: of a text Fastify would rewrite the header, of bytes it doesn't. */
export function sendJson(reply: FastifyReply, type: string, value: unknown): FastifyReply {
  return reply.type(type).send(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
}
