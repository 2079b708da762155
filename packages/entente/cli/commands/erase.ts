import { hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkpointIn, serverLog, type TaxiiCollection, type Watch } from '@entente/client'
import { ProofError, type Trust, verifyObject } from '@entente/verify/proof'
import { historyOf, openLogKey } from '#notary/key.ts'
import { collectionName, type RecordKey } from '#notary/record-keys.ts'
import { openSqliteRecordKeys } from '#store/sqlite/record-keys.ts'
import type { Journal, RecordRow, Store } from '#store/store.ts'
import type { Args } from '../commands.ts'
import { type Connection, connect } from '../connect.ts'
import type { Config, Paths } from '../config.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin } from '../identity.ts'
import { openStore } from '../stores.ts'
import { openWatch } from '../memory.ts'
import { counted, print, table } from '../print.ts'
import { createProgress } from '../progress.ts'
import { createMatcher, type Found, MIN_NEEDLE, type Needle, type Searched, searchFolders } from '../search.ts'
import { tracesOf } from '../traces.ts'
import { readTrustOptions } from '../trust.ts'
import { isSet, listOf, positionals } from '../values.ts'

const USAGE = 'erase COLLECTION_URL ID [--version V|all] [--prove --data DIR]'

/** Deletes an object of a collection (TAXII 2.1 section 5.7) and, with --prove, shows that it is gone and that the log says so. */
export async function run({ values, positionals: given }: Args): Promise<number> {
  const [address = '', id = ''] = positionals(given, ['COLLECTION_URL', 'ID'], USAGE)
  const extra = ((values['needle'] ?? []) as string[]).map(toNeedle)
  const isProving = isSet(values, 'prove')
  if (!isProving && extra.length > 0) throw new CliError('usage', '--needle is for the search of --prove')
  const versions = listOf(values, 'version')
  const site = isProving ? await openSite(values) : undefined
  const connection = await connect(address, values)
  const { collection, info } = connection
  if (!info.can_read || !info.can_write)
    throw new CliError('no', `deleting needs the right to read and to write ${collection.url} ("${info.title}")`)

  const watch = site && openWatch(values, serverLog(connection.client), site.trust.vkeys)
  const before = site && (await findTraces(site, connection, id))
  const keys = site && before ? keysOf(site, connection, before) : []
  await watch?.head()
  await collection.delete(id, versions ? { versions } : {})
  const left = await versionsLeft(collection, id)
  const deleted = { url: collection.url, id, versions: versions ?? ['last'], versions_left: left }
  if (!site || !before || !watch) {
    print(isSet(values, 'json'), { ...deleted, proven: null }, () => erasedLines(deleted))
    return EXIT.yes
  }
  const report = await prove(site, connection, watch, { rows: before, keys }, extra, isSet(values, 'json'))
  print(isSet(values, 'json'), { ...deleted, ...report }, () => [...erasedLines(deleted), ...toLines(report)])
  return report.proven ? EXIT.yes : EXIT.evidence
}

function toNeedle(text: string, i: number): Needle {
  const bytes = Buffer.from(text)
  if (bytes.length < MIN_NEEDLE) throw new CliError('usage', `--needle has at least ${MIN_NEEDLE} bytes`)
  return { what: `--needle ${i + 1}`, bytes }
}

/** The data folder of the server, and what is believed of its log. */
type Site = { folders: string[]; config: Config; paths: Paths; recordKeys: string; trust: Trust; data: string }

async function openSite(values: Record<string, unknown>): Promise<Site> {
  const { config, paths } = openData(values)
  const origin = config.log.origin ?? defaultOrigin
  const trust = {
    successions: historyOf(paths.logKey),
    ...(readTrustOptions(values) ?? { vkeys: [openLogKey(paths.logKey, origin, false).vkey] }),
  }
  // Loads a ledger's driver, which is not needed to delete something.
  const { ledgerFolder } = await import('../ledgers.ts')
  const ledgers = config.ledgers
    .flatMap(l => (l.kind === 'embedded' ? [ledgerFolder(l, paths)] : []))
    .filter(existsSync)
  return {
    folders: [paths.data, ...ledgers],
    config,
    paths,
    recordKeys: paths.recordKeys,
    trust,
    data: paths.data,
  }
}

/** A new connection each time: it shows the store as it is then, and none is open while the server erases. */
async function reading<T>(site: Site, read: (store: Store & Journal) => Promise<T>): Promise<T> {
  const store = await openStore(site.config, site.paths, { readOnly: true })
  try {
    return await read(store)
  } finally {
    await store.close()
  }
}

