import { existsSync } from 'node:fs'
import {
  type Added,
  DEFAULT_BATCH,
  serverLog,
  type Status,
  type StatusDetail,
  type StatusLedger,
} from '@entente/client'
import { parseReceipt } from '@entente/verify/proof'
import { parseNote } from '@entente/verify/tlog'
import type { Args } from '../commands.ts'
import { type Connection, connect } from '../connect.ts'
import { CliError, EXIT, exitName } from '../errors.ts'
import { readObjects } from '../input.ts'
import { openWatch } from '../memory.ts'
import { openOutput } from '../output.ts'
import { counted, print } from '../print.ts'
import { createProgress, type Progress } from '../progress.ts'
import { readReceipts } from '../receipts.ts'
import { readTrustOptions } from '../trust.ts'
import { integerOf, isSet, textOf } from '../values.ts'

const DEFAULT_TIMEOUT_S = 120
/** Failures that text shows; JSON has all. */
const SHOWN = 20

type Summary = {
  url: string
  objects: number
  requests: number
  accepted: number
  refused: number
  /** What was there already; undefined where the server has no receipts to tell. */
  duplicates?: number | undefined
  complete: boolean
  /** How many of the accepted are complete: with ledgers, final on those that the collection asks for. */
  completed: number
  ledgers: StatusLedger[]
  failures: StatusDetail[]
  /** Accepted, with something to say about it. */
  remarks: StatusDetail[]
  receipts?: string | undefined
  error?: string
}

/** Adds the objects of files to a collection (TAXII 2.1 section 5.5) and says what became of each. */
export async function run({ values, positionals: files }: Args): Promise<number> {
  const to = textOf(values, 'to')
  if (to === undefined) throw new CliError('usage', '--to is missing: the URL of a collection, …/collections/ID/')
  if (files.length === 0) throw new CliError('usage', 'FILE is missing: "-" reads standard input')
  if (files.filter(f => f === '-').length + (textOf(values, 'password') === '-' ? 1 : 0) > 1)
    throw new CliError('usage', 'standard input can be read once: for one FILE, or for the password')
  const batch = integerOf(values, 'batch', 1, 100_000) ?? DEFAULT_BATCH
  const timeoutMs = 1000 * (integerOf(values, 'timeout', 1, 1_000_000) ?? DEFAULT_TIMEOUT_S)
  for (const file of files)
    if (file !== '-' && !existsSync(file)) throw new CliError('usage', `there is no file ${file}`)

  const connection = await connect(to, values)
  const { collection, info } = connection
  if (!info.can_write) throw new CliError('no', `you may not write to ${collection.url} ("${info.title}")`)
  const watch = openWatch(values, serverLog(connection.client), readTrustOptions(values)?.vkeys)
  // How long the log is before anything is sent; undefined for a server that has none to show.
  const sizeBefore = (await watch.head())?.size
  const progress = createProgress(isSet(values, 'json'))
  const added: Added[] = []
  let failure: unknown
  try {
    let objects = 0
    async function* read(): AsyncGenerator<object> {
      for (const file of files) {
        for await (const group of readObjects(file)) {
          objects += group.length
          yield* group
        }
      }
    }
    let sent = 0
    for await (const one of collection.send(read(), { batch })) {
      added.push(one)
      sent += one.count
      progress.update(sent, objects, 'objects sent')
    }
    if (isSet(values, 'wait')) await waitForAll(connection, added, timeoutMs, progress)
    // What was taken lies under a checkpoint by now: remembered, it can't be dropped unnoticed.
    await watch.head()
  } catch (error) {
    failure = error
  } finally {
    progress.end()
  }
  if (failure !== undefined && added.length === 0) throw failure

  const receipts = textOf(values, 'receipts')
  if (receipts !== undefined) await keepReceipts(receipts, added)
  const summary = summarize(collection.url, added, sizeBefore, receipts)
  if (failure !== undefined) summary.error = (failure as Error).message
  print(
    isSet(values, 'json'),
    { ...summary, ...(failure === undefined ? {} : { exit: EXIT[exitName(failure)] }) },
    () => toLines(summary, failure, isSet(values, 'wait')),
  )
  if (failure !== undefined) return EXIT[exitName(failure)]
  return summary.refused > 0 ? EXIT.no : EXIT.yes
}

async function waitForAll(
  { collection }: Connection,
  added: Added[],
  timeoutMs: number,
  progress: Progress,
): Promise<void> {
  const until = performance.now() + timeoutMs
  const show = () => {
    const [done, total] = [sum(added, s => s.success_count), sum(added, accepted)]
    progress.update(done, total, 'objects confirmed')
  }
  for (const one of added) {
    one.status = await collection.waitFor(one.status, {
      timeoutMs: Math.max(0, Math.round(until - performance.now())),
      onProgress: status => {
        one.status = status
        show()
      },
    })
  }
}

const accepted = (status: Status): number => status.success_count + status.pending_count
const sum = (added: Added[], of: (status: Status) => number): number =>
  added.reduce((n, { status }) => n + of(status), 0)

