import { audit, type Problem } from '#notary/audit.ts'
import type { Journal, Piece, Store, StoredHead } from '#store/store.ts'
import { CliError } from './errors.ts'
import type { Progress } from './progress.ts'

type Counts = Record<string, number>
/** `problems`: of the source or of the copy; where there are any, nothing was taken over. */
export type Copied = { problems: Problem[]; head: StoredHead; counts: Counts }

/**
 * Copies everything but the head into a store that holds no log, audits the copy as if it had that, and gives it the head last: until then no server takes it
 * for a store of the log, and what was cut off is begun again.
 *
 * @param place of the target, for messages
 * @throws CliError `no` where the target holds a log, or somebody writes to the source
 */
export async function copyStore(
  source: Store & Journal,
  target: Store & Journal,
  { vkey, place, progress }: { vkey: string; place: string; progress: Progress },
): Promise<Copied> {
  const head = await source.head()
  if (!head) throw new CliError('no', 'the store holds no log: there is nothing to copy')
  const there = await target.head()
  if (there)
    throw new CliError('no', `${place} already holds a log, at size ${there.size}: remove it, or name another place`)
  const audited = (store: Store & Journal, what: string) =>
    audit({ store, vkey, anchors: [], progress: (done, total) => progress.update(done, total, what) })
  const before = await audited(source, 'entries of the source checked')
  if (before.problems.length > 0) return { problems: before.problems, head, counts: {} }

  const counts = await copyPieces(
    source,
    { take: async piece => (piece.head ? undefined : target.take(piece)) },
    progress,
  )
  const copied: Counts = { head: 1 }
  for await (const piece of target.pieces()) count(copied, piece)
  const other = Object.keys({ ...counts, ...copied }).find(part => counts[part] !== copied[part])
  if (other !== undefined)
    throw new CliError(
      'no',
      `${place} has ${copied[other] ?? 0} ${other}, the source ${counts[other] ?? 0}: it holds parts of something else; empty it and begin again`,
    )
  const { problems } = await audited({ ...target, head: async () => head }, 'entries of the copy checked')
  if ((await source.head())?.note !== head.note)
    throw new CliError('no', 'the log has grown meanwhile: stop the server, and begin again')
  if (problems.length === 0) await target.take({ head })
  return { problems, head, counts }
}

/**
 * Copies all that a store keeps.
 *
 * @returns how many of what
 */
export async function copyPieces(
  source: Pick<Store, 'head' | 'pieces'>,
  target: Pick<Store, 'take'>,
  progress: Progress,
): Promise<Counts> {
  const total = (await source.head())?.size ?? 0
  const counts: Counts = {}
  for await (const piece of source.pieces()) {
    count(counts, piece)
    await target.take(piece)
    progress.update(Math.min(counts['records'] ?? 0, total), total, 'rows copied')
  }
  return counts
}

function count(counts: Counts, piece: Piece): void {
  for (const [part, items] of Object.entries(piece)) counts[part] = (counts[part] ?? 0) + [items].flat().length
}