/** Every row of the object, with its text; and a look whether this is the folder of that server. */
async function findTraces(site: Site, { collection, info }: Connection, id: string): Promise<RecordRow[]> {
  const rows = await reading(site, async store => {
    const head = (await store.collections()).find(c => c.id === info.id)
    if (!head) return []
    return [...(await store.versions(head.number, id)), ...(await store.equivocations(head.number, id))]
  })
  const [first] = rows
  if (!first?.text) {
    if ((await versionsLeft(collection, id)) === 0) throw new CliError('no', `the collection has no object ${id}`)
    throw notItsFolder(site)
  }
  const proof = await collection.recordProof(first.seq)
  if (proof.kind === 'withheld')
    throw new CliError('no', `the collection has no object ${id} that these credentials may see`)
  const { record, commitment } = verifyObject(proof, site.trust)
  if (record.collection !== info.id || !hash('sha256', first.text, 'buffer').equals(commitment))
    throw notItsFolder(site)
  return rows
}

const nameOf = ({ collection, info }: Pick<Connection, 'collection' | 'info'>): string =>
  collectionName({ apiRoot: new URL(collection.url).pathname.split('collections/', 1)[0] as string, id: info.id })

/** The keys under which ledgers have these records (`record: full`). */
function keysOf(site: Site, connection: Connection, rows: readonly RecordRow[]): RecordKey[] {
  if (!existsSync(site.recordKeys)) return []
  const keys = openSqliteRecordKeys({ path: site.recordKeys, readOnly: true })
  try {
    return rows.flatMap(({ seq }) => keys.list(nameOf(connection), seq, 1).filter(key => key.seq === seq))
  } finally {
    keys.close()
  }
}

/** They are destroyed moments after the deletion is logged. What is still there then, the search finds. */
async function keysGone(site: Site, connection: Connection, keys: readonly RecordKey[]): Promise<void> {
  const rows = keys.map(({ seq }) => ({ seq }) as RecordRow)
  for (let i = 0; i < 50 && keysOf(site, connection, rows).length > 0; i++) await sleep(100)
}

const notItsFolder = ({ data }: Site) =>
  new CliError('usage', `${data} is not the data folder of that server: name it with --data DIR. Nothing was deleted`)

async function versionsLeft(collection: TaxiiCollection, id: string): Promise<number> {
  let count = 0
  for await (const page of collection.manifest({ ids: [id], versions: ['all'] })) count += page.items.length
  return count
}

type Deletion = { seq: number; kind: string; deleted_by?: number; index?: number; level?: string; error?: string }
type Report = {
  proven: boolean
  records: Deletion[]
  /** Records of other objects that name the id; undefined while versions of the object itself are left. */
  named_by: number | undefined
  /** Of how many of the records ledgers have copies, whose keys were looked for as well. */
  keys?: number
  search: Searched & { folder: string; needles: number; left_out: number }
}

async function prove(
  site: Site,
  connection: Connection,
  watch: Watch,
  before: { rows: RecordRow[]; keys: RecordKey[] },
  extra: Needle[],
  isJson: boolean,
): Promise<Report> {
  const { collection, info } = connection
  const { erased, counts, keys } = await reading(site, async store => {
    const gone: { row: RecordRow; by: RecordRow | undefined }[] = []
    for (const row of before.rows) {
      const now = await store.recordAt(row.leaf)
      if (now && now.text !== null) continue
      gone.push({ row, by: now?.superseded == null ? undefined : await store.recordAt(now.superseded) })
    }
    const lost = new Set(gone.map(({ row }) => row.seq))
    const goneKeys = before.keys.filter(({ seq }) => lost.has(seq))
    await keysGone(site, connection, goneKeys)
    const traces = [
      ...gone.flatMap(({ row }) => tracesOf(Buffer.from(row.text as Uint8Array))),
      ...goneKeys.map(({ seq, key }) => ({ what: `the key of record ${seq} on ledgers`, bytes: Buffer.from(key) })),
    ]
    return { erased: gone, counts: await countInRecords(store, traces), keys: goneKeys.length }
  })
  const records: Deletion[] = []
  for (const { row, by } of erased) records.push(await proveDeletion(site, collection, watch, info.id, row, by))
  // What living records have as well proves nothing: it is looked for no further.
  const needles = [...counts].filter(([, count]) => count === 0).map(([needle]) => needle)
  const search = await searchAgain(site, [...needles, ...extra], isJson)
  const isWhole = erased.length === before.rows.length
  const idCount = [...counts].find(([needle]) => needle.what === 'the id')?.[1] ?? 0
  return {
    proven: records.length > 0 && records.every(r => r.error === undefined) && search.found.length === 0,
    records,
    named_by: isWhole ? idCount : undefined,
    ...(keys > 0 ? { keys } : {}),
    search: {
      folder: site.data,
      needles: needles.length + extra.length,
      left_out: counts.size - needles.length,
      ...search,
    },
  }
}

