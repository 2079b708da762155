import { formatMicros } from '#notary/time.ts'
import type { ReadStore } from '#store/reads.ts'
import type { SentStore } from '#store/sent.ts'
import type { Args } from '../commands.ts'
import { openData } from '../data.ts'
import { type Asked, type Collection, findCollection, findRecords, findSentLines, readSince } from '../disclosed.ts'
import { CliError, EXIT } from '../errors.ts'
import { print, table } from '../print.ts'
import { openReads, openSent } from '../stores.ts'
import { integerOf, isSet, positionals, textOf } from '../values.ts'

type Wanted = {
  collection: Collection | undefined
  /** The records that are asked for; undefined: all. */
  asked: Asked[] | undefined
  reader: string | undefined
  since: number | undefined
  limit: number
}
/** Somebody was given something. */
type Line = {
  reader: string
  /** `object`, `reference` (where it is, not what) or `perhaps`; of all that was given, `objects`. */
  as: string
  /** The resource of TAXII that was read, `sse`, or the kind of the broker. */
  via: string
  /** The collection that was read, or the channel or feed over which it was sent. */
  of: string
  address: string
  from: number
  until: number
  /** The record that is asked for. */
  seq?: number
  /** Of all that was given: which records. */
  records?: string
}

const DEFAULT_LIMIT = 1000
const USAGE = 'readers [--collection ID|ALIAS] [--seq N | --object ID] [--reader NAME] [--since TIME]'

/** Who has read an object, or was sent it, from the data folder of a server, which may run. */
export async function run({ values, positionals: rest }: Args): Promise<number> {
  positionals(rest, [], USAGE)
  const { config, paths } = openData(values)
  const reads = await openReads({ config, paths, readOnly: true })
  try {
    const sent = await openSent({ config, paths, readOnly: true })
    try {
      if (!reads && !sent)
        throw new CliError(
          'no',
          `neither ${paths.reads} nor ${paths.sent} is there: nothing was read or sent yet, or server.readDays and channels.sentDays are 0 and it is not kept`,
        )
      const collection = findCollection(config, paths, values)
      const wanted: Wanted = {
        collection,
        asked: await findRecords(config, paths, collection, values),
        reader: textOf(values, 'reader'),
        since: readSince(values),
        limit: integerOf(values, 'limit', 1) ?? DEFAULT_LIMIT,
      }
      const lines = [...(reads ? await findReads(reads, wanted) : []), ...(sent ? await findSent(sent, wanted) : [])]
      return show(lines.sort((a, b) => a.from - b.from).slice(0, wanted.limit), isSet(values, 'json'))
    } finally {
      await sent?.close()
    }
  } finally {
    await reads?.close()
  }
}

function show(lines: Line[], isJson: boolean): number {
  const json = lines.map(line => ({ ...line, from: formatMicros(line.from), until: formatMicros(line.until) }))
  print(isJson, { readers: json }, () => {
    if (json.length === 0) return ['nobody']
    const rows = json.map(l => [
      l.reader,
      l.as,
      l.via,
      l.of,
      l.seq === undefined ? (l.records ?? '-') : String(l.seq),
      l.address === '' ? '-' : l.address,
      l.from,
      l.until,
    ])
    return table([['READER', 'AS', 'VIA', 'OF', 'RECORDS', 'ADDRESS', 'FROM', 'UNTIL'], ...rows])
  })
  return json.length > 0 ? EXIT.yes : EXIT.no
}

async function findReads(reads: ReadStore, { collection, asked, reader: user, since, limit }: Wanted): Promise<Line[]> {
  const seqs = asked?.map(a => a.seq)
  const found = await reads.find({ collection: collection?.id, seqs, user, since, limit })
  return found.flatMap((entry): Line[] => {
    const { user: reader, address, via, collection: id, runs, from, until } = entry
    const line = { reader, via, of: `collection ${id}`, address, from, until }
    if (!seqs) return [{ ...line, as: 'objects', records: inWords(runs) }]
    const given = seqs.filter(seq => runs.some(([first, last]) => first <= seq && seq <= last))
    return given.map(seq => ({ ...line, as: 'object', seq }))
  })
}

async function findSent(sent: SentStore, wanted: Wanted): Promise<Line[]> {
  const { asked } = wanted
  return (await findSentLines(sent, { ...wanted, subscriber: wanted.reader })).map(({ range, as, ...seq }) => {
    const { subscriber: reader, via, kind, topic, address, from, until } = range
    const records = `${range.whole} of ${kind === 'feed' ? '' : 'log index '}${inWords([[range.first, range.last]])}`
    return {
      reader,
      as: asked ? as : 'objects',
      via,
      of: `${kind} ${topic}`,
      address,
      from,
      until,
      ...(asked ? seq : { records }),
    }
  })
}

const SHOWN = 5
function inWords(runs: readonly (readonly [first: number, last: number])[]): string {
  const shown = runs.slice(0, SHOWN).map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`))
  return runs.length > SHOWN ? `${shown.join(', ')} and more` : shown.join(', ')
}
