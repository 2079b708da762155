import { existsSync, readFileSync } from 'node:fs'
import { hashFile } from '#product/ids.ts'
import { CliError } from '../errors.ts'
import { textOf } from '../values.ts'

type Values = Record<string, unknown>
const HASH = /^0x[0-9a-f]{64}$/
export const NO_HASH = `0x${'0'.repeat(64)}`

/** The bytes of a file. @throws CliError `usage` */
export function readInput(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file)
  } catch (cause) {
    throw new CliError('usage', `${file}: ${(cause as Error).message}`, { cause })
  }
}

/** SHA-256 of the file that an option names, or a hash that is given as such. */
export function hashOption(values: Values, name: string): string | undefined {
  const given = textOf(values, name)
  if (given === undefined || HASH.test(given)) return given
  return hashFile(readInput(given))
}

/**
 * As {@link hashOption}; where there is no such file it is a text, such as a URL.
 *
 * @param hash of what is given, for who keeps it as well
 */
export function hashOrText(
  values: Values,
  name: string,
  hash: (bytes: Uint8Array) => string = hashFile,
): string | undefined {
  const given = textOf(values, name)
  if (given === undefined || HASH.test(given)) return given
  return hash(existsSync(given) ? readInput(given) : Buffer.from(given))
}

export function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new CliError('usage', `--${name} is missing`)
  return value
}

/** A time as people write it: a day, an RFC 3339 timestamp, or days from now such as 30d. @returns seconds since 1970 */
export function timeOption(values: Values, name: string, now: number): number | undefined {
  const text = textOf(values, name)
  return text === undefined ? undefined : parseTime(text, now, name)
}

export function parseTime(text: string, now: number, name: string): number {
  const days = /^(\d{1,5})d$/.exec(text)?.[1]
  if (days !== undefined) return now + Number(days) * 86_400
  const milliseconds = /^\d{4}-\d{2}-\d{2}(T[0-9:.]{5,15}(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(milliseconds))
    throw new CliError(
      'usage',
      `--${name} is "${text}": a day such as 2027-01-31, a time such as 2027-01-31T12:00:00Z, or days from now such as 30d`,
    )
  return Math.floor(milliseconds / 1000)
}

export const nowSeconds = (): number => Math.floor(Date.now() / 1000)
export const formatTime = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
