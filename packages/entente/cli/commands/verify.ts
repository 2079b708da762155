import { closeSync, createReadStream, openSync, readFileSync, readSync } from 'node:fs'
import { believe, checkpointIn, createTaxiiClient, serverLog, type Watch } from '@entente/client'
import { JsonError, openLongArray, parseObjects, parseStrict } from '@entente/verify/json'
import { verifyCoseReceipt } from '@entente/verify/cose'
import {
  believedKeys,
  type Evidence,
  type EvidenceLevel,
  formatLevel,
  type MinedBlock,
  ProofError,
  readCollection,
  type ReadRecord,
  type Trust,
  type VerifiedHead,
  verifyCollection,
  verifyCollectionProof,
  verifyObject,
  verifyReceipt,
  verifyWithheld,
} from '@entente/verify/proof'
import { type Asked, askLedgers, openLedgers } from '../ask-ledgers.ts'
import type { Args } from '../commands.ts'
import { describeDisagreement } from '../disagreement.ts'
import { CliError, EXIT } from '../errors.ts'
import { comparison, memoryFolder, openWatch } from '../memory.ts'
import { counted, print } from '../print.ts'
import { noKey, readTrustOptions } from '../trust.ts'
import { integerOf, isSet, textOf } from '../values.ts'

/** What a file proves. `lines` is the same in words; `checkpoint`, a signed note, is what it is proven under. */
type Proven = {
  kind: string
  level: string
  lines: string[]
  checkpoint?: string
  /** As it was verified, where ledgers can add to it. */
  evidence?: Evidence
  [detail: string]: unknown
}
type Result = ({ file: string; ok: true } & Proven) | { file: string; ok: false; code: string; error: string }

/**
 * Checks evidence: all that is believed is what the options say, and what is remembered of its log. Nobody is asked, but for the server of
 * --url, whether its log is still the one of the evidence.
 */
export async function run({ values, positionals: files }: Args): Promise<number> {
  if (files.length === 0) throw new CliError('usage', 'FILE is missing: a proof, a saved read, or receipts')
  const given = readTrustOptions(values)
  if (!given) throw noKey('verify')
  const url = textOf(values, 'url')
  const watch = openWatch(values, url === undefined ? undefined : serverLog(createTaxiiClient({ url })), given.vkeys)
  const seen = url === undefined ? undefined : await watch.head()
  if (url !== undefined && !seen) throw new CliError('no', `${url} shows no log`)
  const trust = seen ? believe(seen, given) : given
  const isKept = memoryFolder(values) !== undefined || url !== undefined
  const ledgers = await openLedgers((values['ledger'] ?? []) as string[])
  const depth = integerOf(values, 'ledger-depth', 0)
  const results: Result[] = []
  const entries: Uint8Array[] = []
  try {
    for (const file of files)
      results.push(
        await verifyFile(file, trust, watch, isKept, entries, evidence => askLedgers(evidence, ledgers, depth)),
      )
  } finally {
    for (const { reader } of ledgers) await reader.close()
  }
  const ok = results.every(r => r.ok)
  print(isSet(values, 'json'), { ok, results: results.map(withoutLines) }, () => results.flatMap(toLines))
  return ok ? EXIT.yes : EXIT.evidence
}

async function verifyFile(
  file: string,
  trust: Trust,
  watch: Watch,
  isKept: boolean,
  entries: Uint8Array[],
  ask: (evidence: Evidence) => Promise<Asked>,
): Promise<Result> {
  try {
    const { checkpoint, evidence, ...offline } =
      (await verifySavedRead(file, trust)) ?? verify(read(file), trust, entries)
    const asked = evidence && (await ask(evidence))
    const proven = asked?.ledgers.length ? { ...offline, ...asked, lines: [...offline.lines, ...asked.lines] } : offline
    const seen = checkpoint === undefined ? undefined : await watch.check(checkpoint)
    const compared = isKept && seen ? comparison(seen) : undefined
    if (!compared) return { file, ok: true, ...proven }
    return { file, ok: true, ...proven, remembered: compared.json, lines: [...proven.lines, compared.words] }
  } catch (error) {
    if (error instanceof CliError && error.code === 'evidence')
      return { file, ok: false, code: 'disagreement', error: error.message, ...error.details }
    if (!(error instanceof ProofError) || error.code === 'trust') throw error
    return { file, ok: false, code: error.code, error: error.message }
  }
}

