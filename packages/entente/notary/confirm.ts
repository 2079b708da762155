import { treeRoot } from '@entente/verify/tlog'
import type { Anchor } from '#ledger/anchor.ts'
import { LedgerError } from '#ledger/error.ts'
import type { Notary } from './notary.ts'

/** What a ledger itself says, now, of an anchor that covers some size of the log. */
export type Confirmation =
  | { ledger: string; level: 'anchored'; size: number; transaction: string; block: number }
  | { ledger: string; level: 'final'; size: number; transaction: string; block: number }
  | { ledger: string; level: 'logged' | 'contradicted' | 'unknown'; reason: string }

/**
 * Reads the anchor that covers a size by its transaction from the ledger and holds it against our log and against what the ledger has as
 * its newest. `logged`: none is there yet; `contradicted`: the ledger says something else than the store and the log do; `unknown`: no answer.
 */
export async function confirmAnchor(
  { store, log }: Pick<Notary, 'store' | 'log'>,
  anchor: Anchor,
  size: number,
): Promise<Confirmation> {
  const { ledger } = anchor
  const row = (await store.anchorCovering(ledger, size, true)) ?? (await store.anchorCovering(ledger, size))
  if (!row || row.size > log.size) return { ledger, level: 'logged', reason: `no anchor covers size ${size} yet` }
  const { transaction } = row
  try {
    const [receipt, latest] = await Promise.all([anchor.read(transaction), anchor.latest()])
    if (!receipt)
      return { ledger, level: 'contradicted', reason: `transaction ${transaction} is not on the ledger, or no anchor` }
    if (receipt.size < size || receipt.size > log.size || receipt.size > (latest?.size ?? 0))
      return {
        ledger,
        level: 'contradicted',
        reason: `transaction ${transaction} says size ${receipt.size}, the ledger is at ${latest?.size ?? 0}, the log at ${log.size}`,
      }
    const root = await log.tiles.prove(reader => treeRoot(receipt.size, reader))
    if (Buffer.compare(root, receipt.root) !== 0)
      return { ledger, level: 'contradicted', reason: `transaction ${transaction} has another root at ${receipt.size}` }
    const { final } = row.final ? row : await anchor.finality(receipt)
    return { ledger, level: final ? 'final' : 'anchored', size: receipt.size, transaction, block: receipt.block }
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error
    return { ledger, level: 'unknown', reason: error.message }
  }
}
