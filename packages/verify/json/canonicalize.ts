import { JsonError } from './error.ts'

/** How deep arrays and objects may nest unless the caller says otherwise. Also what stops a cycle. */
export const DEFAULT_MAX_DEPTH = 64

/** Counts the members of all objects that were written, see {@link canonicalizeCounting}. */
export type KeyCounter = { keys: number }

/**
 * The JSON Canonicalization Scheme (RFC 8785), for the JSON that I-JSON (RFC 7493) allows.
 *
 * Only plain objects, arrays, strings, finite numbers, booleans and null are taken. Integers beyond 2^53 - 1 are refused,
 * because two different texts would be one double: RFC 8785 section 3.2.2.3 only writes what such a double became.
 *
 * @throws JsonError `number`, `surrogate`, `type`, `too-deep`
 * @example
 * canonicalize({ b: 1.0, a: '\u20ac' }) // '{"a":"€","b":1}'
 */
export function canonicalize(value: unknown, options: { maxDepth?: number } = {}): string {
  return write(value, { keys: 0 }, options.maxDepth ?? DEFAULT_MAX_DEPTH)
}

/**
 * As {@link canonicalize}, and adds to `counter` the number of members met on the way. A caller who has counted the colons of
 * the text that `value` was parsed from learns for nothing whether `JSON.parse` dropped a duplicate key.
 */
export function canonicalizeCounting(
  value: unknown,
  counter: KeyCounter,
  maxDepth: number = DEFAULT_MAX_DEPTH,
): string {
  return write(value, counter, maxDepth)
}

// All but what may stand in a string as it is: a quote, a backslash and controls are escaped (RFC 8259 section 7), and a
// surrogate may be half a pair.
const NOT_AS_IT_IS = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

function quote(text: string): string {
  if (!NOT_AS_IT_IS.test(text)) return '"' + text + '"'
  if (!text.isWellFormed()) throw new JsonError('surrogate', 'a string holds half of a surrogate pair')
  // JSON.stringify escapes exactly as RFC 8785 section 3.2.2.2 asks: short forms, else \u00xx in lower case
  return JSON.stringify(text)
}

function write(value: unknown, counter: KeyCounter, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'number':
      return formatNumber(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      break
    default:
      throw new JsonError('type', `JSON has no ${typeof value}`)
  }
  if (value === null) return 'null'
  if (depth === 0) throw new JsonError('too-deep', 'arrays and objects are nested deeper than the limit')
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    let text = '[' + write(value[0], counter, depth - 1)
    for (let i = 1; i < value.length; i++) text += ',' + write(value[i], counter, depth - 1)
    return text + ']'
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new JsonError('type', `not a plain object: ${(value as object).constructor?.name ?? 'unknown class'}`)
  }
  const keys = Object.keys(value)
  if (keys.length === 0) return '{}'
  sortKeys(keys)
  counter.keys += keys.length
  const members = value as Record<string, unknown>
  let text = '{'
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    text += (i === 0 ? '' : ',') + quote(key) + ':' + write(members[key], counter, depth - 1)
  }
  return text + '}'
}

/** RFC 8785 section 3.2.2.3: a number as ECMAScript writes it, and -0 as 0. */
function formatNumber(value: number): string {
  if (!Number.isFinite(value)) throw new JsonError('number', `JSON has no ${value}`)
  if (!Number.isSafeInteger(value) && Number.isInteger(value)) {
    throw new JsonError('number', `the integer ${value} is beyond 2^53 - 1: write it as a string`)
  }
  return String(value)
}

/** RFC 8785 section 3.2.3: by UTF-16 code units, which is how `<` compares strings. Few keys, often nearly in order. */
function sortKeys(keys: string[]): void {
  if (keys.length > 32) {
    keys.sort()
    return
  }
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!
    let k = i - 1
    while (k >= 0 && keys[k]! > key) {
      keys[k + 1] = keys[k]!
      k--
    }
    keys[k + 1] = key
  }
}