function read(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file)
  } catch (cause) {
    throw new CliError('usage', (cause as Error).message, { cause })
  }
}

const MAX_BYTES = 402_653_184
const RECEIPT = Buffer.from('entente/receipt/v1\n')

/** @param entries of the log, of the objects that were verified so far: a COSE receipt is of one of them */
function verify(bytes: Buffer, trust: Trust, entries: Uint8Array[]): Proven {
  if (bytes[0] === TAG_COSE_SIGN1) return ofCoseReceipt(bytes, trust, entries)
  if (bytes.subarray(0, RECEIPT.length).equals(RECEIPT)) return verifyReceipts([bytes.toString()], trust)
  let value: unknown
  try {
    value = parseStrict(bytes, { maxBytes: MAX_BYTES, maxDepth: 80 })
  } catch (cause) {
    throw malformed(cause)
  }
  const file = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const { format, kind, receipts } = file
  if (format === 'entente/proof/v1' && kind === 'object') return ofObject(file, trust, entries)
  if (format === 'entente/proof/v1' && kind === 'withheld') return ofWithheld(file, trust)
  if (format === 'entente/proof/v1' && kind === 'collection') return ofCollectionProof(file, trust)
  if (format === 'entente/read/v1') return ofRead(file, trust)
  if (format === 'entente/receipts/v1' && Array.isArray(receipts)) return verifyReceipts(receipts, trust)
  if (format === 'entente/evidence/v1') return describeDisagreement(file, trust)
  throw new ProofError(
    'malformed',
    `its format is ${JSON.stringify(format)?.slice(0, 60) ?? 'not said'}: a proof, a saved read, receipts or evidence (docs/formats.md) are known`,
  )
}

const malformed = (cause: unknown) =>
  cause instanceof JsonError
    ? new ProofError('malformed', `this is no evidence that Entente writes: ${cause.message}`, { cause })
    : cause

async function asJson<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw malformed(cause)
  }
}

/** RFC 9052 section 4.2; nothing else that is verified here begins so. */
const TAG_COSE_SIGN1 = 0xd2

