import { type Continuation, ProofError, readLogKeys, verifyContinuation } from '@entente/verify/proof'
import { equalHashes, parseCheckpoint, parseNote, parseVkey } from '@entente/verify/tlog'
import { compareCheckpoints } from './consistency.ts'
import { createEntries } from './entries.ts'
import { ClientError } from './error.ts'
import type { Remembered } from './memory.ts'
import { type LogSource, readTile, type SeenCheckpoint } from './watch.ts'

/** How a log that a reader remembers has ended. `seen`: the largest size at which the reader has seen it; what was behind `size` is lost. */
export type Ended = Continuation & { seen: number }

/**
 * Whether the log that a source shows now states that it goes on from one that is remembered (docs/formats.md 18). Verified: the statement is signed by the key that
 * is remembered of that log, and is the entry of the new one that it says it is; the new one begins with what is remembered, as far as it says that this is kept.
 * Whether the new log is to be believed is for the reader to say: it has a key of its own.
 *
 * @returns undefined where it states nothing, or another key than the remembered one does
 * @throws ClientError `disagreement` where the statement does not hold
 */
export async function findContinuation(
  source: LogSource,
  live: SeenCheckpoint,
  former: Remembered,
): Promise<Ended | undefined> {
  const notes = (await source.continuations?.().catch(() => [])) ?? []
  const stated = notes.flatMap(note => {
    const one = attempt(note)
    return one && parseVkey(one.from).name === former.origin ? [{ note, ...one }] : []
  })
  const [{ note, ...continuation } = { note: '', from: '' }] = stated
  if (!readLogKeys(former.vkey, former.successions).vkeys.includes(continuation.from)) return undefined
  const ended = continuation as Continuation
  const fail = (why: string) =>
    new ClientError(
      'disagreement',
      `${live.origin} states that it goes on from ${former.origin}, ${why}: ask the operator`,
    )
  const own = readLogKeys(live.vkey, live.successions)
  if (parseVkey(ended.to).name === live.origin && !own.vkeys.includes(ended.to))
    throw fail(`with the key ${ended.to}, and signs with another`)
  const entry = ended.size < live.size ? await createEntries(source, live).entry(ended.size) : undefined
  if (!entry || !equalHashes(entry, new TextEncoder().encode(note)))
    throw fail(`and its entry ${ended.size} is not the statement of it`)
  const remembered = parseCheckpoint(parseNote(former.checkpoint).text)
  const begins = [ended, ...(remembered.size <= ended.size ? [remembered] : [])]
  for (const { size, root } of begins) {
    const { is } = await compareCheckpoints(
      { origin: live.origin, size, root, extensions: [] },
      live,
      (level, index, width) => readTile(source, { level, index, width }),
    )
    if (is !== 'consistent') throw fail(`and does not begin as that did at size ${size}`)
  }
  return { ...ended, seen: remembered.size }
}

function attempt(note: string): Continuation | undefined {
  try {
    return verifyContinuation(note)
  } catch (error) {
    if (error instanceof ProofError) return undefined
    throw error
  }
}
