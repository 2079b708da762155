import { JsonError } from './error.ts'

/** Bounds on a JSON text: bytes, nesting of arrays and objects, members of all objects together, values of any kind. */
export type JsonLimits = { maxBytes: number; maxDepth: number; maxKeys?: number; maxValues?: number }

/** What one pass over the bytes tells: colons outside strings (in valid JSON: members), and the deepest nesting. */
export type JsonScan = { colons: number; depth: number }

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * One pass over the bytes of a JSON text, before anything is allocated for it. It does not check the syntax: what it
 * counts is only meaningful once `JSON.parse` took the same bytes.
 *
 * @throws JsonError `too-big`, `too-deep`, `too-many-keys`, `too-many-values`; `syntax` for a string without an end
 */
export function scanJson(bytes: Uint8Array, limits: JsonLimits): JsonScan {
  if (bytes.length > limits.maxBytes) {
    throw new JsonError('too-big', `${bytes.length} bytes of JSON, at most ${limits.maxBytes} are taken`)
  }
  const maxKeys = limits.maxKeys ?? Number.POSITIVE_INFINITY
  const maxValues = limits.maxValues ?? Number.POSITIVE_INFINITY
  let colons = 0
  // Every value but the first of an array or object has a comma before it: three bytes such as `{},` cost some hundred in memory.
  let values = 1
  const count = (offset: number) => {
    if (++values > maxValues) throw new JsonError('too-many-values', `more than ${maxValues} values`, { offset })
  }
  let depth = 0
  let deepest = 0
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case QUOTE:
        i = endOfString(bytes, i)
        break
      case 0x3a: // :
        if (++colons > maxKeys) {
          throw new JsonError('too-many-keys', `more than ${maxKeys} members`, { offset: i })
        }
        break
      case 0x2c: // ,
        count(i)
        break
      case 0x7b: // {
      case 0x5b: // [
        count(i)
        if (++depth > deepest) {
          if (depth > limits.maxDepth) {
            throw new JsonError('too-deep', `arrays and objects are nested deeper than ${limits.maxDepth}`, {
              offset: i,
            })
          }
          deepest = depth
        }
        break
      case 0x7d: // }
      case 0x5d: // ]
        depth--
        break
    }
  }
  return { colons, depth: deepest }
}

/** Index of the quote that ends the string beginning at `start`: the first one behind an even number of backslashes. */
export function endOfString(bytes: Uint8Array, start: number): number {
  let end = start
  for (;;) {
    end = bytes.indexOf(QUOTE, end + 1)
    if (end < 0) throw new JsonError('syntax', 'a string has no end', { offset: start })
    let before = end - 1
    while (bytes[before] === BACKSLASH) before--
    if ((end - before) % 2 === 1) return end
  }
}
