import type { Hex } from 'viem'
import { bytesToHex, numberToHex } from 'viem/utils'
import type { Finality } from '../chain.ts'
import { LedgerError } from '../error.ts'
import type { RpcBlock } from './header.ts'
import { type Ask, isNoMethod } from './rpc.ts'

/** `clique`: as many blocks as its signers make it, found out when the chain is opened. */
export type EvmFinality = Finality | 'clique'

/** Blocks after which a Clique network of `signers` does not go back any more: N/2 + 1 (EIP-225: a signer seals one of so many blocks). */
export const cliqueDepth = (signers: number): number => Math.floor(signers / 2) + 1

/** Blocks from one list of signers to the next in Clique's headers, unless the network says otherwise (EIP-225: EPOCH_LENGTH). */
const CLIQUE_EPOCH = 30_000
const VANITY = 32
const SEAL = 65

/** Checks that the chain has such a finality; `signers` of Clique. Throws LedgerError `unsupported`. */
export async function resolveFinality(
  ask: Ask,
  wanted: EvmFinality,
): Promise<{ finality: Finality; signers?: readonly string[] }> {
  if (wanted === 'finalized') await finalizedBlock(ask)
  if (wanted !== 'clique') return { finality: wanted }
  const signers = await cliqueSigners(ask)
  return { finality: { depth: cliqueDepth(signers.length) }, signers }
}

/** Addresses that may seal, lower case, sorted. Throws LedgerError `unsupported` where the chain is no Clique. */
export async function cliqueSigners(ask: Ask): Promise<string[]> {
  const listed = await ask<string[]>('clique_getSigners').catch(async error => {
    if (!isNoMethod(error)) throw error
    const head = Number(await ask<Hex>('eth_blockNumber'))
    const block = await ask<RpcBlock>('eth_getBlockByNumber', numberToHex(head - (head % CLIQUE_EPOCH)), false)
    return signersInExtra(Buffer.from(String(block['extraData']).slice(2), 'hex'))
  })
  if (listed.length > 0) return listed.map(address => address.toLowerCase()).sort()
  throw new LedgerError(
    'unsupported',
    'finality is "clique", and this chain lists no signers as Clique does: give a number of blocks, "instant" for BFT, or "finalized"',
  )
}

/** EIP-225: a checkpoint block has the signers between vanity and seal. */
function signersInExtra(extra: Uint8Array): string[] {
  const length = extra.length - VANITY - SEAL
  if (length < 20 || length % 20 !== 0) return []
  return Array.from({ length: length / 20 }, (_, i) =>
    bytesToHex(extra.subarray(VANITY + 20 * i, VANITY + 20 * (i + 1))),
  )
}

/** Number of the newest finalized block; undefined before the first. Throws LedgerError `unsupported` where the chain knows none. */
export async function finalizedBlock(ask: Ask): Promise<number | undefined> {
  try {
    const block = await ask<RpcBlock | null>('eth_getBlockByNumber', 'finalized', false)
    return block === null ? undefined : Number(block['number'])
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== 'refused') throw error
    if (/not found/i.test(error.message)) return undefined
    throw new LedgerError(
      'unsupported',
      `finality is "finalized", and this chain does not say what is: give a number of blocks, or "instant" for BFT (${error.message})`,
      { cause: error },
    )
  }
}
