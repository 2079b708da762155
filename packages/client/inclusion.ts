import { type EvidenceLevel, pageTiles, ProofError, type Trust, verifySignedCheckpoint } from '@entente/verify/proof'
import {
  type Checkpoint,
  decodeBase64,
  encodeBase64,
  equalHashes,
  formatTilePath,
  HASH_SIZE,
  hashLeaf,
  TILE_WIDTH,
  type TilePath,
  TlogError,
  verifiedTileReader,
} from '@entente/verify/tlog'
import { createEntries } from './entries.ts'
import { ClientError } from './error.ts'
import type { Clock } from './status.ts'
import { believe, type LogSource, readTile, type Watch } from './watch.ts'

/** What an event says that the log has. */
export type Claim = { origin: string; log_index: number; commitment: string }

/** The checkpoint under which claims were verified. */
export type Included = { level: EvidenceLevel; size: number; witnesses: { cosigned: number; known: number } }

export type InclusionOptions = {
  source: LogSource
  watch: Watch
  /** Without one, the key under which the watch believes the log. */
  trust?: Trust | undefined
  /** The newest checkpoint that a quorum of witnesses has cosigned, for a trust that asks for one. */
  witnessed?: (() => Promise<string>) | undefined
  /** How long a checkpoint that covers a claim is waited for. Default: {@link DEFAULT_COVER_MS}. */
  coverMs?: number | undefined
  clock: Clock
}

/** Verifies that the log has what events name. Verified tiles are kept, and bounded. */
export type Inclusion = {
  /**
   * Every claim of the list, under one checkpoint that the watch accepts.
   *
   * @throws ProofError `event` where the log has something else, or ends before; TlogError where it does not show its own tiles
   * @throws ClientError, `disagreement` before all; `timeout` where the witnesses have not cosigned a checkpoint that covers a claim
   */
  verify(claims: readonly Claim[], signal?: AbortSignal): Promise<Included>
}

/** A server sends an event once its checkpoint is signed; the witnesses may come later. */
export const DEFAULT_COVER_MS = 15_000
const FIRST_POLL_MS = 100
const MAX_POLL_MS = 2000
/** Full tiles that are kept, 8 KiB each. */
const MAX_TILES = 128
/** Tiles that are asked for at a time. */
const IN_FLIGHT = 8

/** `live` is the size of the log itself, which may be ahead of its witnesses. */
type Head = Included & { checkpoint: Checkpoint; live: number }

export function createInclusion({ source, watch, trust, witnessed, clock, ...options }: InclusionOptions): Inclusion {
  const coverMs = options.coverMs ?? DEFAULT_COVER_MS
  const full = new Map<string, Uint8Array>()
  let partial = new Map<string, Uint8Array>()
  let head: Head | undefined

  async function newest(): Promise<Head> {
    const seen = await watch.head()
    if (!seen) throw new ClientError('not-found', `${source.name} shows no log: its events can't be verified`)
    const believed = believe(seen, trust)
    const needsQuorum = (believed.witnessQuorum ?? 0) > 0 || believed.witnessPolicy !== undefined
    const note = needsQuorum && witnessed ? await witnessed() : seen.note
    if (note !== seen.note) await watch.check(note)
    const { checkpoint, level, witnesses } = verifySignedCheckpoint(note, [], believed)
    return { checkpoint, level, witnesses, size: checkpoint.size, live: seen.size }
  }

  /** A checkpoint that covers this index: the one at hand, or the newest, asked for until it does. */
  async function covering(index: number, signal: AbortSignal | undefined): Promise<Head> {
    const until = clock.now() + coverMs
    for (let poll = FIRST_POLL_MS; !head || head.size <= index; poll = Math.min(MAX_POLL_MS, poll * 2)) {
      signal?.throwIfAborted()
      let why: unknown
      try {
        head = await newest()
        partial = new Map()
      } catch (error) {
        // Its witnesses have not cosigned any yet.
        if (!isNotYet(error)) throw error
        why = error
      }
      if (head && head.size > index) break
      if (clock.now() >= until) {
        const says = `an event says that it is log index ${index}`
        if (head && head.live <= index)
          throw new ProofError('event', `${says}, and ${source.name} has a log of size ${head.live}`)
        const has = head ? `cosigned a checkpoint of size ${head.size}` : 'cosigned none yet'
        throw new ClientError('timeout', `${says}, and after ${coverMs / 1000} s the witnesses have ${has}`, {
          url: source.name,
          cause: why,
        })
      }
      await clock.sleep(poll, signal)
    }
    return head
  }

  /** All tiles that these indexes need and that are not at hand. */
  async function load(indexes: readonly number[], size: number): Promise<void> {
    const wanted = pageTiles(indexes, size).filter(path => !isAtHand(path))
    const next = async () => {
      for (let path = wanted.pop(); path; path = wanted.pop())
        partial.set(`${path.level}/${path.index}`, await readTile(source, path))
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, next))
  }
  const isAtHand = ({ level, index }: TilePath) => full.has(`${level}/${index}`) || partial.has(`${level}/${index}`)

  return {
    async verify(claims, signal) {
      const indexes = claims.map(c => c.log_index)
      const { checkpoint, level, size, witnesses } = await covering(Math.max(0, ...indexes), signal)
      for (const { origin, log_index } of claims) {
        if (origin !== checkpoint.origin)
          throw new ProofError(
            'event',
            `the event of log index ${log_index} is of the log ${origin}, and ${source.name} shows ${checkpoint.origin}`,
          )
      }
      await load(indexes, checkpoint.size)
      const given = (level: number, index: number, width: number) => {
        const tile = partial.get(`${level}/${index}`)
        if (tile) return tile
        throw new TlogError('tile', `${formatTilePath({ level, index, width })} is not there`)
      }
      const read = verifiedTileReader(checkpoint.size, checkpoint.root, given, full)
      for (const { log_index, commitment } of claims) {
        const at = log_index % TILE_WIDTH
        const tile = read(0, Math.floor(log_index / TILE_WIDTH), at + 1)
        const leaf = tile.subarray(at * HASH_SIZE, (at + 1) * HASH_SIZE)
        if (equalHashes(hashLeaf(decodeBase64(commitment, HASH_SIZE)), leaf)) continue
        throw await contradiction(source, checkpoint, log_index, commitment)
      }
      for (const name of full.keys()) {
        partial.delete(name)
        if (full.size > MAX_TILES) full.delete(name) // the oldest comes first
      }
      return { level, size, witnesses }
    },
  }
}

async function contradiction(
  source: LogSource,
  checkpoint: Checkpoint,
  index: number,
  commitment: string,
): Promise<ProofError> {
  const entry = await createEntries(source, checkpoint).entry(index)
  const has = entry.length === HASH_SIZE ? `the commitment ${encodeBase64(entry)}` : 'an entry that is no record'
  return new ProofError(
    'event',
    `an event names the commitment ${commitment} at log index ${index}, and there the log ${checkpoint.origin} has ${has}`,
  )
}

const isNotYet = (error: unknown): boolean =>
  (error instanceof ClientError && error.code === 'not-found' && error.status === 404) ||
  (error instanceof ProofError && (error.cause as { code?: string } | undefined)?.code === 'quorum')
