import {
  type Disagreement,
  type LogKeys,
  ProofError,
  readLogKeys,
  type Trust,
  verifyLogCheckpoint,
  verifySuccession,
} from '@entente/verify/proof'
import {
  encodeBase64,
  equalHashes,
  formatVkey,
  parseCheckpoint,
  parseNote,
  parseVkey,
  type TilePath,
  TlogError,
  formatTilePath,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from '@entente/verify/tlog'
import type { TaxiiClient } from './client.ts'
import { compareCheckpoints } from './consistency.ts'
import { createEntries } from './entries.ts'
import { ClientError } from './error.ts'
import type { CheckpointMemory, Remembered } from './memory.ts'

/** Where a log is read: a server, or a store on this machine. Nothing of it is believed. */
export type LogSource = {
  /** For evidence: URL of the server, or the folder. */
  readonly name: string
  /** The newest checkpoint, or undefined where there is no log. */
  checkpoint(): Promise<string | undefined>
  key(): Promise<string>
  /** Statements by which its keys followed each other (docs/formats.md 16), the oldest first. */
  successions?(): Promise<readonly string[]>
  /** Statements by which it went on from logs that had ended (docs/formats.md 18), the oldest first. */
  continuations?(): Promise<readonly string[]>
  tile(path: TilePath): Promise<Uint8Array>
}

export type WatchOptions = {
  /** Without one, only checkpoints of the same size can be compared. */
  source?: LogSource | undefined
  memory: CheckpointMemory
  /** Verifier keys that came another way than from this server. Without: the remembered one, or at first use the server's own. */
  vkeys?: readonly string[] | undefined
  /** Statements of new keys that came another way: believed as far as they lead from a key that is. */
  successions?: readonly string[] | undefined
  /** Milliseconds since 1970. Default: `Date.now`. */
  now?: () => number
}

/** A checkpoint that its log signed and that agrees with what is remembered. */
export type SeenCheckpoint = VerifiedCheckpoint & {
  note: string
  /** The key that signed it. */
  vkey: string
  /** Statements by which keys of its log followed each other, as far as they are known. */
  successions: readonly string[]
  /** How its key came to be believed; at `first-use` there is nothing to compare with. */
  key: 'pinned' | 'remembered' | 'first-use'
  /** What was remembered of the log before, the largest; and whether it could be compared. */
  before: { size: number; seen: string; isCompared: boolean } | undefined
}

/**
 * Compares every checkpoint with what is remembered of its log, and remembers the largest. Methods throw ClientError `disagreement`, with
 * evidence that can be kept, where the log was forked or rolled back or does not show its tiles; `memory`; and what the source throws: who could
 * not be asked has neither agreed nor disagreed.
 */
export type Watch = {
  /** The live checkpoint of the source: it must not be smaller than any seen before. Undefined where the source has no log. */
  head(): Promise<SeenCheckpoint | undefined>
  /** A checkpoint that came with a proof and may be older. After {@link head}, where there is a source. */
  check(note: string): Promise<SeenCheckpoint>
  /** What the source has shown before of other logs than the one of its live checkpoint. */
  former(): Promise<Remembered[]>
}

export function createWatch({ source, memory, vkeys, successions = [], now = Date.now }: WatchOptions): Watch {
  let origin: string | undefined

  async function head(): Promise<SeenCheckpoint | undefined> {
    for (let isAgain = false; ; isAgain = true) {
      const note = await source?.checkpoint()
      if (note === undefined) return undefined
      const { seen, known } = await admit(note)
      // Another reader may have remembered a newer one after this was asked for: then the second answer is not smaller.
      const isBehind = known.some(k => k.checkpoint.size > seen.size)
      if (isBehind && !isAgain) continue
      origin = seen.origin
      await settle(seen, known, true)
      return seen
    }
  }

  async function check(note: string): Promise<SeenCheckpoint> {
    const { seen, known } = await admit(note)
    await settle(seen, known, false)
    return seen
  }

  /** Verifies the signature, under a key that is believed or has followed one; and what is remembered of the log. */
  async function admit(note: string): Promise<{ seen: SeenCheckpoint; known: Known[] }> {
    const claimed = asMalformed(() => parseCheckpoint(parseNote(note).text).origin)
    const known = (await memory.recall(claimed)).map(readRemembered)
    const remembered = known[0]?.entry.vkey
    const [believed, key] = vkeys
      ? [vkeys.filter(v => v.startsWith(`${claimed}+`)), 'pinned' as const]
      : remembered === undefined
        ? [source ? [await source.key()] : [], 'first-use' as const]
        : [[remembered], 'remembered' as const]
    const { keys, checkpoint } = await verifyUnder(note, believed, known, key)
    const other = known.find(({ entry }) => !keys.vkeys.includes(entry.vkey))
    if (other)
      throw new ClientError(
        'disagreement',
        `${claimed} is remembered with the key ${other.entry.vkey} (${other.entry.key}, from ${other.entry.server}), and now ${formatVkey(checkpoint.log)} is to be believed: one of them is not that log's`,
      )
    const largest = known.reduce<Known | undefined>(
      (a, b) => (a && a.checkpoint.size >= b.checkpoint.size ? a : b),
      undefined,
    )
    const before = largest && { size: largest.checkpoint.size, seen: largest.entry.seen, isCompared: true }
    const seen = { ...checkpoint, note, vkey: formatVkey(checkpoint.log), successions: keys.successions, key, before }
    return { seen, known }
  }

  /** A log that is remembered and signs with another key, which did not follow the one that is, is not that log, whatever it is called. */
  async function verifyUnder(
    note: string,
    believed: readonly string[],
    known: readonly Known[],
    how: SeenCheckpoint['key'],
  ): Promise<{ keys: LogKeys; checkpoint: VerifiedCheckpoint }> {
    let failed: unknown
    for (const vkey of believed) {
      const keys = await findKeys(note, vkey, known)
      try {
        return { keys, checkpoint: verifyLogCheckpoint(note, keys) }
      } catch (cause) {
        failed = cause
      }
    }
    // None is believed: says which log it is.
    if (failed === undefined) verifyCheckpoint(note, { logs: (vkeys ?? []).map(parseVkey) })
    if (how !== 'remembered' || !(failed instanceof TlogError) || failed.code !== 'unverified') throw failed
    throw new ClientError(
      'disagreement',
      `the checkpoint that is shown is not signed by the key that is remembered of its log (${believed.join(', ')}), or by one that the log states to have followed it: ask the operator, and compare the key by another way`,
      { cause: failed },
    )
  }

  /**
   * The keys that statements lead to from one that is believed: those that are remembered or were given; and where the checkpoint is signed by a key of
   * the log's name that these don't know, those that the source has. A source that has none, or others that don't hold, changes nothing.
   */
  async function findKeys(note: string, vkey: string, known: readonly Known[]): Promise<LogKeys> {
    const kept = known.map(k => k.entry.successions ?? []).reduce((a, b) => (b.length > a.length ? b : a), [])
    const own = [kept, successions].reduce<LogKeys>((best, notes) => {
      const keys = attemptKeys(vkey, notes)
      return keys && keys.vkeys.length > best.vkeys.length ? keys : best
    }, readLogKeys(vkey))
    const isKnown = (keyId: Uint8Array) => own.vkeys.some(v => equalHashes(parseVkey(v).keyId, keyId))
    const isNew = parseNote(note).signatures.some(({ name, keyId }) => name === own.origin && !isKnown(keyId))
    if (!isNew || !source?.successions) return own
    const told = attemptKeys(vkey, await source.successions().catch(() => []))
    return told && told.vkeys.length > own.vkeys.length ? told : own
  }

  async function settle(seen: SeenCheckpoint, known: Known[], isLive: boolean): Promise<void> {
    for (const one of known) await compare(one, seen, isLive)
    await requireLogged(seen, known)
    if (seen.before && !seen.before.isCompared) return
    if (known.some(k => k.checkpoint.size > seen.size)) return
    // Each of the known begins this one: it stands for them all.
    const same = known.find(k => k.checkpoint.size === seen.size)?.entry
    const others = known.map(k => k.entry).filter(entry => entry !== same)
    if (!same || others.length > 0) await memory.keep(same ?? toEntry(seen), others)
  }

  /** A new key is followed where the log itself has the statement: whoever reads the log sees to whom it was given. */
  async function requireLogged(seen: SeenCheckpoint, known: Known[]): Promise<void> {
    const isKept = (note: string) => known.some(k => k.entry.successions?.includes(note))
    const entries = source && createEntries(source, seen)
    for (const note of seen.successions) {
      const { index, from, to } = verifySuccession(note)
      if (!entries || index >= seen.size || isKept(note)) continue
      const entry = await entries.entry(index)
      if (!equalHashes(entry, new TextEncoder().encode(note)))
        throw new ClientError(
          'disagreement',
          `${to} is said to have followed ${from} as the key of ${seen.origin}, and entry ${index} of the log is not the statement of it: ask the operator`,
        )
    }
  }

  async function compare({ entry, checkpoint }: Known, seen: SeenCheckpoint, isLive: boolean): Promise<void> {
    const { origin: name, size } = seen
    const [was, is] = [checkpoint, seen].map(c => `size ${c.size} with root ${encodeBase64(c.root)}`)
    const words = `remembered of ${name}, seen ${entry.seen}: ${was}; now shown: ${is}`
    const asked = ['/log/checkpoint']
    const fail = (message: string, details: DisagreementDetails) => {
      const common = {
        found: new Date(now()).toISOString(),
        server: source?.name ?? 'a file',
        asked,
        vkey: seen.vkey,
        ...listed(seen),
      }
      const evidence = {
        format: 'entente/evidence/v1',
        ...common,
        shown: seen.note,
        remembered: entry.checkpoint,
        seen: entry.seen,
        ...details,
      } as Disagreement
      throw new ClientError('disagreement', `${message}: ${words}`, { url: source?.name, evidence })
    }
    if (isLive && size < checkpoint.size)
      fail('the log was rolled back (or this server is an older copy of it)', { kind: 'rollback' })
    if (!source && size !== checkpoint.size) {
      if (seen.before) seen.before.isCompared = false
      return
    }
    const [older, newer] = size < checkpoint.size ? [seen, checkpoint] : [checkpoint, seen]
    const result = await compareCheckpoints(older, newer, async (level, index, width) => {
      const path: TilePath = { level, index, width }
      asked.push(`/log/${formatTilePath(path)}`)
      return readTile(source as LogSource, path)
    })
    if (result.is === 'fork') {
      const { is: _, ...proof } = result
      fail('the log was forked: its key signed two histories', { kind: 'fork', ...proof })
    }
    if (result.is === 'unbacked')
      fail(`the log does not show the tiles of its own checkpoint (${result.answer})`, {
        kind: 'unbacked',
        answer: result.answer,
      })
  }

  const toEntry = (seen: SeenCheckpoint): Remembered => ({
    origin: seen.origin,
    vkey: seen.vkey,
    ...listed(seen),
    key: vkeys ? 'pinned' : 'first-use',
    checkpoint: seen.note,
    server: source?.name ?? 'a file',
    seen: new Date(now()).toISOString(),
  })

  return {
    head,
    check,
    former: async () => (source ? (await memory.ofServer(source.name)).filter(e => e.origin !== origin) : []),
  }
}

type DisagreementDetails = { kind: string; root?: string; consistency?: string[]; answer?: string }
type Known = { entry: Remembered; checkpoint: VerifiedCheckpoint }

/** What a reader kept is his own, and may have been damaged: it counts only with its signature. */
function readRemembered(entry: Remembered): Known {
  try {
    return { entry, checkpoint: verifyLogCheckpoint(entry.checkpoint, readLogKeys(entry.vkey, entry.successions)) }
  } catch (cause) {
    throw new ClientError('memory', `what is remembered of ${entry.origin} is damaged: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** What a reader believes of a log that was seen: also the keys that have followed the one that is believed. */
export const believe = ({ vkey, successions }: SeenCheckpoint, trust: Trust = { vkeys: [vkey] }): Trust =>
  successions.length > 0 ? { ...trust, successions } : trust

/** Only where there are any: most logs keep their key. */
const listed = ({ successions }: SeenCheckpoint) => (successions.length > 0 ? { successions } : {})

function attemptKeys(vkey: string, notes: readonly string[]): LogKeys | undefined {
  try {
    return readLogKeys(vkey, notes)
  } catch (error) {
    if (error instanceof ProofError && error.code !== 'trust') return undefined
    throw error
  }
}

/** A tile that the source says it does not have is an answer, other than no answer. */
export async function readTile(source: LogSource, path: TilePath): Promise<Uint8Array> {
  try {
    return await source.tile(path)
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'not-found') throw error
    throw new TlogError('tile', `${formatTilePath(path)} is not there`, { cause: error })
  }
}

function asMalformed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new ClientError('malformed', `this is no checkpoint: ${(cause as Error).message}`, { cause })
  }
}

/**
 * The log of a server. One that is no Entente has none: where it does not answer with a checkpoint, it is asked for nothing more. A server that can't
 * be reached is an error.
 */
export function serverLog(client: TaxiiClient): LogSource {
  return {
    name: client.url,
    key: () => client.logKey(),
    successions: () => client.successions(),
    continuations: () => client.continuations(),
    tile: path => client.tile(path),
    async checkpoint() {
      try {
        const note = await client.checkpoint()
        parseCheckpoint(parseNote(note).text)
        return note
      } catch (error) {
        const code = (error as { code?: string }).code ?? ''
        if (error instanceof TlogError || NO_LOG.has(code)) return undefined
        throw error
      }
    },
  }
}

const NO_LOG = new Set(['not-found', 'unauthorized', 'forbidden', 'refused', 'malformed', 'too-big'])
