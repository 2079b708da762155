import { JsonError, parseStrict } from '@entente/verify/json'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { ProductError } from './error.ts'

/** A large SBOM has some 10 MB; what is read once, and by whoever registers an artifact, may be as large. */
export const MAX_BYTES = 33_554_432
/** Components, packages, products or statements of one file. */
export const MAX_PARTS = 200_000
const LIMITS = { maxBytes: MAX_BYTES, maxDepth: 64, maxValues: 4_000_000 }

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * The text of a file that somebody sent.
 *
 * @throws ProductError `too-big`, `syntax`
 */
export function readText(input: string | Uint8Array, what: string): string {
  if (input.length > MAX_BYTES)
    throw new ProductError('too-big', `${what}: ${input.length} bytes, at most ${MAX_BYTES}`)
  if (typeof input === 'string') return input
  try {
    return utf8.decode(input)
  } catch (cause) {
    throw new ProductError('syntax', `${what} is not UTF-8`, { cause })
  }
}

/**
 * JSON that somebody sent: bounded, without duplicate keys.
 *
 * @throws ProductError `too-big`, `syntax`
 */
export function readJson(input: string | Uint8Array, what: string): unknown {
  try {
    return parseStrict(input, LIMITS)
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    const isBig = cause.code.startsWith('too-')
    throw new ProductError(isBig ? 'too-big' : 'syntax', `${what}: ${cause.message}`, { cause })
  }
}

/**
 * A check of what was parsed, compiled when it is first used. Members that the schema does not name are let through.
 *
 * @returns the value, or throws ProductError `syntax` with the place
 */
export function createShape<T extends TSchema>(schema: T): (value: unknown, what: string) => Static<T> {
  let compiled: ReturnType<typeof Compile<T>> | undefined
  return (value, what) => {
    compiled ??= Compile(schema)
    if (compiled.Check(value)) return value as Static<T>
    const first = compiled.Errors(value)[0]
    throw new ProductError('syntax', `${what}${first?.instancePath ?? ''} ${first?.message ?? 'has another form'}`)
  }
}

/** Counts parts of one file, and refuses those beyond a bound. */
export function createCounter(what: string, most: number = MAX_PARTS): () => number {
  let count = 0
  return () => {
    if (++count > most) throw new ProductError('too-big', `${what}: more than ${most}`)
    return count
  }
}
