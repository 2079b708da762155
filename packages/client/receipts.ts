import { type Disagreement, verifyReceipt } from '@entente/verify/proof'
import { encodeBase64, equalHashes } from '@entente/verify/tlog'
import { createEntries } from './entries.ts'
import { ClientError } from './error.ts'
import type { LogSource, SeenCheckpoint } from './watch.ts'

/** What the log did with a line of a receipt. `evidence` is for others (docs/formats.md 12). */
export type BrokenReceipt = { status: string; index: number; message: string; evidence: Disagreement }

export type ReceiptsChecked = { receipts: number; entries: number; broken: BrokenReceipt[] }

/** Broken lines for which evidence is made; one is enough. */
const MAX_BROKEN = 100

/**
 * Checks that the log holds what it signed receipts for: every entry at its index, under `head`, read from the log's own tiles, each of them verified up
 * to the checkpoint.
 *
 * @param head what {@link Watch.head} gave
 * @throws ProofError where a receipt is not signed by the log; TlogError `tile` where the source does not show its own log
 * @throws ClientError and whatever the source throws
 */
export async function checkReceipts(
  source: LogSource,
  head: SeenCheckpoint,
  notes: readonly string[],
  options: { now?: () => number; onProgress?: (done: number, total: number) => void } = {},
): Promise<ReceiptsChecked> {
  const { now = Date.now, onProgress } = options
  const lines = notes.flatMap(note => {
    const receipt = verifyReceipt(note, [head.vkey], head.successions)
    if (receipt.origin !== head.origin)
      throw new ClientError('usage', `a receipt is of the log ${receipt.origin}, this is ${head.origin}`)
    return receipt.entries.map(entry => ({ note, status: receipt.status, ...entry }))
  })
  lines.sort((a, b) => a.index - b.index)
  const log = createEntries(source, head)
  const broken: BrokenReceipt[] = []
  for (const [done, { note, status, index, commitment }] of lines.entries()) {
    onProgress?.(done, lines.length)
    const report = (message: string, more: { entry?: string; inclusion?: string[] }) => {
      const evidence: Disagreement = {
        format: 'entente/evidence/v1',
        kind: 'receipt',
        found: new Date(now()).toISOString(),
        server: source.name,
        asked: ['/log/checkpoint'],
        vkey: head.vkey,
        ...(head.successions.length > 0 ? { successions: head.successions } : {}),
        shown: head.note,
        receipt: note,
        index,
        ...more,
      }
      broken.push({ status, index, message, evidence })
    }
    if (index >= head.size) report(`entry ${index} is beyond the end of the log, which now has size ${head.size}`, {})
    else {
      const entry = await log.entry(index)
      if (equalHashes(entry, commitment)) continue
      const inclusion = (await log.prove(index)).map(encodeBase64)
      report(`entry ${index} of the log is another one`, { entry: encodeBase64(entry), inclusion })
    }
    if (broken.length === MAX_BROKEN) break
  }
  return { receipts: notes.length, entries: lines.length, broken }
}
