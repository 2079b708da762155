import { TlogError } from './error.ts'
import { TILE_WIDTH } from './tile.ts'

/** tlog-tiles, "Log entries": the length of an entry is a uint16. */
export const MAX_ENTRY_SIZE = 0xffff

/**
 * An entry bundle of tlog-tiles: each entry behind its length in two bytes, big-endian.
 *
 * @param entries 1 to 256 entries of at most 65,535 bytes
 * @throws TlogError `argument`
 */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length < 1 || entries.length > TILE_WIDTH) {
    throw new TlogError('argument', `an entry bundle holds 1 to ${TILE_WIDTH} entries, not ${entries.length}`)
  }
  let size = 0
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_SIZE) {
      throw new TlogError('argument', `an entry has at most ${MAX_ENTRY_SIZE} bytes, not ${entry.length}`)
    }
    size += 2 + entry.length
  }
  const bundle = new Uint8Array(size)
  let at = 0
  for (const entry of entries) {
    bundle[at] = entry.length >> 8
    bundle[at + 1] = entry.length & 0xff
    bundle.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bundle
}

/**
 * The entries of a bundle, as views of it.
 *
 * @throws TlogError `malformed`
 */
export function decodeEntryBundle(bundle: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 + ((bundle[at]! << 8) | (bundle[at + 1] ?? 0))
    if (at + 2 > bundle.length || end > bundle.length) {
      throw new TlogError('malformed', `the entry bundle ends within entry ${entries.length}`)
    }
    if (entries.length === TILE_WIDTH) throw new TlogError('malformed', `an entry bundle of more than ${TILE_WIDTH}`)
    entries.push(bundle.subarray(at + 2, end))
    at = end
  }
  return entries
}
