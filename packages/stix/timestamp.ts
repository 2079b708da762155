/**
 * STIX timestamps (section 2.16): RFC 3339 in the one form `YYYY-MM-DDTHH:MM:SS[.s+]Z`, any number of digits after the
 * point. Scanned by hand: no `Date`, so nothing is cut to milliseconds.
 */

/** A timestamp that was read. */
export interface Timestamp {
  /** As written. */
  readonly text: string
  /** The same instant with 6 digits after the point, or 9, or as many as it needs beyond that; no trailing zeros otherwise. */
  readonly normalized: string
  /** Digits after the point as written. */
  readonly fractionDigits: number
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const digit = (text: string, at: number): number => {
  const value = text.charCodeAt(at) - 48
  return value >= 0 && value <= 9 ? value : -1
}

const two = (text: string, at: number): number => {
  const tens = digit(text, at)
  const ones = digit(text, at + 1)
  return tens < 0 || ones < 0 ? -1 : tens * 10 + ones
}

/**
 * The number of digits after the decimal point of a STIX timestamp, 0 without one; -1 if `text` is no timestamp or no
 * date of the calendar. A second 60 is taken where leap seconds can be: the last of June or December. Allocates nothing.
 */
export function scanTimestamp(text: string): number {
  const length = text.length
  if (length < 20 || text.charCodeAt(length - 1) !== 90 /* Z */) return -1
  const century = two(text, 0)
  const year = two(text, 2)
  const month = two(text, 5)
  const day = two(text, 8)
  const hour = two(text, 11)
  const minute = two(text, 14)
  const second = two(text, 17)
  if (century < 0 || year < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23) return -1
  if (minute < 0 || minute > 59 || second < 0 || second > 60) return -1
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45 || text.charCodeAt(10) !== 84 /* T */) return -1
  if (text.charCodeAt(13) !== 58 || text.charCodeAt(16) !== 58) return -1
  const leapYear = year % 4 === 0 && (year !== 0 || century % 4 === 0)
  if (day > (DAYS[month - 1] ?? 0) && !(month === 2 && day === 29 && leapYear)) return -1
  if (
    second === 60 &&
    !(hour === 23 && minute === 59 && ((month === 6 && day === 30) || (month === 12 && day === 31)))
  ) {
    return -1
  }
  if (length === 20) return 0
  if (length === 21 || text.charCodeAt(19) !== 46 /* . */) return -1
  for (let at = 20; at < length - 1; at++) if (digit(text, at) < 0) return -1
  return length - 21
}

/** Read a timestamp; `undefined` if `text` is none. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const fractionDigits = scanTimestamp(text)
  if (fractionDigits < 0) return undefined
  let end = 20 + fractionDigits
  while (end > 20 && text.charCodeAt(end - 1) === 48) end--
  const fraction = text.slice(20, end)
  const width = fraction.length <= 6 ? 6 : 9
  return { text, normalized: `${text.slice(0, 19)}.${fraction.padEnd(width, '0')}Z`, fractionDigits }
}

/**
 * Order two timestamps in time: negative, 0 or positive. Trailing zeros and the number of digits do not matter. Both must
 * be timestamps (`scanTimestamp`); the normalized text of a `Timestamp` will do as well.
 */
export function compareTimestamps(a: string, b: string): number {
  if (a === b) return 0
  for (let at = 0; at < 19; at++) {
    const difference = a.charCodeAt(at) - b.charCodeAt(at)
    if (difference !== 0) return difference
  }
  for (let at = 20; ; at++) {
    const left = at < a.length ? digit(a, at) : -1
    const right = at < b.length ? digit(b, at) : -1
    if (left < 0 && right < 0) return 0
    const difference = Math.max(left, 0) - Math.max(right, 0)
    if (difference !== 0) return difference
  }
}
