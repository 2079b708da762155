import { formatMicros, parseMicros } from '#notary/time.ts'
import type { ForeignDatabases } from '#store/mongodb/foreign.ts'
import { CliError } from './errors.ts'
import {
  asMembers,
  asText,
  type Dated,
  type MedallionData,
  type MedallionObjects,
  type Members,
  readContent,
} from './medallion.ts'

/** The database that medallion's MongoDB backend keeps its discovery resource and API roots in; each API root has one of its own. */
const DISCOVERY = 'discovery_database'
const IS_DATABASE = /^[A-Za-z0-9_~-]{1,63}$/
/** Objects that are held at a time, and those of the same date as the last of them. */
const AT_ONCE = 2000

/**
 * What a medallion server (3, MongoDB backend) holds, read where it lies. It keeps timestamps of objects as seconds, as numbers of floating point: exact to the
 * microsecond, without the digits that they were written with; here they are written as medallion answers them.
 *
 * @param since requests before it, microseconds since 1970, have statuses that nobody may ask for any more
 * @throws CliError `usage` where there is no medallion; StoreError `io`
 */
export async function readMedallionDatabases(from: ForeignDatabases, since: number): Promise<MedallionData> {
  const first = async (collection: string) => {
    for await (const document of from.find(DISCOVERY, collection, {})) return withoutId(document)
    return undefined
  }
  const discovery = await first('discovery_information')
  if (!discovery)
    throw new CliError(
      'usage',
      `${from.name} holds no medallion: its MongoDB backend has a database "${DISCOVERY}" with "discovery_information"`,
    )
  const roots: [name: string, root: Members | undefined][] = []
  for await (const { _name, _url, ...document } of from.find(DISCOVERY, 'api_root_info', {})) {
    const name = asText(_name) ?? asText(_url) ?? 'unknown'
    if (!IS_DATABASE.test(name)) {
      roots.push([name, undefined])
      continue
    }
    const collections: unknown[] = []
    for await (const collection of from.find(name, 'collections', {})) collections.push(withoutId(collection))
    const status: unknown[] = []
    for await (const one of from.find(name, 'status', { request_timestamp: { $gte: formatMicros(since) } }))
      status.push(withoutId(one))
    roots.push([name, { information: withoutId(document), collections, status }])
  }
  return readContent(discovery, roots, ({ id }, where, { refused }, root) => {
    const filter = { _collection_id: id }
    return {
      count: () => from.count(root, 'objects', filter),
      ids: async () => {
        const ids = new Set<unknown>()
        for await (const object of from.find(root, 'objects', filter, { projection: { _id: 0, id: 1 } }))
          ids.add(object['id'])
        return ids
      },
      chunks: () => readChunks(from, root, filter, where, refused),
    }
  })
}

/** As medallion orders them. What was added at one moment stays together. */
async function* readChunks(
  from: ForeignDatabases,
  database: string,
  filter: Members,
  where: string,
  refused: MedallionData['refused'],
): ReturnType<MedallionObjects['chunks']> {
  let chunk: Dated[] = []
  for await (const document of from.find(database, 'objects', filter, {
    sort: { '_manifest.date_added': 1, _id: 1 },
  })) {
    const { _id, _collection_id, _manifest, ...object } = document
    const date = asMembers(_manifest)?.['date_added']
    const added = typeof date === 'number' ? toMicros(date) : parseMicros(asText(date) ?? '')
    for (const name of ['created', 'modified'])
      if (typeof object[name] === 'number') object[name] = toTimestamp(object[name])
    const last = chunk.at(-1)?.added
    if (added === undefined || !(added > 0)) {
      const reason = `its manifest has the date_added ${JSON.stringify(date)}, which is no time`
      const version = asText(object['modified'] ?? object['created'])
      refused.push({ where, id: asText(object['id']) ?? 'unknown', ...(version ? { version } : {}), reason })
      continue
    }
    if (chunk.length >= AT_ONCE && added !== last) {
      yield chunk
      chunk = []
    }
    chunk.push({ object, added })
  }
  if (chunk.length > 0) yield chunk
}

const withoutId = ({ _id, ...document }: Members): Members => document
const toMicros = (seconds: number): number => Math.round(seconds * 1e6)

/** With three digits after the point, or six where they say more. What is no time stays what it is, and is refused for it. */
function toTimestamp(seconds: number): string | number {
  const micros = toMicros(seconds)
  if (!Number.isSafeInteger(micros) || micros < 0 || micros >= 253_402_300_800e6) return seconds
  const text = formatMicros(micros)
  return text.endsWith('000Z') ? `${text.slice(0, -4)}Z` : text
}
