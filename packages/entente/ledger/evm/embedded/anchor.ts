import { randomBytes } from 'node:crypto'
import type { Anchor } from '../../anchor.ts'
import { accountFromKey } from '../account.ts'
import { createEvmAnchor } from '../anchor.ts'
import { openEvmChain } from '../chain.ts'
import { loadKey } from './keys.ts'
import { type EmbeddedProviderOptions, createEmbeddedProvider } from './provider.ts'

/** Chain id of an embedded ledger unless the configuration names another. */
export const DEFAULT_CHAIN_ID = 6100
/** There are no fees, so nothing is estimated: this is more than any call here needs. */
const GAS_LIMIT = 5_000_000

export interface EmbeddedAnchorOptions extends Omit<EmbeddedProviderOptions, 'chainId' | 'hook'> {
  /** The ledger's id in the configuration. */
  readonly id: string
  /** The log's origin line. */
  readonly origin: string
  readonly chainId?: number
  /** Whether it takes records as well. */
  readonly records?: boolean
}

/**
 * Opens an anchor on a chain in this process; makes the folder, the keys, the contract and the log where they are missing. Its account's key is
 * `account.key` in the folder. Throws what createEmbeddedProvider throws.
 *
 * @example
 * const anchor = await openEmbeddedAnchor({ id: 'local', folder: './ledger', origin: 'taxii.example/log', now: Date.now })
 */
export async function openEmbeddedAnchor({
  id,
  origin,
  chainId = DEFAULT_CHAIN_ID,
  records = false,
  ...options
}: EmbeddedAnchorOptions): Promise<Anchor> {
  const provider = await createEmbeddedProvider({ ...options, chainId })
  try {
    // A new account only on a new chain: on another, a lost key must not silently become a new log.
    const isNew = (await provider.request({ method: 'eth_blockNumber' })) === '0x0'
    const account = accountFromKey(loadKey(options.folder, 'account', isNew ? randomBytes : undefined).privateKey)
    const chain = await openEvmChain({
      provider,
      account,
      chainId,
      finality: 'instant',
      gasLimit: GAS_LIMIT,
      pollMs: 5,
      timeoutMs: 10_000,
    })
    return await createEvmAnchor(chain, { id, origin, records, readOnly: options.readOnly ?? false })
  } catch (error) {
    await provider.close()
    throw error
  }
}
