import { LedgerError } from '../error.ts'
import type { AnchorReader } from '../reader.ts'
import { parseBlock, parseHeight, parseWrites } from './block.ts'
import { type FabricConnectionOptions, openFabricConnection } from './connection.ts'
import { findTransaction } from './submit.ts'

/** A checkpoint in the chaincode's state (chaincode/checkpoint-anchor.ts). */
interface Anchored {
  readonly root: string
  readonly size: number
  readonly time: number
  readonly transaction: string
}

/**
 * A reader with an identity of his own on the channel, best of another organisation than the log's owner: what his peer has committed is what he is told.
 *
 * @throws LedgerError `invalid` where the key is none
 */
export function openFabricReader(options: FabricConnectionOptions): AnchorReader {
  const { fabricChannel, chaincode } = options
  const connection = openFabricConnection(options)
  const mismatch = (message: string) => new LedgerError('mismatch', `${chaincode} on ${fabricChannel}: ${message}`)
  const ask = async <T>(name: string, ...args: string[]): Promise<T | undefined> => {
    const answer = Buffer.from(await connection.evaluate(name, args)).toString()
    return answer === '' ? undefined : (JSON.parse(answer) as T)
  }
  const query = (name: string, ...args: string[]) => connection.evaluate(name, [fabricChannel, ...args], 'qscc')
  const originHashOf = (logId: string) => ask<string>('originHashOf', logId)
  const checkChaincode = (contract: string | undefined) => {
    if (contract !== chaincode) throw mismatch(`the log is in chaincode ${contract}`)
  }

  return {
    kind: 'fabric',
    chainId: fabricChannel,
    async read({ transaction, contract, logId = '', size, root: bytes }) {
      checkChaincode(contract)
      const root = Buffer.from(bytes).toString('hex')
      const processed = /^[0-9a-f]{64}$/.test(transaction) ? await findTransaction(connection, transaction) : undefined
      const written = processed && parseWrites(processed, chaincode)?.get(`root/${logId}/${size}`)
      if (written === undefined) throw mismatch(`transaction ${transaction} anchored no size ${size} of log ${logId}`)
      const stored = await ask<Anchored>('rootOf', logId, String(size))
      for (const found of [JSON.parse(Buffer.from(written).toString()) as Anchored, stored])
        if (found?.root !== root || found.size !== size || found.transaction !== transaction)
          throw mismatch(
            `size ${size} has root ${found?.root} by transaction ${found?.transaction}, claimed are ${root} and ${transaction}`,
          )
      const { block, blockHash } = parseBlock(await query('GetBlockByTxID', transaction))
      const confirmations = Math.max(0, parseHeight(await query('GetChainInfo')) - 1 - block)
      const originHash = await originHashOf(logId)
      return { block, blockHash, time: stored!.time, confirmations, final: true, originHash }
    },
    async latest({ contract, logId }) {
      checkChaincode(contract)
      const originHash = await originHashOf(logId)
      if (originHash === undefined) throw mismatch(`there is no log ${logId}`)
      const { size, root } = (await ask<Anchored>('latest', logId))!
      return size === 0 ? undefined : { size, root: Uint8Array.from(Buffer.from(root, 'hex')), originHash }
    },
    close: async () => connection.close(),
  }
}
