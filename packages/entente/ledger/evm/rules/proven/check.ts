import { ProofError } from '@entente/verify/proof'
import { LedgerError } from '../../../error.ts'

const WHY = 'a node lies, or the validators are not those that are pinned'

/** What a node gave that is contradicted by what is sealed. */
export const corrupt = (what: string): LedgerError => new LedgerError('corrupt', `${what}: ${WHY}`)

/** What a check of evidence throws, as ours. */
export function verify<T>(check: () => T): T {
  try {
    return check()
  } catch (cause) {
    if (!(cause instanceof ProofError)) throw cause
    throw new LedgerError('corrupt', `what the node gave proves nothing (${cause.message}): ${WHY}`, { cause })
  }
}
