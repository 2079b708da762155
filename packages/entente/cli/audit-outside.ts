import { type BrokenReceipt, checkReceipts, type LogSource } from '@entente/client'
import { TlogError } from '@entente/verify/tlog'
import type { Store } from '#store/store.ts'
import { openLedgers } from './ask-ledgers.ts'
import { compareLedgers, readLedgers } from './audit-ledgers.ts'
import { CliError } from './errors.ts'
import { comparison, evidenceIn, openWatch, saveEvidence } from './memory.ts'
import { counted } from './print.ts'
import type { Progress } from './progress.ts'
import { readReceipts } from './receipts.ts'
import { listOf, textOf } from './values.ts'

type Values = Record<string, unknown>

/** What no look at the log alone can tell: whether it is still the one that was seen, and holds what it gave receipts for. */
export type Outside = { problems: OutsideProblem[]; json: Record<string, unknown>; lines: string[] }
export type OutsideProblem = {
  kind: 'memory' | 'receipt' | 'log' | 'ledger'
  message: string
  logIndex?: number
  evidence?: string
}

export async function checkOutside(
  source: LogSource,
  values: Values,
  vkeys: readonly string[] | undefined,
  progress: Progress,
): Promise<Outside> {
  const notes = (listOf(values, 'receipts') ?? []).flatMap(readReceipts)
  const out: Outside = { problems: [], json: {}, lines: [] }
  const isLocal = textOf(values, 'url') === undefined
  const watch = openWatch(values, source, vkeys)
  const asked = await openLedgers(listOf(values, 'ledger') ?? [])
  let isRemembered = true
  try {
    // Before the checkpoint that they are held against, or they could be ahead of it.
    const ledgers = await readLedgers(source.name, asked, values)
    const seen = await watch.head()
    if (!seen) return out
    const compared = comparison(seen)
    out.json = isLocal ? {} : { origin: seen.origin, size: seen.size, key: seen.key }
    if (!isLocal)
      out.lines.push(
        `${seen.origin}: size ${seen.size}, key ${seen.key === 'first-use' ? 'as the server gave it' : seen.key}`,
      )
    if (compared) {
      out.json['remembered'] = compared.json
      out.lines.push(`  memory: ${compared.words}`)
    }
    const { problems, json, lines } = await compareLedgers(source, seen, ledgers, values)
    out.problems.push(...problems)
    if (json.length > 0) out.json['ledgers'] = json
    out.lines.push(...lines)
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== 'evidence') throw error
    isRemembered = false
    out.problems.push({ kind: 'memory', message: error.message, ...error.details })
    out.lines.push(`${source.name}: not the log that is remembered`)
  } finally {
    for (const { reader } of asked) await reader.close()
  }
  if (notes.length === 0) return out
  // A log that is not the one that is remembered is looked at once more, by itself: what does it lack?
  const alone = isRemembered ? watch : openWatch({ ...values, memory: undefined, 'no-memory': true }, source, vkeys)
  const head = await alone.head()
  if (!head) return out
  const onProgress = (done: number, total: number) => progress.update(done, total, 'receipts checked')
  try {
    const { receipts, entries, broken } = await checkReceipts(source, head, notes, { onProgress })
    const [first] = broken
    const file = first && (await saveEvidence(first.evidence, values))
    out.json['receipts'] = { receipts, entries, broken: broken.length }
    out.lines.push(
      `  receipts: ${counted(receipts, 'receipt')} for ${counted(entries, 'object')}, ${broken.length} not kept`,
    )
    out.problems.push(...broken.map(b => toProblem(b, b === first ? file : undefined)))
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    out.problems.push({ kind: 'log', message: `the log does not show what it has: ${error.message}` })
  }
  return out
}

const toProblem = ({ status, index, message }: BrokenReceipt, evidence: string | undefined): OutsideProblem => ({
  kind: 'receipt',
  message: `${message}; the receipt of status ${status} promised it${evidence === undefined ? '' : `\n${evidenceIn(evidence)}`}`,
  logIndex: index,
  ...(evidence === undefined ? {} : { evidence }),
})

/** The log as it lies in a store. */
export function storeLog(store: Store, vkey: string, folder: string, successions: readonly string[] = []): LogSource {
  return {
    name: folder,
    checkpoint: async () => (await store.head())?.note,
    key: async () => vkey,
    successions: async () => successions,
    tile: async ({ level, index, width }) => {
      const data = level === 'entries' ? await store.entryBundle(index) : await store.tile(0, level, index)
      if (!data) throw new TlogError('tile', `the store has no ${level} tile ${index}`)
      return level === 'entries' ? data : data.subarray(0, width * 32)
    },
  }
}
