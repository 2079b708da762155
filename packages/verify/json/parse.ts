import { canonicalizeCounting } from './canonicalize.ts'
import { findDuplicateKey } from './duplicate.ts'
import { JsonError } from './error.ts'
import { type JsonLimits, type JsonScan, scanJson } from './scan.ts'

/** 100 MiB; 64 levels. */
export const DEFAULT_LIMITS: JsonLimits = { maxBytes: 104_857_600, maxDepth: 64 }

// A byte order mark is kept, so that JSON.parse refuses it: RFC 8259 section 8.1 forbids to send one.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/**
 * Parse JSON that means the same to everyone: I-JSON (RFC 7493), bounded.
 *
 * `JSON.parse` keeps the last of two equal keys and rounds large integers without a word. Here one scan counts the
 * colons, and a text with more colons than its value has members had a duplicate key. A member called `__proto__` is an
 * own property like any other; copy such values with care.
 *
 * @throws JsonError any code but `member` and `type`
 * @example
 * parseStrict('{"id":1,"id":2}') // JsonError duplicate-key: the key "id" is there twice (byte 8)
 */
export function parseStrict(text: string | Uint8Array, limits: Partial<JsonLimits> = {}): unknown {
  const bounds = { ...DEFAULT_LIMITS, ...limits }
  if (typeof text === 'string') {
    if (text.length > bounds.maxBytes) {
      throw new JsonError('too-big', `${text.length} characters of JSON, at most ${bounds.maxBytes} bytes are taken`)
    }
    if (!text.isWellFormed()) throw new JsonError('surrogate', 'the text holds half of a surrogate pair')
  }
  const bytes = typeof text === 'string' ? encoder.encode(text) : text
  const scan = scanJson(bytes, bounds)
  const value = parse(bytes)
  const counter = { keys: 0 }
  canonicalizeCounting(value, counter, bounds.maxDepth)
  checkKeys(bytes, scan, counter.keys)
  return value
}

/** What {@link parseObjects} returns: the body, and for each object of `member`, in order, its canonical text. */
export type ParsedObjects = { envelope: Record<string, unknown>; canonical: string[] }

/**
 * Parse a body such as `{"objects": [...], ...}` and canonicalise (RFC 8785) every element of the array, each once and nothing
 * twice: this is the way of every object into a store.
 *
 * @param member name of the array
 * @throws JsonError as {@link parseStrict}, and `member` where the body is no object or has no such array
 */
export function parseObjects(
  body: Uint8Array,
  member: string = 'objects',
  limits: Partial<JsonLimits> = {},
): ParsedObjects {
  const bounds = { ...DEFAULT_LIMITS, ...limits }
  const scan = scanJson(body, bounds)
  const envelope = parse(body)
  if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) {
    throw new JsonError('member', `the body is no JSON object: expected {"${member}": [...]}`)
  }
  const keys = Object.keys(envelope)
  const counter = { keys: keys.length }
  const canonical: string[] = []
  let found = false
  for (const key of keys) {
    const value = (envelope as Record<string, unknown>)[key]
    if (!key.isWellFormed()) throw new JsonError('surrogate', 'a key holds half of a surrogate pair')
    if (key !== member) {
      canonicalizeCounting(value, counter, bounds.maxDepth)
      continue
    }
    if (!Array.isArray(value)) throw new JsonError('member', `the member "${member}" is no array`)
    found = true
    for (let i = 0; i < value.length; i++) {
      try {
        canonical.push(canonicalizeCounting(value[i], counter, bounds.maxDepth))
      } catch (error) {
        if (!(error instanceof JsonError)) throw error
        throw new JsonError(error.code, `${member}[${i}]: ${error.message}`, { cause: error })
      }
    }
  }
  checkKeys(body, scan, counter.keys)
  if (!found) throw new JsonError('member', `the body has no member "${member}"`)
  return { envelope: envelope as Record<string, unknown>, canonical }
}

function parse(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch (cause) {
    throw new JsonError('utf8', 'the text is not UTF-8', { cause })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new JsonError('syntax', `not JSON: ${(cause as Error).message}`, { cause })
  }
}

function checkKeys(bytes: Uint8Array, scan: JsonScan, keys: number): void {
  if (scan.colons === keys) return
  const found = findDuplicateKey(bytes)
  throw new JsonError('duplicate-key', `the key ${JSON.stringify(found.key)} is there twice (byte ${found.offset})`, {
    offset: found.offset,
  })
}
