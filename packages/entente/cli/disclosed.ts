import { openLogKey } from '#notary/key.ts'
import { parseMicros } from '#notary/time.ts'
import type { SentQuery, SentRange, SentStore } from '#store/sent.ts'
import type { RecordRow, Store } from '#store/store.ts'
import { toChannels } from './channel-config.ts'
import type { Config, Paths } from './config.ts'
import { CliError } from './errors.ts'
import { defaultOrigin, toApiRoots } from './identity.ts'
import { openStore } from './stores.ts'
import { integerOf, textOf } from './values.ts'

type Values = Record<string, unknown>
export type Collection = { id: string; apiRoot: string }
type Place = { kind: 'channel' | 'feed'; topic: string; position: number }
/** One record, and where it may have gone. */
export type Asked = { seq: number; places: Place[]; isSure: boolean; erased: number }
/** What a range says of one record. */
export type SentLine = { range: SentRange; seq?: number; as: 'object' | 'reference' | 'perhaps' }

/**
 * The collection that `--collection` names, or the only one there is.
 *
 * @returns undefined where none is named and none is needed, neither `--seq` nor `--object` being given
 * @throws CliError `usage`
 */
export function findCollection(config: Config, paths: Paths, values: Values): Collection | undefined {
  const name = textOf(values, 'collection')
  const isNeeded = values['seq'] !== undefined || values['object'] !== undefined
  if (name === undefined && !isNeeded) return undefined
  const { first } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  const all = toApiRoots(config, first).flatMap(root => root.collections.map(c => ({ apiRoot: root.path, ...c })))
  const found = name === undefined ? all : all.filter(c => c.id === name.toLowerCase() || c.alias === name)
  const [one, ...more] = found
  if (one && more.length === 0) return one
  const which = found.map(c => `${c.apiRoot}collections/${c.id}/`).join(', ')
  throw new CliError(
    'usage',
    one ? `name one collection by its id with --collection: ${which}` : `there is no collection ${name}`,
  )
}

/**
 * The records that `--seq` or `--object` asks for; undefined where all are.
 *
 * @throws CliError `no` where there is none
 */
export async function findRecords(
  config: Config,
  paths: Paths,
  collection: Collection | undefined,
  values: Values,
): Promise<Asked[] | undefined> {
  const [seq, id] = [integerOf(values, 'seq', 0), textOf(values, 'object')]
  if (seq !== undefined && id !== undefined) throw new CliError('usage', 'either --seq N or --object ID')
  if (!collection || (seq === undefined && id === undefined)) return undefined
  const store = await openStore(config, paths, { readOnly: true })
  try {
    const heads = await store.collections()
    const number = heads.find(h => h.apiRoot === collection.apiRoot && h.id === collection.id)?.number ?? 0
    const rows =
      id === undefined
        ? (await store.records(number, { from: seq as number, limit: 1, text: 'none' })).filter(r => r.seq === seq)
        : await store.versions(number, id)
    if (rows.length === 0)
      throw new CliError(
        'no',
        id === undefined
          ? `the collection has no record ${seq}`
          : `the collection has no ${id}: of an object that was erased, name its place with --seq`,
      )
    return await Promise.all(rows.map(row => toAsked(store, config, collection, row)))
  } finally {
    await store.close()
  }
}

async function toAsked(store: Store, config: Config, { id }: Collection, row: RecordRow): Promise<Asked> {
  const { leaf, seq } = row
  const names = toChannels(config.channels).map(c => c.name)
  // Where it is no longer known which channels it went to, whoever was sent something around it may have it.
  const isSure = leaf >= (await store.routesFrom())
  const channels = isSure ? await store.routedTo(leaf, names) : names
  const places = channels.map(topic => ({ kind: 'channel' as const, topic, position: leaf }))
  const isErased = row.kind === 'object' && row.id === null && row.superseded !== null
  const erased = isErased && (await store.recordAt(row.superseded as number))?.added
  return {
    seq,
    isSure,
    erased: erased || Number.POSITIVE_INFINITY,
    places: [{ kind: 'feed', topic: id, position: seq }, ...places],
  }
}

const isOf = (range: SentRange, { id }: Collection): boolean => range.collections.includes(id)

/**
 * What a range says of one record: nobody was sent it after it was erased, who may not read its collection nothing of it, or a reference, and so who is
 * not cleared for its markings.
 */
function toSentLine(range: SentRange, collection: Collection, { seq, isSure, erased, places }: Asked): SentLine[] {
  if (range.from >= erased) return []
  const isKnown = (isSure || range.kind === 'feed') && range.until <= erased
  const position = places.find(p => p.kind === range.kind && p.topic === range.topic)?.position
  const isWithheld = range.withheld.some(
    ([first, last]) => position !== undefined && first <= position && position <= last,
  )
  const as = isWithheld || !isOf(range, collection) ? 'reference' : isKnown ? 'object' : 'perhaps'
  return as === 'reference' && range.references === 0 ? [] : [{ range, seq, as }]
}

/** What was sent of the records that are asked for, or of a collection, or at all. */
export async function findSentLines(
  sent: Pick<SentStore, 'find'>,
  {
    collection,
    asked,
    ...query
  }: { collection: Collection | undefined; asked: Asked[] | undefined } & Omit<SentQuery, 'places'>,
): Promise<SentLine[]> {
  if (!asked)
    return (await sent.find(query))
      .filter(range => !collection || isOf(range, collection))
      .map(range => ({ range, as: 'object' }))
  const lines: SentLine[] = []
  for (const one of asked)
    for (const range of await sent.find({ ...query, places: one.places }))
      lines.push(...toSentLine(range, collection as Collection, one))
  return lines
}

/** `--since` in microseconds. @throws CliError `usage` */
export function readSince(values: Values): number | undefined {
  const text = textOf(values, 'since')
  const micros = text === undefined ? undefined : parseMicros(text)
  if (text !== undefined && micros === undefined)
    throw new CliError('usage', `--since is "${text}": a time such as 2026-01-31T12:00:00Z is wanted`)
  return micros
}
