// What nodes say when they take no transaction: the words of geth, Besu, GoQuorum and anvil. JSON-RPC has no codes for it.
import { ContractRefusal } from '../chain.ts'
import { LedgerError } from '../error.ts'

/**
 * - `sent`: the node has these bytes.
 * - `taken`: the nonce is used, in a block.
 * - `contested`: the nonce is that of another transaction that waits, and pays as much.
 * - `cheap`: the price is too low for this node.
 */
export type Said = 'sent' | 'taken' | 'contested' | 'cheap'

/** What a node's no to a transaction means; undefined where it is about something else. */
export function meaningOf(message: string): Said | undefined {
  if (/already (?:known|imported|exists)|known transaction/i.test(message)) return 'sent'
  if (/replacement/i.test(message)) return 'contested'
  if (CHEAP.test(message)) return 'cheap'
  return /nonce/i.test(message) && /too low|already|below/i.test(message) ? 'taken' : undefined
}
const CHEAP =
  /underpriced|fee cap less than|max fee per gas less than|gas price (?:too low|below)|below configured min/i

const REASONS: [RegExp, (account: string) => string][] = [
  [
    /insufficient (?:funds|balance)|upfront cost exceeds|doesn't have enough funds/i,
    account => `account ${account} cannot pay for the transaction: send funds to it`,
  ],
  [
    /unknown account|authentication needed|could not unlock|no signer|account (?:is )?locked/i,
    account =>
      `the node does not sign for ${account}: unlock the account there, ask the node that holds it, or configure a keystore`,
  ],
  [
    /not authori[sz]ed|permission|not allowed/i,
    account => `the network does not let ${account} send transactions: have its operators authorise the account`,
  ],
]

/** Throws what was refused with what to do about it, where that is known; a contract's own refusal, and anything else, as it came. */
export function throwExplained(error: unknown, account: string): never {
  if (!(error instanceof LedgerError) || error.code !== 'refused' || error.cause instanceof ContractRefusal) throw error
  const [, say] = REASONS.find(([words]) => words.test(error.message)) ?? []
  if (say === undefined) throw error
  throw new LedgerError('refused', `${say(account)} (${error.message})`, { cause: error.cause })
}
