import { ownLog } from './checkpoint-anchor.ts'
import { Refusal } from './refusal.ts'
import type { Call, State } from './state.ts'

/** Bytes of a chunk at most: far from what a transaction may have (Fabric: 100 MB), near to what a block is made for (2 MB). */
export const MAX_CHUNK = 262_144
/** Chunks of a record at most. */
export const MAX_CHUNKS = 4096

/** One chunk of a record, and how many there are. `chunk`: base64. */
export interface Chunk {
  readonly chunk: string
  readonly count: number
}

/** Most chunks in one call. */
const MAX_AT_ONCE = 64

/** A part of an encrypted record. */
export interface RecordPart {
  readonly id: string
  readonly index: number
  readonly count: number
  readonly bytes: Uint8Array
}

/**
 * Keeps parts of encrypted records under a log of the caller's, once: the same again changes nothing.
 *
 * @returns whether anything was not there before
 * @throws Refusal as `ownLog`; `Conflict` where other bytes, or another count, are there
 */
export async function putRecords(call: Call, logId: string, parts: readonly RecordPart[]): Promise<boolean> {
  await ownLog(call, logId)
  if (parts.length > MAX_AT_ONCE) throw new Refusal('Invalid', { parts: parts.length, most: MAX_AT_ONCE })
  const stored = await Promise.all(parts.map(part => putPart(call.state, logId, part)))
  return stored.includes(true)
}

async function putPart(state: State, logId: string, { id, index, count, bytes }: RecordPart): Promise<boolean> {
  if (count < 1 || count > MAX_CHUNKS || index >= count || bytes.length > MAX_CHUNK)
    throw new Refusal('Invalid', { index, count, maxCount: MAX_CHUNKS, bytes: bytes.length, maxBytes: MAX_CHUNK })
  const value = JSON.stringify({ chunk: Buffer.from(bytes).toString('base64'), count } satisfies Chunk)
  const stored = await state.get(chunkKey(logId, id, index))
  if (stored !== undefined && stored !== value) throw new Refusal('Conflict', { logId, id, index })
  if (stored === undefined) await state.put(chunkKey(logId, id, index), value)
  return stored === undefined
}

/** A chunk as it was put. */
export async function getRecord(state: State, logId: string, id: string, index: number): Promise<Chunk | undefined> {
  const stored = await state.get(chunkKey(logId, id, index))
  return stored === undefined ? undefined : (JSON.parse(stored) as Chunk)
}

const chunkKey = (logId: string, id: string, index: number) => `record/${logId}/${id}/${index}`
