import { JsonError } from './error.ts'
import { parseStrict } from './parse.ts'
import type { JsonLimits } from './scan.ts'

/** A JSON object whose last member is a long array of objects. `elements` comes in groups, each element as its text. */
export type LongArray = {
  /** The object, with the array empty. */
  envelope: unknown
  elements: AsyncIterable<string[]>
}

const [QUOTE, BACKSLASH, COMMA, OPEN_ARRAY, CLOSE_ARRAY, OPEN, CLOSE] = Array.from('"\\,[]{}').map(c => c.charCodeAt(0))
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/**
 * Takes a JSON text apart that is too long to be held: `{…, "<member>": [{…}, {…}]}`, the array being the last member. Needs the memory of
 * a chunk and of an element. The elements are not parsed: whoever does that finds what is wrong in them.
 *
 * @param limits of the text before the array, and of each element
 * @throws JsonError `member` where the text is not of this form, `too-big`; and what {@link parseStrict} throws
 */
export async function openLongArray(
  chunks: AsyncIterable<Uint8Array>,
  member: string,
  limits: Partial<JsonLimits> & { maxBytes: number },
): Promise<LongArray> {
  const parts = splitLongArray(chunks, member, limits.maxBytes)
  const first = await parts.next()
  const [head] = first.value as [string]
  return { envelope: parseStrict(`${head}]}`, limits), elements: parts }
}

/** First the text up to the array's bracket, then elements. */
async function* splitLongArray(
  chunks: AsyncIterable<Uint8Array>,
  member: string,
  maxBytes: number,
): AsyncGenerator<string[], void, void> {
  const name = encoder.encode(`"${member}":`)
  let place: 'before' | 'array' | 'behind' = 'before'
  let buffer: Uint8Array = new Uint8Array(0)
  let start = 0 // of what is not given away yet
  let at = 0
  let depth = 0
  let inString = false
  let wants: 'element or end' | 'element' | 'comma or end' = 'element or end'
  for await (const chunk of chunks) {
    buffer = start < buffer.length ? join(buffer.subarray(start), chunk) : chunk
    at -= start
    start = 0
    const found: string[] = []
    for (; at < buffer.length; at++) {
      const c = buffer[at] as number
      if (inString) {
        if (c === BACKSLASH) at++
        else if (c === QUOTE) inString = false
      } else if (place === 'array' && depth === 2 && c !== OPEN && c !== CLOSE_ARRAY) {
        if (c === COMMA && wants === 'comma or end') wants = 'element'
        else if (!isSpace(c))
          throw notSo(member, `there is ${JSON.stringify(String.fromCharCode(c))} between its objects`)
      } else if (c === QUOTE) inString = true
      else if (c === OPEN || c === OPEN_ARRAY) {
        if (place === 'array' && depth === 2) {
          if (wants === 'comma or end') throw notSo(member, 'there is no comma between two of its objects')
          start = at
        }
        depth++
        if (place === 'before' && depth === 2 && c === OPEN_ARRAY && endsWith(buffer, at, name)) {
          yield [decode(buffer.subarray(0, at + 1))]
          place = 'array'
          start = at + 1
        }
      } else if (c === CLOSE || c === CLOSE_ARRAY) {
        depth--
        if (place === 'array' && depth === 2) {
          found.push(decode(buffer.subarray(start, at + 1)))
          start = at + 1
          wants = 'comma or end'
        } else if (place === 'array' && depth === 1) {
          if (wants === 'element') throw notSo(member, 'a comma stands behind its last object')
          place = 'behind'
          start = at + 1
        }
      }
    }
    if (buffer.length - start > maxBytes)
      throw new JsonError(
        'too-big',
        `more than ${maxBytes} bytes ${place === 'array' ? 'in one object' : `without "${member}"`}`,
      )
    if (found.length > 0) yield found
  }
  if (place === 'before') throw notSo(member, 'there is none')
  const rest = decode(buffer.subarray(start)).trim()
  if (place === 'array' || rest !== '}') throw notSo(member, 'the text ends within it, or goes on behind it')
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new JsonError('utf8', 'the text is not UTF-8', { cause })
  }
}

const notSo = (member: string, why: string) =>
  new JsonError('member', `the last member is not an array "${member}" of objects: ${why}`)

const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09

function endsWith(bytes: Uint8Array, end: number, suffix: Uint8Array): boolean {
  let from = end
  while (from > 0 && isSpace(bytes[from - 1] as number)) from--
  for (let i = 1; i <= suffix.length; i++) if (bytes[from - i] !== suffix[suffix.length - i]) return false
  return true
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
