import { audit, type Problem } from '#notary/audit.ts'
import { openLogKey } from '#notary/key.ts'
import type { Journal, Piece, Store, StoredHead } from '#store/store.ts'
import type { Args } from '../commands.ts'
import type { Config, Paths } from '../config.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin } from '../identity.ts'
import { counted, print } from '../print.ts'
import { createProgress, type Progress } from '../progress.ts'
import { openStore } from '../stores.ts'
import { isSet, textOf } from '../values.ts'
import { describe } from './audit.ts'

type Kind = Config['store']['kind']
const KINDS: readonly string[] = ['sqlite', 'mongodb'] satisfies Kind[]

/** Copies the store of a stopped server into one of another kind, and audits both before the copy becomes a store of the log. */
export async function run({ values }: Args): Promise<number> {
  const [from, to] = [kindOf(values, 'from'), kindOf(values, 'to')]
  if (from === to) throw new CliError('usage', `--from and --to are both ${from}`)
  // The key tells that a server ran here, whichever kind of store it had.
  const { config, paths } = openData(values)
  if (config.store.kind !== 'mongodb')
    throw new CliError(
      'usage',
      'the configuration names no database: set store.kind to mongodb, and store.url or store.urlFile',
    )
  const { vkey } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  const isJson = isSet(values, 'json')
  const progress = createProgress(isJson)
  const open = (kind: Kind, create: boolean) => openStore({ store: { ...config.store, kind } }, paths, { create })
  const source = await open(from, false).catch((cause: Error) => {
    if ((cause as { code?: string }).code !== 'locked') throw cause
    throw new CliError('no', `a server runs on ${paths.data}: stop it first`, { cause })
  })
  try {
    const target = await open(to, true)
    try {
      const { problems, head, counts } = await migrate(source, target, {
        vkey,
        place: placeOf(to, config, paths),
        progress,
      })
      progress.end()
      const ok = problems.length === 0
      print(isJson, { ok, from, to, size: head.size, counts, problems }, () => [
        ...problems.map(describe),
        ...(ok
          ? [
              `${counted(counts['records'] ?? 0, 'row')} and all that belongs to them, at size ${head.size}, were copied and audited`,
              `set store.kind to ${to} and start the server; ${placeOf(from, config, paths)} stays as it is until you remove it`,
            ]
          : [`${counted(problems.length, 'problem')} found: nothing was taken over`]),
      ])
      return ok ? EXIT.yes : EXIT.evidence
    } finally {
      await target.close()
    }
  } finally {
    progress.end()
    await source.close()
  }
}

function kindOf(values: Record<string, unknown>, option: string): Kind {
  const kind = textOf(values, option)
  if (kind !== undefined && KINDS.includes(kind)) return kind as Kind
  throw new CliError('usage', `--${option} is ${kind === undefined ? 'missing' : `"${kind}"`}: it is sqlite or mongodb`)
}

const placeOf = (kind: Kind, { store }: Config, paths: Paths): string =>
  kind === 'sqlite' ? paths.store : `the database "${store.database}"`

type Counts = Record<string, number>
type Migrated = { problems: Problem[]; head: StoredHead; counts: Counts }

/**
 * Copies everything but the head, audits the copy as if it had that, and gives it the head last: until then no server takes it for a store of
 * the log, and what was cut off is begun again.
 *
 * @throws CliError `no` where the target holds a log, or somebody writes to the source
 */
async function migrate(
  source: Store & Journal,
  target: Store & Journal,
  { vkey, place, progress }: { vkey: string; place: string; progress: Progress },
): Promise<Migrated> {
  const head = await source.head()
  if (!head) throw new CliError('no', 'the store holds no log: there is nothing to migrate')
  const there = await target.head()
  if (there)
    throw new CliError('no', `${place} already holds a log, at size ${there.size}: remove it, or name another place`)
  const audited = (store: Store & Journal, what: string) =>
    audit({ store, vkey, anchors: [], progress: (done, total) => progress.update(done, total, what) })
  const before = await audited(source, 'entries of the source checked')
  if (before.problems.length > 0) return { problems: before.problems, head, counts: {} }

  const counts: Counts = {}
  for await (const piece of source.pieces()) {
    count(counts, piece)
    if (!piece.head) await target.take(piece)
    progress.update(Math.min(counts['records'] ?? 0, head.size), head.size, 'rows copied')
  }
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

function count(counts: Counts, piece: Piece): void {
  for (const [part, items] of Object.entries(piece)) counts[part] = (counts[part] ?? 0) + [items].flat().length
}