const CHUNK = 1000

/** In how many records that are there each of these stands. */
async function countInRecords(store: Store, needles: Needle[]): Promise<Map<Needle, number>> {
  const unique = [...new Map(needles.map(n => [n.bytes.toString('latin1'), n])).values()]
  const counts = new Map(unique.map(n => [n, 0]))
  const matcher = createMatcher(unique)
  for (const { number } of await store.collections()) {
    for (let from = 0; ; ) {
      const rows = await store.records(number, { from, limit: CHUNK, text: 'all' })
      for (const { text } of rows) {
        const inThis = new Set<Needle>()
        if (text) matcher.match(text, needle => inThis.add(needle))
        for (const needle of inThis) counts.set(needle, (counts.get(needle) as number) + 1)
      }
      if (rows.length < CHUNK) break
      from = (rows.at(-1) as RecordRow).seq + 1
    }
  }
  return counts
}

/** The log has a record that says that this one was deleted: by the place that the store names, proven by the server, against the key that is believed. */
async function proveDeletion(
  site: Site,
  collection: TaxiiCollection,
  watch: Watch,
  collectionId: string,
  row: RecordRow,
  by: RecordRow | undefined,
): Promise<Deletion> {
  const of = { seq: row.seq, kind: row.kind }
  if (!by) return { ...of, error: 'the row went, and no record of its deletion is named' }
  try {
    const proof = await collection.recordProof(by.seq)
    const { record, index, level } = verifyObject(proof, site.trust)
    await watch.check(checkpointIn(proof))
    const says = 'deleted' in record && record.collection === collectionId ? record.deleted.seq : undefined
    if (says !== row.seq)
      return { ...of, deleted_by: by.seq, error: `record ${by.seq} does not say that ${row.seq} was deleted` }
    return { ...of, deleted_by: by.seq, index, level }
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    return { ...of, deleted_by: by.seq, error: error.message }
  }
}

/** How often, and after how long, what is found is looked for again: while somebody reads the store, its write-ahead log is not emptied. */
const TRIES = 4
const PAUSE_MS = 750

async function searchAgain(site: Site, needles: Needle[], isJson: boolean): Promise<Searched> {
  const progress = createProgress(isJson)
  try {
    for (let i = 1; ; i++) {
      const result = await searchFolders(site.folders, needles, bytes =>
        progress.update(bytes, bytes, `bytes of ${site.data} searched`),
      )
      if (i === TRIES || !result.found.some(isWriteAhead)) return result
      await sleep(PAUSE_MS)
    }
  } finally {
    progress.end()
  }
}

const isWriteAhead = ({ file }: Found): boolean => file.endsWith('-wal')

function erasedLines(d: { url: string; id: string; versions: string[]; versions_left: number }): string[] {
  const lines = [`erased ${d.id} (${d.versions.join(', ')}) from ${d.url}`]
  if (d.versions_left > 0)
    lines.push(`  ${counted(d.versions_left, 'version')} of it left: "--version all" erases all of them`)
  return lines
}

function toLines({ proven, records, named_by: namedBy, keys, search }: Report): string[] {
  const rows = records.map(r => [
    `  record ${r.seq}`,
    r.kind,
    r.error === undefined
      ? `deleted by record ${r.deleted_by}: ${r.level}, entry ${r.index} of the log`
      : `NOT PROVEN: ${r.error}`,
  ])
  const others =
    namedBy === undefined || namedBy === 0
      ? []
      : [`  the id still stands in ${counted(namedBy, 'record')} of other objects, which are not part of it`]
  const leftOut = search.left_out > 0 ? ` (${search.left_out} left out that other records have as well)` : ''
  return [
    ...(rows.length > 0 ? table(rows) : ['  NOT PROVEN: nothing went from the store']),
    `  searched ${counted(search.files, 'file')} of ${search.folder}, ${counted(search.bytes, 'byte')}, for ${counted(search.needles, 'trace')}${leftOut}`,
    ...search.found.map(f => `  FOUND ${f.what} in ${f.file} at byte ${f.offset}`),
    ...others,
    ...(keys === undefined
      ? []
      : [`  ledgers keep ${counted(keys, 'record')} of it encrypted; the search was for the keys as well`]),
    proven ? '  proven: nothing of it was found, and the log says that it was deleted' : '  not proven',
  ]
}
