import { randomUUID } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import {
  believe,
  checkpointIn,
  type ObjectQuery,
  type RecordSink,
  serverLog,
  streamVerified,
  type StixObject,
  type TaxiiCollection,
  type Watch,
} from '@entente/client'
import { verifyCoseReceipt } from '@entente/verify/cose'
import { believedKeys, type Trust, verifyObject } from '@entente/verify/proof'
import type { Args } from '../commands.ts'
import { type Connection, connect } from '../connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { openWatch } from '../memory.ts'
import { openOutput, type Output } from '../output.ts'
import { counted, note, print } from '../print.ts'
import { createProgress } from '../progress.ts'
import { readTrustOptions } from '../trust.ts'
import { integerOf, isSet, listOf, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
const FORMATS = ['bundle', 'envelope', 'lines'] as const
type Format = (typeof FORMATS)[number]

/** Reads objects of a collection, the proof of one, or a whole collection with its proof. */
export async function run({ values, positionals: given }: Args): Promise<number> {
  const [address = ''] = positionals(given, ['URL'], 'get URL [--type T] [--id ID] [--out FILE]')
  const { url, id } = splitObjectUrl(address)
  const isProof = isSet(values, 'proof')
  const isCose = isSet(values, 'cose')
  const isRecords = isSet(values, 'records')
  const ids = [...(id === undefined ? [] : [id]), ...(listOf(values, 'id') ?? [])]
  const format = readFormat(values)
  if ([isProof, isCose, isRecords].filter(chosen => chosen).length > 1)
    throw new CliError('usage', '--proof and --cose are of one object, --records of all: choose one')
  if ((isProof || isCose) && ids.length !== 1)
    throw new CliError('usage', `--${isProof ? 'proof' : 'cose'} needs one object: --id ID, or the URL of the object`)
  const query: ObjectQuery = {
    ids: ids.length > 0 ? ids : undefined,
    types: listOf(values, 'type'),
    versions: listOf(values, 'version'),
    specVersions: listOf(values, 'spec-version'),
    addedAfter: textOf(values, 'added-after'),
  }
  const limit = integerOf(values, 'limit', 1)
  if (textOf(values, 'from-ledger') !== undefined) return saveFromLedger(url, ids, format, limit, values)
  const connection = await connect(url, values)
  const { collection, info } = connection
  if (!info.can_read) throw new CliError('no', `you may not read ${collection.url} ("${info.title}")`)
  const trust = readTrustOptions(values)
  const watch = openWatch(values, serverLog(connection.client), trust?.vkeys)
  // Before anything is read: who goes on from a log that was rolled back or forked believes it.
  const seen = await watch.head()
  const pinned = trust && seen ? believe(seen, trust) : trust
  if (isProof) return saveProof(connection, ids[0] as string, watch, pinned, values)
  if (isCose) return saveCoseReceipt(connection, ids[0] as string, watch, pinned, values)
  if (isRecords) return saveRecords(connection, watch, pinned, seen?.vkey, values)
  return saveObjects(collection, query, limit, format, values)
}

/** `…/collections/C/objects/ID/` is object ID of that collection. */
function splitObjectUrl(address: string): { url: string; id?: string } {
  const match = /^(.{1,4000}\/collections\/[^/?#]+\/)objects\/(?:([^/?#]+)\/?)?$/.exec(address)
  if (!match) return { url: address }
  return { url: match[1] as string, ...(match[2] === undefined ? {} : { id: decodeURIComponent(match[2]) }) }
}

function readFormat(values: Values): Format {
  const format = (textOf(values, 'format') ?? 'bundle') as Format
  if (!FORMATS.includes(format)) throw new CliError('usage', `--format is "${format}": ${FORMATS.join(', ')} are known`)
  return format
}

const FRAMES: Record<Format, { head: () => string; between: string; tail: string; empty: () => string }> = {
  // A bundle or envelope without objects has no such list (STIX 2.1 section 8, TAXII 2.1 section 3.7).
  bundle: {
    head: () => `{"type":"bundle","id":"bundle--${randomUUID()}","objects":[\n`,
    between: ',\n',
    tail: '\n]}\n',
    empty: () => `{"type":"bundle","id":"bundle--${randomUUID()}"}\n`,
  },
  envelope: { head: () => '{"objects":[\n', between: ',\n', tail: '\n]}\n', empty: () => '{}\n' },
  lines: { head: () => '', between: '\n', tail: '\n', empty: () => '' },
}

/** Written page by page, so a collection of any size needs the memory of a page. */
async function saveObjects(
  collection: TaxiiCollection,
  query: ObjectQuery,
  most: number | undefined,
  format: Format,
  values: Values,
): Promise<number> {
  const file = textOf(values, 'out')
  let withheld = 0
  async function* pages(): AsyncGenerator<StixObject[]> {
    const sized = most === undefined ? query : { ...query, limit: Math.min(most, 1000) }
    for await (const page of collection.objects(sized)) {
      withheld += page.withheld
      yield page.items
    }
  }
  const count = await writeObjects(pages(), { file, format, most, ids: query.ids })
  if (file !== undefined)
    print(isSet(values, 'json'), { url: collection.url, objects: count, withheld, out: file }, () => [
      `${counted(count, 'object')} in ${file}`,
    ])
  return withheld > 0 ? sayWithheld(withheld) : EXIT.yes
}

/** @returns how many were written */
async function writeObjects(
  pages: AsyncIterable<StixObject[]>,
  options: { file: string | undefined; format: Format; most: number | undefined; ids: readonly string[] | undefined },
): Promise<number> {
  const { file, format, most = Number.POSITIVE_INFINITY, ids } = options
  const { head, between, tail, empty } = FRAMES[format]
  const output = openOutput(file)
  let count = 0
  try {
    for await (const page of pages) {
      const items = page.slice(0, most - count)
      if (items.length > 0)
        await output.write((count === 0 ? head() : between) + items.map(o => JSON.stringify(o)).join(between))
      count += items.length
      if (count === most) break
    }
    if (count === 0 && ids) throw new CliError('no', `the collection has no such object: ${ids.join(', ')}`)
    await output.write(count === 0 ? empty() : tail)
    output.commit()
    return count
  } catch (error) {
    output.discard()
    throw error
  }
}

/** Every version of every object that a ledger has, from the ledger and the keys alone: no server is asked, and no store is needed. */
async function saveFromLedger(
  address: string,
  ids: string[],
  format: Format,
  most: number | undefined,
  values: Values,
): Promise<number> {
  const file = textOf(values, 'out')
  const types = listOf(values, 'type')
  const { openFromLedger } = await import('../from-ledger.ts')
  const source = await openFromLedger(address, values)
  const progress = createProgress(isSet(values, 'json'))
  async function* pages(): AsyncGenerator<StixObject[]> {
    let read = 0
    for await (const object of source.objects()) {
      progress.update(++read, source.count, 'records read')
      const isWanted = (ids.length === 0 || ids.includes(object.id)) && (types?.includes(object.type) ?? true)
      if (isWanted) yield [object]
    }
  }
  try {
    const count = await writeObjects(pages(), { file, format, most, ids: ids.length > 0 ? ids : undefined })
    progress.end()
    if (file !== undefined)
      print(isSet(values, 'json'), { ledger: source.ledger, objects: count, out: file }, () => [
        `${counted(count, 'object')} of ledger ${source.ledger} in ${file}, each as it was logged`,
      ])
    return EXIT.yes
  } finally {
    await source.close()
  }
}

function sayWithheld(count: number): number {
  const does = count === 1 ? 'does' : 'do'
  note(`entente get: the server withheld ${counted(count, 'record')} that ${does} not match its log: this is not all`)
  return EXIT.evidence
}

async function saveProof(
  { collection }: Connection,
  id: string,
  watch: Watch,
  trust: Trust | undefined,
  values: Values,
): Promise<number> {
  const proof = await collection.proof(id, versionOf(values))
  if (!isSet(values, 'no-verify')) await watch.check(checkpointIn(proof))
  const checked = trust && !isSet(values, 'no-verify') ? verifyObject(proof, trust) : undefined
  const file = textOf(values, 'out')
  await save(file, `${JSON.stringify(proof, null, 2)}\n`)
  if (file === undefined) return EXIT.yes
  print(isSet(values, 'json'), { url: collection.url, id, out: file, level: checked?.level ?? null }, () => [
    checked
      ? `proof of ${id} in ${file}: ${checked.level}, against the key that you gave`
      : `proof of ${id} in ${file}, not checked: "entente verify ${file} --key VKEY" does`,
  ])
  return EXIT.yes
}

/** A COSE receipt says nothing of the object: it is checked together with the proof of the same version, and kept alone. */
async function saveCoseReceipt(
  { collection }: Connection,
  id: string,
  watch: Watch,
  trust: Trust | undefined,
  values: Values,
): Promise<number> {
  const version = versionOf(values)
  const receipt = await collection.coseReceipt(id, version)
  const isChecked = trust !== undefined && !isSet(values, 'no-verify')
  if (isChecked) {
    const proof = await collection.proof(id, version)
    await watch.check(checkpointIn(proof))
    verifyCoseReceipt(receipt, verifyObject(proof, trust).commitment, believedKeys(trust))
  }
  const file = textOf(values, 'out')
  await save(file, receipt)
  if (file === undefined) return EXIT.yes
  print(isSet(values, 'json'), { url: collection.url, id, out: file, verified: isChecked }, () => [
    isChecked
      ? `COSE receipt of ${id} in ${file}, checked against the key that you gave`
      : `COSE receipt of ${id} in ${file}, not checked: "entente verify PROOF ${file} --key VKEY" does`,
  ])
  return EXIT.yes
}

/** The one version that a proof is of. */
function versionOf(values: Values): string | undefined {
  const versions = listOf(values, 'version')
  if (versions && versions.length > 1) throw new CliError('usage', 'a proof is of one version')
  return versions?.[0]
}

async function saveRecords(
  { client, collection }: Connection,
  watch: Watch,
  pinned: Trust | undefined,
  vkey: string | undefined,
  values: Values,
): Promise<number> {
  const file = textOf(values, 'out')
  const progress = createProgress(isSet(values, 'json'))
  const onProgress = (done: number, total: number) => progress.update(done, total, 'records read')
  const withheld = { access: 0, deleted: 0, integrity: 0 }
  const saved = createSavedRead(file)
  let summary: Record<string, unknown>
  try {
    if (isSet(values, 'no-verify')) {
      const proof = await collection.collectionProof()
      const { count = 0 } = proof as { count?: number }
      await saved.begin(proof)
      let done = 0
      for await (const page of collection.records(0, { end: count })) {
        await saved.page(page)
        done += page.length
        onProgress(done, count)
      }
      summary = { records: done, verified: false }
    } else {
      const trust = pinned ?? { vkeys: [vkey ?? (await client.logKey())] }
      const sink: RecordSink = {
        begin: proof => {
          Object.assign(withheld, { access: 0, deleted: 0, integrity: 0 })
          return saved.begin(proof)
        },
        page: (records, read) => {
          for (const r of read) if ('withheld' in r) withheld[r.withheld]++
          return saved.page(records)
        },
      }
      const { checkpoint, count, level } = await streamVerified(collection, trust, sink, { onProgress, watch })
      summary = {
        records: count,
        verified: true,
        pinned: pinned !== undefined,
        level,
        origin: checkpoint.origin,
        size: checkpoint.size,
        withheld: withheld.access + withheld.deleted + withheld.integrity,
        ...(withheld.access > 0 ? { hidden: withheld.access } : {}),
      }
    }
    await saved.end()
  } catch (error) {
    saved.discard()
    throw error
  } finally {
    progress.end()
  }
  if (file !== undefined)
    print(isSet(values, 'json'), { url: collection.url, out: file, ...summary }, () => recordLines(summary, file))
  return withheld.integrity > 0 ? sayWithheld(withheld.integrity) : EXIT.yes
}

/**
 * docs/formats.md 10, written page by page. On the standard output a read that has begun can't begin again, so there it goes by way of a file.
 */
function createSavedRead(file: string | undefined) {
  const path = file ?? join(mkdtempSync(join(tmpdir(), 'entente-get-')), 'read.json')
  let output: Output | undefined
  let count = 0
  return {
    begin: async (proof: object) => {
      output?.discard()
      output = openOutput(path)
      count = 0
      await output.write(`{"format":"entente/read/v1","proof":${JSON.stringify(proof)},"records":[`)
    },
    page: async (records: unknown[]) => {
      const text = records.map(r => JSON.stringify(r)).join(',\n')
      await output?.write(count === 0 ? text : `,\n${text}`)
      count += records.length
    },
    end: async () => {
      await output?.write(']}\n')
      output?.commit()
      output = undefined
      if (file !== undefined) return
      await pipeline(createReadStream(path), process.stdout, { end: false })
      rmSync(dirname(path), { recursive: true })
    },
    discard: () => {
      output?.discard()
      if (file === undefined) rmSync(dirname(path), { recursive: true, force: true })
    },
  }
}

function recordLines(summary: Record<string, unknown>, file: string): string[] {
  const head = `${counted(summary['records'] as number, 'record')} in ${file}`
  if (summary['verified'] === false) return [`${head}, not checked (--no-verify)`]
  const hidden = (summary['hidden'] ?? 0) as number
  const content = hidden > 0 ? `, ${counted(hidden, 'commitment')} in place of what you may not see` : ''
  const what = `${head}${content}: ${summary['level'] as string}, nothing left out up to size ${summary['size'] as number} of ${summary['origin'] as string}`
  if (summary['pinned'] === true) return [what]
  return [
    what,
    'Checked against the key that the server itself gave, so only for agreement with itself: pin the key with --key,',
    `now or later ("entente verify ${file} --key VKEY").`,
  ]
}

async function save(file: string | undefined, text: string | Uint8Array): Promise<void> {
  const output = openOutput(file)
  await output.write(text)
  output.commit()
}