function ofCoseReceipt(bytes: Buffer, trust: Trust, entries: Uint8Array[]): Proven {
  if (entries.length === 0)
    throw new ProofError('malformed', 'a COSE receipt names no object: give the proof of its object before it')
  const keys = believedKeys(trust)
  let failure: unknown
  for (const entry of entries) {
    try {
      const { key, index } = verifyCoseReceipt(bytes, entry, keys)
      const commitment = Buffer.from(entry).toString('base64')
      const words = `entry ${index} of ${key.name}, ${commitment}: the object whose proof came before it`
      return { kind: 'COSE receipt', level: 'logged', origin: key.name, index, commitment, lines: [words] }
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function ofObject(file: object, trust: Trust, entries: Uint8Array[]): Proven {
  const proven = verifyObject(file, trust)
  entries.push(proven.commitment)
  const { record, index } = proven
  const what = 'object' in record ? 'object' : 'deleted' in record ? 'deletion' : 'equivocation'
  const named = 'id' in record ? { id: record.id, version: record.version } : {}
  return {
    kind: what,
    checkpoint: checkpointIn(file),
    level: proven.level,
    ...named,
    date_added: record.date_added,
    api_root: record.api_root,
    collection: record.collection,
    seq: record.seq,
    index,
    ...evidence(proven),
    lines: [
      ...('id' in record ? [`${what} ${record.id}`, `version ${record.version}`] : [what]),
      `record ${record.seq} of ${record.api_root}collections/${record.collection}/, added ${record.date_added}${'imported' in record ? ' (a date taken over from another server)' : ''}`,
      `entry ${index} of the log; ${inWords(proven)}`,
      ...anchorLines(proven),
    ],
  }
}

function ofWithheld(file: object, trust: Trust): Proven {
  const proven = verifyWithheld(file, trust)
  const { seq, index } = proven
  const commitment = Buffer.from(proven.commitment).toString('base64')
  return {
    kind: 'withheld record',
    checkpoint: checkpointIn(file),
    level: proven.level,
    reason: proven.withheld,
    seq,
    index,
    commitment,
    ...evidence(proven),
    lines: [
      `a record that whoever asked may not see: the server says that it is number ${seq} of its collection`,
      `entry ${index} of the log is its commitment, ${commitment}; ${inWords(proven)}`,
      ...anchorLines(proven),
    ],
  }
}

function ofCollectionProof(file: object, trust: Trust): Proven {
  const proven = verifyCollectionProof(file, trust)
  const { apiRoot, collection, count } = proven
  return {
    kind: 'collection',
    checkpoint: checkpointIn(file),
    level: proven.level,
    api_root: apiRoot,
    collection,
    count,
    ...evidence(proven),
    lines: [
      `${apiRoot}collections/${collection}/ has ${counted(count, 'record')}`,
      inWords(proven),
      ...anchorLines(proven),
    ],
  }
}

/** What `entente get --records` writes begins so. */
const READ = Buffer.from('{"format":"entente/read/v1",')
/** Of the proof, and of each record: more than a server takes in one request. */
const MAX_RECORD_BYTES = 134_217_728
const CHUNK_BYTES = 1_048_576
const MAX_GROUP_BYTES = MAX_RECORD_BYTES + 2 * CHUNK_BYTES

/** A saved read is verified as it comes from the file: it may be larger than the memory. Undefined where the file is something else. */
async function verifySavedRead(file: string, trust: Trust): Promise<Proven | undefined> {
  if (file === '-' || !beginsWith(file, READ)) return undefined
  const { envelope, elements } = await asJson(() =>
    openLongArray(createReadStream(file, { highWaterMark: CHUNK_BYTES }), 'records', { maxBytes: MAX_RECORD_BYTES }),
  )
  const members = envelope as Record<string, unknown>
  const other = Object.keys(members).find(key => !['format', 'proof', 'records'].includes(key))
  if (other !== undefined) throw new ProofError('malformed', `a saved read has no member ${JSON.stringify(other)}`)
  const reading = readCollection(members['proof'] as object, trust)
  const counts = createCounts()
  await asJson(async () => {
    for await (const texts of elements) {
      const group = Buffer.from(`{"records":[${texts.join(',')}]}`)
      const { envelope: parsed, canonical } = parseObjects(group, 'records', {
        maxDepth: 80,
        maxBytes: MAX_GROUP_BYTES,
      })
      const records = parsed['records'] as unknown[]
      records.forEach((record, i) => counts.add(reading.take(record, canonical[i])))
    }
  })
  reading.end()
  return toProven(reading.head, members['proof'], counts)
}

function beginsWith(file: string, bytes: Buffer): boolean {
  const found = Buffer.alloc(bytes.length)
  try {
    const fd = openSync(file, 'r')
    try {
      return readSync(fd, found, 0, bytes.length, 0) === bytes.length && found.equals(bytes)
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    throw new CliError('usage', (cause as Error).message, { cause })
  }
}

function createCounts() {
  const withheld = { access: 0, deleted: 0, integrity: 0 }
  const held = { objects: 0, deletions: 0, equivocations: 0 }
  return {
    withheld,
    held,
    add: (item: ReadRecord): void => {
      if ('withheld' in item) withheld[item.withheld]++
      else held['object' in item.record ? 'objects' : 'deleted' in item.record ? 'deletions' : 'equivocations']++
    },
  }
}

function ofRead(file: Record<string, unknown>, trust: Trust): Proven {
  const proven = verifyCollection(file, trust)
  const counts = createCounts()
  for (const item of proven.records) counts.add(item)
  return toProven(proven, file['proof'], counts)
}

function toProven(proven: VerifiedHead, proof: unknown, { held, withheld }: ReturnType<typeof createCounts>): Proven {
  const { apiRoot, collection, count } = proven
  const hidden = Object.entries(withheld).filter(([, n]) => n > 0)
  return {
    kind: 'read',
    checkpoint: checkpointIn(proof),
    level: proven.level,
    api_root: apiRoot,
    collection,
    count,
    ...held,
    withheld,
    ...evidence(proven),
    lines: [
      `${apiRoot}collections/${collection}/ with all of its ${counted(count, 'record')}: nothing changed, moved or left out`,
      `${counted(held.objects, 'object')}, ${counted(held.deletions, 'deletion')}, ${counted(held.equivocations, 'equivocation')}`,
      ...hidden.map(([reason, n]) => `${counted(n, 'record')} only as commitment: ${reason}`),
      inWords(proven),
      ...anchorLines(proven),
    ],
  }
}

function verifyReceipts(notes: unknown[], trust: Trust): Proven {
  const receipts = notes.map(text => verifyReceipt(String(text), trust.vkeys, trust.successions))
  const entries = receipts.reduce((n, r) => n + r.entries.length, 0)
  const indexes = receipts.flatMap(r => r.entries.map(e => e.index))
  const last = indexes.reduce((a, b) => Math.max(a, b), -1)
  const origins = [...new Set(receipts.map(r => r.origin))]
  return {
    kind: 'receipts',
    level: 'stored',
    origins,
    receipts: receipts.map(r => ({ status: r.status, entries: r.entries.length })),
    entries,
    lines: [
      `${counted(receipts.length, 'receipt')} for ${counted(entries, 'object')}, signed by the log ${origins.join(', ')}`,
      `the log has promised them at entries up to ${last}: a checkpoint larger than that without them would be proven false`,
    ],
  }
}

const evidence = ({ level, checkpoint, witnesses, anchors }: Evidence) => ({
  evidence: { level, checkpoint, witnesses, anchors },
  origin: checkpoint.origin,
  size: checkpoint.size,
  witnesses,
  anchors: anchors.map(({ anchor, sealed, mined, endorsed }) => ({
    ledger: anchor.ledger,
    kind: anchor.kind,
    ...(anchor.block === undefined ? {} : { block: anchor.block }),
    ...(anchor.transaction === undefined ? {} : { transaction: anchor.transaction }),
    proven: (sealed ?? mined ?? endorsed) !== undefined,
    ...(endorsed
      ? { endorsed: { block: endorsed.block, time: timeOf(endorsed), organizations: endorsed.organizations } }
      : {}),
    ...(mined
      ? {
          mined: {
            block: mined.height,
            time: timeOf(mined),
            blocks_on_top: mined.depth,
            work: `0x${mined.work.toString(16)}`,
          },
        }
      : {}),
  })),
})

const timeOf = ({ timestamp }: Pick<MinedBlock, 'timestamp'>) =>
  new Date(timestamp * 1000).toISOString().replace('.000Z', 'Z')

function inWords({ checkpoint, witnesses }: Evidence): string {
  const by = witnesses.known > 0 ? `, cosigned by ${witnesses.cosigned} of ${witnesses.known} witnesses` : ''
  return `checkpoint of size ${checkpoint.size} signed by ${checkpoint.origin}${by}`
}

function anchorLines({ anchors }: Evidence): string[] {
  if (anchors.length === 0) return ['no ledger has been named: only the signature stands for it']
  return anchors.map(({ anchor, sealed, mined, endorsed }) => {
    const at = anchor.block === undefined ? '' : ` block ${anchor.block}`
    if (sealed)
      return `ledger ${anchor.ledger}:${at} sealed by the validators that you pinned, and it holds this checkpoint`
    if (mined)
      return `ledger ${anchor.ledger}: Bitcoin ${anchor.chain_id}, block ${mined.height} of ${timeOf(mined)} with ${mined.depth} on top, holds this checkpoint; it shows since when, and cannot refuse a fork`
    if (endorsed)
      return `ledger ${anchor.ledger}:${at} of ${timeOf(endorsed)}: peers of ${endorsed.organizations.join(' and ')}, which you pinned, signed that they hold this checkpoint`
    return `ledger ${anchor.ledger}:${at} is claimed${(anchor.sealed ?? anchor.bitcoin ?? anchor.endorsed) ? '; pin the ledger with --ledger-pin to prove it, or ask it with --ledger' : '; only asking the ledger with --ledger can tell'}`
  })
}

function toLines(result: Result): string[] {
  if (!result.ok) return [`${result.file}: NOT PROVEN: ${result.error} (${result.code})`]
  const { witnesses } = result as { witnesses?: Evidence['witnesses'] }
  const level = witnesses ? formatLevel(result.level as EvidenceLevel, witnesses) : result.level
  return [`${result.file}: ${level}`, ...result.lines.map(line => `  ${line}`)]
}

function withoutLines(result: Result): object {
  if (!result.ok) return result
  const { lines: _, ...rest } = result
  return rest
}
