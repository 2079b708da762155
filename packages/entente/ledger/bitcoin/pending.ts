import { LedgerError } from '../error.ts'
import type { SubmitJournal } from '../journal.ts'
import type { Coin } from './account.ts'

/** A checkpoint on its way. All its attempts spend the first of the coins, so that at most one of them is ever mined. */
export interface Pending {
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  /** What the newest attempt spends. */
  coins: readonly Coin[]
  readonly attempts: Attempt[]
  /** Height of the block with one of them, when it was last seen in one. */
  block?: number
}

export interface Attempt {
  readonly txid: string
  /** Hexadecimal. */
  readonly raw: string
  /** Satoshis. */
  readonly fee: number
  /** When it was signed, milliseconds since 1970. */
  readonly at: number
}

/** The entries of the journal, oldest first. Throws LedgerError `corrupt`. */
export async function readPending(journal: SubmitJournal): Promise<Pending[]> {
  const bytes = await journal.read()
  if (bytes === undefined) return []
  try {
    const { format, pending } = JSON.parse(Buffer.from(bytes).toString('utf8')) as {
      format: string
      pending: Pending[]
    }
    if (format === FORMAT && Array.isArray(pending) && pending.every(isPending)) return pending
  } catch (cause) {
    throw new LedgerError('corrupt', `the journal of the Bitcoin ledger is no JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
  throw new LedgerError('corrupt', `the journal of the Bitcoin ledger is not in the format ${FORMAT}`)
}

export const writePending = (journal: SubmitJournal, pending: readonly Pending[]): Promise<void> =>
  journal.write(Buffer.from(JSON.stringify({ format: FORMAT, pending })))

const FORMAT = 'entente/bitcoin-journal/v1'

const isPending = ({ size, root, coins, attempts }: Pending): boolean =>
  Number.isSafeInteger(size) &&
  typeof root === 'string' &&
  [coins, attempts].every(list => Array.isArray(list) && list.length > 0) &&
  attempts.every(
    ({ txid, raw, fee, at }) =>
      `${typeof txid} ${typeof raw} ${typeof fee} ${typeof at}` === 'string string number number',
  )
