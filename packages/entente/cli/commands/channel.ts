import { existsSync } from 'node:fs'
import { openLogKey } from '#notary/key.ts'
import { formatMicros, parseMicros } from '#notary/time.ts'
import { openSqliteSent } from '#store/sqlite/sent.ts'
import type { RecordRow, Store } from '#store/store.ts'
import { toChannels } from '../channel-config.ts'
import type { Args } from '../commands.ts'
import type { Config, Paths } from '../config.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { openStore } from '../stores.ts'
import { defaultOrigin, toApiRoots } from '../identity.ts'
import { print, table } from '../print.ts'
import { integerOf, isSet, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
type Collection = { id: string; apiRoot: string }
type Range = ReturnType<ReturnType<typeof openSqliteSent>['find']>[number]
type Place = { kind: 'channel' | 'feed'; topic: string; position: number }
/** Where one record may have gone. */
type Asked = { seq: number; places: Place[]; isSure: boolean; erased: number }
type Line = { range: Range; seq?: number; as: 'object' | 'reference' | 'perhaps' }

const USAGE = 'channel sent [--collection ID|ALIAS] [--seq N | --object ID] [--subscriber NAME] [--since TIME]'
const DEFAULT_LIMIT = 1000

/** Who was sent what, from the data folder of a server, which may run. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  if (action !== 'sent')
    throw new CliError('usage', `"${action}" is nothing to do with channels\nUsage: entente ${USAGE}`)
  positionals(rest, [], USAGE)
  const { config, paths } = openData(values)
  if (!existsSync(paths.sent))
    throw new CliError(
      'no',
      `${paths.sent} is not there: nothing was sent yet, or channels.sentDays is 0 and it is not kept`,
    )
  const { vkey } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  const collection = findCollection(config, vkey, values)
  const asked = await findRecords(config, paths, collection, values)
  const since = readTime(values)
  const limit = integerOf(values, 'limit', 1) ?? DEFAULT_LIMIT
  const subscriber = textOf(values, 'subscriber')
  const sent = openSqliteSent({ path: paths.sent, readOnly: true })
  try {
    const find = (places?: Place[]) => sent.find({ places, subscriber, since, limit })
    const lines = asked
      ? asked.flatMap(one => find(one.places).flatMap(range => toLine(range, collection as Collection, one)))
      : find().flatMap(range => (!collection || isOf(range, collection) ? [{ range, as: 'object' as const }] : []))
    show(lines.slice(0, limit), isSet(values, 'json'), asked !== undefined)
    return lines.length > 0 ? EXIT.yes : EXIT.no
  } finally {
    sent.close()
  }
}

function findCollection(config: Config, vkey: string, values: Values): Collection | undefined {
  const name = textOf(values, 'collection')
  const isNeeded = values['seq'] !== undefined || values['object'] !== undefined
  if (name === undefined && !isNeeded) return undefined
  const all = toApiRoots(config, vkey).flatMap(root => root.collections.map(c => ({ apiRoot: root.path, ...c })))
  const found = name === undefined ? all : all.filter(c => c.id === name.toLowerCase() || c.alias === name)
  const [one, ...more] = found
  if (one && more.length === 0) return one
  const which = found.map(c => `${c.apiRoot}collections/${c.id}/`).join(', ')
  throw new CliError(
    'usage',
    one ? `name one collection by its id with --collection: ${which}` : `there is no collection ${name}`,
  )
}

/** The records that are asked for, and where each of them may have gone; undefined where all are. */
async function findRecords(
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

const isOf = (range: Range, { id }: Collection): boolean => range.collections.includes(id)

/** What a range says of one record: nobody was sent it after it was erased, and who may not read its collection nothing of it, or a reference. */
function toLine(range: Range, collection: Collection, { seq, isSure, erased }: Asked): Line[] {
  if (range.from >= erased) return []
  const isKnown = (isSure || range.kind === 'feed') && range.until <= erased
  const as = !isOf(range, collection) ? 'reference' : isKnown ? 'object' : 'perhaps'
  return as === 'reference' && range.references === 0 ? [] : [{ range, seq, as }]
}

function readTime(values: Values): number | undefined {
  const text = textOf(values, 'since')
  const micros = text === undefined ? undefined : parseMicros(text)
  if (text !== undefined && micros === undefined)
    throw new CliError('usage', `--since is "${text}": a time such as 2026-01-31T12:00:00Z is wanted`)
  return micros
}

function show(lines: Line[], isJson: boolean, isOne: boolean): void {
  const json = lines.map(({ range: { from, until, ...range }, seq, as }) => ({
    ...(seq === undefined ? {} : { seq, as }),
    ...range,
    from: formatMicros(from),
    until: formatMicros(until),
  }))
  print(isJson, { sent: json }, () => {
    if (lines.length === 0) return ['nothing was sent']
    const head = [...(isOne ? ['SEQ', 'AS'] : []), 'SUBSCRIBER', 'VIA', 'TOPIC', 'ADDRESS', 'FROM', 'UNTIL', 'EVENTS']
    const rows = json.map(j => [
      ...(isOne ? [String(j.seq), String(j.as)] : []),
      j.subscriber,
      j.via,
      `${j.kind} ${j.topic}`,
      j.address === '' ? '-' : j.address,
      j.from,
      j.until,
      `${j.first}–${j.last}: ${j.whole}${j.references > 0 ? `, ${j.references} as references` : ''}`,
    ])
    return table([head, ...rows])
  })
}
