import { opendir, open, realpath, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'

/** Bytes to look for, and what to call them: they themselves are never shown. */
export type Needle = { what: string; bytes: Buffer }
export type Found = { file: string; what: string; offset: number }
export type Searched = { files: number; bytes: number; found: Found[] }

/** The index of needles begins with so many bytes of each. */
export const MIN_NEEDLE = 4
const CHUNK = 1_048_576
/** Enough to act on. */
const MAX_FOUND = 100

/** Looks for all needles at once, in one pass; gives each place that one begins at. */
export type Matcher = { longest: number; match(bytes: Uint8Array, onMatch: (needle: Needle, at: number) => void): void }

/** @throws RangeError for a needle of less than {@link MIN_NEEDLE} bytes */
export function createMatcher(needles: readonly Needle[]): Matcher {
  const byStart = new Map<number, Needle[]>()
  // Most places are passed over by this alone: a bit for the hash of four bytes.
  const starts = new Uint8Array(65_536)
  for (const needle of needles) {
    if (needle.bytes.length < MIN_NEEDLE) throw new RangeError(`a needle has at least ${MIN_NEEDLE} bytes`)
    const word = needle.bytes.readInt32BE(0)
    starts[slot(word)] = 1
    byStart.set(word, [...(byStart.get(word) ?? []), needle])
  }
  return {
    longest: needles.reduce((n, { bytes }) => Math.max(n, bytes.length), 0),
    match(bytes, onMatch) {
      let word = 0
      for (let i = 0; i < bytes.length; i++) {
        word = (word << 8) | (bytes[i] as number)
        if (i < MIN_NEEDLE - 1 || starts[slot(word)] === 0) continue
        const at = i - MIN_NEEDLE + 1
        for (const needle of byStart.get(word) ?? [])
          if (needle.bytes.equals(bytes.subarray(at, at + needle.bytes.length))) onMatch(needle, at)
      }
    },
  }
}

const slot = (word: number): number => Math.imul(word, 0x9e3779b1) >>> 16

/** The bytes, and what they are in base64 wherever in a longer text they stand: all but the first and last characters, which depend on what is around. */
export function withBase64({ what, bytes }: Needle): Needle[] {
  const forms: Needle[] = [{ what, bytes }]
  for (let shift = 0; shift < 3; shift++) {
    const whole = bytes.subarray((3 - shift) % 3)
    const encoded = whole.subarray(0, whole.length - (whole.length % 3)).toString('base64')
    if (encoded.length < MIN_BASE64) continue
    forms.push({ what: `${what}, in base64`, bytes: Buffer.from(encoded) })
    const forUrls = encoded.replaceAll('+', '-').replaceAll('/', '_')
    if (forUrls !== encoded) forms.push({ what: `${what}, in base64url`, bytes: Buffer.from(forUrls) })
  }
  return forms
}
const MIN_BASE64 = 12

/**
 * Searches every file below the folders, byte by byte, links followed. Each needle is told once a file; files are named as from the first folder.
 *
 * @throws Error of the file system where something can't be read: what was not searched is not clean
 */
export async function searchFolders(
  folders: string[],
  needles: readonly Needle[],
  onProgress: (bytes: number) => void,
): Promise<Searched> {
  const matcher = createMatcher(needles)
  const result: Searched = { files: 0, bytes: 0, found: [] }
  const seen = new Set<string>()
  for (const folder of folders) {
    for await (const file of filesBelow(folder, seen)) {
      result.files++
      const told = new Set<string>()
      result.bytes += await searchFile(file, matcher, ({ what }, offset) => {
        if (told.has(what) || result.found.length >= MAX_FOUND) return
        told.add(what)
        result.found.push({ file: relative(folders[0] as string, file), what, offset })
      })
      onProgress(result.bytes)
    }
  }
  return result
}

async function* filesBelow(folder: string, seen: Set<string>): AsyncGenerator<string> {
  const real = await realpath(folder)
  if (seen.has(real)) return
  seen.add(real)
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name)
    const kind = entry.isSymbolicLink() ? await unlessGone(stat(path)) : entry
    if (kind?.isDirectory()) yield* filesBelow(path, seen)
    else if (kind?.isFile()) yield path
  }
}

/** @returns how many bytes it has */
async function searchFile(
  path: string,
  matcher: Matcher,
  onMatch: (needle: Needle, at: number) => void,
): Promise<number> {
  const file = await unlessGone(open(path))
  if (!file) return 0
  try {
    const overlap = Math.max(0, matcher.longest - 1)
    const buffer = Buffer.allocUnsafe(overlap + CHUNK)
    let kept = 0
    let position = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, kept, CHUNK, position)
      if (bytesRead === 0) return position
      const end = kept + bytesRead
      // What begins in the kept part and ends in it was told before.
      const start = position - kept
      const from = kept
      matcher.match(buffer.subarray(0, end), (needle, at) => {
        if (at + needle.bytes.length > from) onMatch(needle, start + at)
      })
      position += bytesRead
      const keep = Math.min(overlap, end)
      buffer.copy(buffer, 0, end - keep, end)
      kept = keep
    }
  } finally {
    await file.close()
  }
}

/** A running server removes files: one that is gone has nothing in it. */
async function unlessGone<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