function summarize(url: string, added: Added[], sizeBefore: number | undefined, receipts?: string): Summary {
  const statuses = added.sort((a, b) => a.from - b.from).map(a => a.status)
  const taken = statuses.flatMap(s => [...(s.successes ?? []), ...(s.pendings ?? [])])
  return {
    url,
    objects: added.reduce((n, a) => n + a.count, 0),
    requests: added.length,
    accepted: sum(added, accepted),
    refused: sum(added, s => s.failure_count),
    duplicates: countDuplicates(statuses, sizeBefore),
    complete: statuses.every(s => s.status === 'complete'),
    completed: sum(added, s => s.success_count),
    ledgers: mergeLedgers(statuses),
    failures: statuses.flatMap(s => s.failures ?? []),
    remarks: taken.filter(detail => detail.message !== undefined),
    receipts,
  }
}

/**
 * A receipt names the entry of each object: one that lies below the log's size of before, or that another object has already, is that
 * of a duplicate. (What others publish in between counts as new.)
 */
function countDuplicates(statuses: Status[], sizeBefore: number | undefined): number | undefined {
  if (sizeBefore === undefined || statuses.some(s => s.x_entente_receipt === undefined && accepted(s) > 0))
    return undefined
  const seen = new Set<number>()
  let duplicates = 0
  for (const { x_entente_receipt: receipt } of statuses) {
    if (receipt === undefined) continue
    for (const { index } of parseReceipt(parseNote(receipt).text).entries) {
      if (index < sizeBefore || seen.has(index)) duplicates++
      seen.add(index)
    }
  }
  return duplicates
}

/** Where the last of the requests stands on each ledger: a ledger is final for all once it is for each. */
function mergeLedgers(statuses: Status[]): StatusLedger[] {
  const ledgers = new Map<string, StatusLedger>()
  const bySize = [...statuses].sort((a, b) => (a.x_entente?.size ?? 0) - (b.x_entente?.size ?? 0))
  for (const { x_entente: state } of bySize) {
    for (const ledger of state?.ledgers ?? []) {
      const before = ledgers.get(ledger.ledger)
      ledgers.set(ledger.ledger, before && !before.final ? { ...ledger, final: false } : ledger)
    }
  }
  return [...ledgers.values()]
}

/** A file of receipts grows: what it holds is evidence. */
async function keepReceipts(file: string, added: Added[]): Promise<void> {
  const fresh = added.map(a => a.status.x_entente_receipt).filter(r => r !== undefined)
  const kept = existsSync(file) ? readReceipts(file) : []
  const output = openOutput(file)
  await output.write(`${JSON.stringify({ format: 'entente/receipts/v1', receipts: [...kept, ...fresh] }, null, 2)}\n`)
  output.commit()
}

function toLines(s: Summary, failure: unknown, isWaiting: boolean): string[] {
  const known =
    s.duplicates === undefined
      ? []
      : [`${counted(s.accepted - s.duplicates, 'object')} stored, ${s.duplicates.toLocaleString('en-US')} there before`]
  const requests = counted(s.requests, 'request')
  const lines = [
    `${s.url}`,
    `  ${counted(s.objects, 'object')} in ${requests}: ${s.accepted.toLocaleString('en-US')} accepted, ${s.refused.toLocaleString('en-US')} refused`,
    ...known.map(line => `  ${line}`),
    ...s.remarks.slice(0, SHOWN).map(d => `  remark: ${describe(d)}`),
    ...(s.remarks.length > SHOWN ? [`  … and ${s.remarks.length - SHOWN} more remarks (--json shows all)`] : []),
    ...s.failures.slice(0, SHOWN).map(d => `  refused: ${describe(d)}`),
    ...(s.failures.length > SHOWN ? [`  … and ${s.failures.length - SHOWN} more (--json shows all)`] : []),
  ]
  if (s.accepted > 0) lines.push(...ledgerLines(s, isWaiting))
  if (s.receipts !== undefined) lines.push(`  receipts in ${s.receipts}`)
  if (failure !== undefined)
    lines.push(
      `  stopped: ${(failure as Error).message}`,
      '  To run the same again is safe: what is stored already is no error.',
    )
  return lines
}

function ledgerLines({ ledgers, complete, completed, accepted }: Summary, isWaiting: boolean): string[] {
  const state = complete
    ? `all ${counted(accepted, 'accepted object')} complete`
    : `${completed.toLocaleString('en-US')} of ${counted(accepted, 'accepted object')} complete, the others stored and logged${isWaiting ? '' : ' (--wait waits for the ledgers)'}`
  const where = ledgers.map(l => {
    const at = [
      l.block === undefined ? '' : `block ${l.block}`,
      l.transaction === undefined ? '' : `transaction ${l.transaction}`,
    ]
    if (l.final) return `  ledger ${l.ledger}: ${['final', ...at].filter(t => t !== '').join(', ')}`
    return `  ledger ${l.ledger}: not yet${l.error === undefined ? '' : `: ${l.error}`}`
  })
  return [`  ${state}`, ...where]
}

const describe = ({ id, version, message }: StatusDetail): string => `${id} ${version}: ${message ?? 'no reason given'}`
