import type { Hex } from 'viem'
import { bytesToHex, hexToBytes, keccak256 } from 'viem/utils'
import { LedgerError } from '../error.ts'
import type { AnchorClaim, AnchorReader, AnchorReading } from '../reader.ts'
import {
  CHECKPOINT_ANCHOR,
  decodeAnchored,
  decodeLatest,
  decodeRegistered,
  decodeRoot,
  encodeCall,
  explainRefusal,
  registeredTopics,
} from './contract.ts'
import { finalizedBlock } from './finality.ts'
import { headerOf, type RpcBlock, validatorsOf } from './header.ts'
import { createHttpProvider } from './http.ts'
import { parseHeader } from './qbft.ts'
import { askOf, type RpcLog, type RpcReceipt, toEvent } from './rpc.ts'

/** Opens an EVM chain for reading anchors. Throws LedgerError `unreachable`. */
export async function openEvmReader({ urls }: { urls: readonly string[] }): Promise<AnchorReader> {
  const provider = createHttpProvider({ urls })
  const ask = askOf(provider)
  const chainId = String(Number(await ask<Hex>('eth_chainId')))

  async function read({ ledger, transaction, contract, logId, size, root }: AnchorClaim): Promise<AnchorReading> {
    if (contract === undefined || logId === undefined)
      throw new LedgerError('invalid', `the anchor on ${ledger} names no contract and log`)
    const receipt = await ask<RpcReceipt | null>('eth_getTransactionReceipt', transaction)
    if (receipt === null || receipt.blockHash === null)
      throw new LedgerError('mismatch', `transaction ${transaction} is in no block of chain ${chainId}`, {
        transaction,
      })
    const anchored = receipt.logs
      .map(toEvent)
      .filter(event => event.contract === contract.toLowerCase())
      .map(event => decodeAnchored(event, logId as Hex))
      .find(found => found?.size === size)
    if (!anchored || Buffer.compare(anchored.root, root) !== 0)
      throw new LedgerError(
        'mismatch',
        `transaction ${transaction} did not anchor size ${size} with the root of the proof: it anchored ${anchored ? `the root ${hex(anchored.root)}` : 'no such size'}`,
        { transaction },
      )
    await checkContract(contract)
    const stored = decodeRoot(await call(contract, encodeCall('rootOf', logId, BigInt(size))))
    if (Buffer.compare(stored, root) !== 0)
      throw new LedgerError(
        'mismatch',
        `the contract holds the root ${hex(stored)} at size ${size}, the proof ${hex(root)}`,
      )
    const block = await ask<RpcBlock>('eth_getBlockByHash', receipt.blockHash, false)
    const { number, time } = headerOf(block)
    const newest = Number(await ask<Hex>('eth_blockNumber'))
    return {
      block: number,
      blockHash: receipt.blockHash,
      time,
      confirmations: Math.max(0, newest - number),
      final: await isFinal(block, number),
      originHash: await originHash(contract, logId),
    }
  }

  /** An event is worth what the contract is that wrote it. */
  async function checkContract(contract: string): Promise<void> {
    const code = hexToBytes(await ask<Hex>('eth_getCode', contract, 'latest'))
    if (code.length === 0 || keccak256(code) !== CHECKPOINT_ANCHOR.codeHash)
      throw new LedgerError(
        'mismatch',
        `${contract} on chain ${chainId} is not the CheckpointAnchor of this version (code hash ${CHECKPOINT_ANCHOR.codeHash}): what it says proves nothing`,
      )
  }
  const call = async (to: string, data: Uint8Array): Promise<Uint8Array> =>
    hexToBytes(await ask<Hex>('eth_call', { to, data: bytesToHex(data) }, 'latest'))

  /** A block with the seals of validators is final at once; elsewhere the chain says how far it is, or says nothing. */
  async function isFinal(block: RpcBlock, number: number): Promise<boolean | undefined> {
    const { bytes } = headerOf(block)
    if (bytes !== undefined && validatorsOf(parseHeader(bytes)) !== undefined) return true
    const finalized = await finalizedBlock(ask).catch((error: unknown) => {
      if (error instanceof LedgerError && error.code === 'unsupported') return undefined
      throw error
    })
    return finalized === undefined ? undefined : finalized >= number
  }

  async function originHash(contract: string, logId: string): Promise<string | undefined> {
    const filter = { address: contract, topics: registeredTopics(logId as Hex), fromBlock: '0x0', toBlock: 'latest' }
    const [log] = await ask<RpcLog[]>('eth_getLogs', filter)
    return log && decodeRegistered(toEvent(log))
  }

  async function latest({ contract, logId }: { contract: string; logId: string }) {
    await checkContract(contract)
    let returned: Uint8Array
    try {
      returned = await call(contract, encodeCall('latest', logId))
    } catch (error) {
      throw explainRefusal(error)
    }
    const { size, root } = decodeLatest(returned)
    return size === 0 ? undefined : { size, root, originHash: await originHash(contract, logId) }
  }

  return { kind: 'evm', chainId, read, latest, close: async () => provider.close() }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
