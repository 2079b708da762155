import { recordJson } from '#notary/record.ts'
import { MIN_NEEDLE, type Needle, withBase64 } from './search.ts'

/** Shorter texts stand everywhere. */
const MIN_TEXT = 12
/** Longer ones are cut: a page of a database may hold a part only, and ends where it ends. */
const PIECE = 48

/**
 * What would still show a record if a part of it were left: its id, salt and hashes, every text of its object, and its canonical JSON piece by
 * piece.
 *
 * @param text of a record, prefix included (docs/formats.md 1)
 */
export function tracesOf(text: Buffer): Needle[] {
  const record = JSON.parse(recordJson(text)) as {
    id?: string
    salt: string
    object?: object
    equivocation?: { refused: string; stored: string }
  }
  const named = (what: string, value: string): Needle => ({ what, bytes: Buffer.from(value) })
  const short: Needle[] = [named('the salt', record.salt)]
  if (record.id !== undefined) short.push(named('the id', record.id))
  for (const [name, hash] of Object.entries(record.equivocation ?? {})) short.push(named(`the ${name} hash`, hash))
  const traces = [
    ...short.flatMap(withBase64),
    { what: 'the salt, as bytes', bytes: Buffer.from(record.salt, 'base64url') },
  ]
  if (record.object) {
    for (const [property, value] of Object.entries(record.object))
      for (const piece of textsIn(value)) traces.push(...withBase64(named(`text of ${property.slice(0, 40)}`, piece)))
    const body = Buffer.from(JSON.stringify(record.object))
    for (let at = 0; at + PIECE <= body.length; at += PIECE)
      traces.push({ what: `content from byte ${at} on`, bytes: body.subarray(at, at + PIECE) })
  }
  return unique(traces)
}

/** Every text in a JSON value that is long enough, as it stands and as JSON writes it, in pieces. */
function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    for (const text of new Set([value, JSON.stringify(value).slice(1, -1)]))
      for (let at = 0; at < text.length; at += PIECE) {
        const piece = text.slice(at, at + PIECE)
        if (piece.length >= MIN_TEXT) yield piece
      }
  } else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) yield* textsIn(part)
}

function unique(needles: Needle[]): Needle[] {
  const byBytes = new Map<string, Needle>()
  for (const needle of needles) {
    const key = needle.bytes.toString('latin1')
    if (needle.bytes.length >= MIN_NEEDLE && !byBytes.has(key)) byBytes.set(key, needle)
  }
  return [...byBytes.values()]
}
