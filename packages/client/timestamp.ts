const FORM = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,18}))?Z$/i

/** Microseconds since 1970 of an RFC 3339 timestamp in UTC; further digits are cut. Undefined where it is none. */
export function parseMicros(text: string): number | undefined {
  const match = FORM.exec(text)
  const seconds = match ? Date.parse(`${match[1]}Z`) : Number.NaN
  if (!match || Number.isNaN(seconds)) return undefined
  return seconds * 1000 + Number((match[2] ?? '').slice(0, 6).padEnd(6, '0'))
}

/** The inverse: six digits (section 2). */
export function formatMicros(micros: number): string {
  const milliseconds = Math.floor(micros / 1000)
  const rest = String(micros - milliseconds * 1000).padStart(3, '0')
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${rest}Z`
}
