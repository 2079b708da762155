/**
 * Time as the notary counts it: whole microseconds since 1970-01-01T00:00:00Z as a number. Exact until the year 2255
 * (2^53 microseconds), and what TAXII's timestamps carry (TAXII 2.1 section 2: six digits, `Z`).
 */
export type Clock = () => number

const PAD = (n: number, width: number) => String(n).padStart(width, '0')
let lastSecond = -1
let lastText = ''

/** `YYYY-MM-DDTHH:MM:SS.ssssssZ` */
export function formatMicros(micros: number): string {
  const second = Math.floor(micros / 1e6)
  // Neighbouring records share the second: format the date once for all of them.
  if (second !== lastSecond) {
    lastText = new Date(second * 1000).toISOString().slice(0, 20)
    lastSecond = second
  }
  return `${lastText}${PAD(micros - second * 1e6, 6)}Z`
}

const SHAPE = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,30}))?[Zz]$/

/**
 * Microseconds of an RFC 3339 timestamp in UTC; finer digits are cut. Undefined where it is none (no such day or hour, an
 * offset other than `Z`, a date beyond what the notary counts).
 */
export function parseMicros(text: string): number | undefined {
  const m = SHAPE.exec(text)
  if (!m) return undefined
  const [year, month, day, hour, minute, second] = m.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (hour > 23 || minute > 59 || second > 60) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + Math.min(second, 59)
  const micros = seconds * 1e6 + Number((m[7] ?? '').slice(0, 6).padEnd(6, '0'))
  return Number.isSafeInteger(micros) ? micros : undefined
}

/** The machine's clock, which may be set while we run (notary/clock.ts); never used for differences. */
export const systemClock: Clock = () => Date.now() * 1000
