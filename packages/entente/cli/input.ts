import { createReadStream } from 'node:fs'
import { JsonError, parseStrict } from '@entente/verify/json'
import { CliError } from './errors.ts'

/** A document at most, which is read as a whole; JSON lines may go on for ever. */
const MAX_DOCUMENT_BYTES = 402_653_184
/** A line at most: larger than an object that a server takes by default. */
const MAX_LINE_BYTES = 134_217_728
/** An object as deep as a server takes it, in a list in a bundle. */
const MAX_DEPTH = 72
const LF = 0x0a

/**
 * STIX objects of a file ("-": standard input): a bundle, a TAXII envelope, a list or a single object, or one of these on each line. JSON is read
 * strictly: a name that is there twice or a number that would be rounded is an error, so what is sent is what the file says.
 *
 * @returns groups as they become known: one for a document, one for each line
 * @throws CliError `usage` where the file is not there or holds something else, with its line
 */
export async function* readObjects(name: string): AsyncGenerator<object[], void, void> {
  const label = name === '-' ? 'standard input' : name
  const stream: AsyncIterable<Buffer> =
    name === '-' ? process.stdin : createReadStream(name, { highWaterMark: 1 << 20 })
  let held: Buffer[] = []
  let size = 0
  let kind: 'unknown' | 'document' | 'lines' = 'unknown'
  let line = 0
  try {
    for await (const chunk of stream) {
      held.push(chunk)
      size += chunk.length
      const most = kind === 'lines' ? MAX_LINE_BYTES : MAX_DOCUMENT_BYTES
      if (size > most)
        throw new CliError('usage', `${label}: more than ${most} bytes in one piece: split it, or use JSON lines`)
      if (kind === 'document' || !chunk.includes(LF)) continue
      let bytes = Buffer.concat(held)
      if (kind === 'unknown') {
        const first = bytes.indexOf(LF)
        if (isBlank(bytes.subarray(first))) continue
        kind = isWholeObject(bytes.subarray(0, first)) ? 'lines' : 'document'
      }
      if (kind === 'lines') {
        for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF)) {
          line++
          const text = bytes.subarray(0, end)
          bytes = bytes.subarray(end + 1)
          if (!isBlank(text)) yield parse(text, `${label}, line ${line}`)
        }
      }
      held = [bytes]
      size = bytes.length
    }
  } catch (cause) {
    if (cause instanceof CliError || !(cause instanceof Error && 'syscall' in cause)) throw cause
    throw new CliError('usage', `${label}: ${cause.message}`, { cause })
  }
  const rest = Buffer.concat(held)
  if (kind !== 'lines') yield parse(rest, label)
  else if (!isBlank(rest)) yield parse(rest, `${label}, line ${line + 1}`)
}

/** Only spaces, tabs and line ends. */
const isBlank = (bytes: Uint8Array): boolean => bytes.every(b => b === 0x20 || b === LF || b === 0x0d || b === 0x09)

/** The first of several lines is a whole value only in JSON lines. */
function isWholeObject(bytes: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(bytes).toString())
    return true
  } catch {
    return false
  }
}

function parse(bytes: Uint8Array, label: string): object[] {
  let value: unknown
  try {
    value = parseStrict(bytes, { maxBytes: MAX_DOCUMENT_BYTES, maxDepth: MAX_DEPTH })
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new CliError('usage', `${label}: ${cause.message}`, { cause })
  }
  const objects = toObjects(value)
  if (objects?.every(o => typeof o === 'object' && o !== null && !Array.isArray(o))) return objects as object[]
  throw new CliError(
    'usage',
    `${label}: this is no STIX: a bundle, {"objects": […]}, a list of objects, or an object is wanted`,
  )
}

function toObjects(value: unknown): unknown[] | undefined {
  if (Array.isArray(value)) return value
  if (typeof value !== 'object' || value === null) return undefined
  const { type, objects } = value as Record<string, unknown>
  // An envelope has no type, and is {} where it is empty (TAXII 2.1 section 3.7). A bundle without objects is valid (STIX 2.1 section 8).
  if (type === 'bundle' || (type === undefined && (objects !== undefined || Object.keys(value).length === 0)))
    return Array.isArray(objects ?? []) ? ((objects ?? []) as unknown[]) : undefined
  return typeof type === 'string' ? [value] : undefined
}
