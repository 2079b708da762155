import { LedgerError } from '../error.ts'
import type { AnchorReader } from '../reader.ts'
import { parseAnswer, rootBytes, toAnchored, toLatest } from './answer.ts'
import { parseBlock, parseHeight, parseWrites } from './block.ts'
import { type FabricConnectionOptions, openFabricConnection } from './connection.ts'
import { findTransaction } from './submit.ts'

/**
 * A reader with an identity of his own on the channel, best of another organisation than the log's owner: what his peer has committed is what he is told.
 *
 * @throws LedgerError `invalid` where the key is none
 */
export function openFabricReader(options: FabricConnectionOptions): AnchorReader {
  const { fabricChannel, chaincode } = options
  const connection = openFabricConnection(options)
  const mismatch = (message: string) => new LedgerError('mismatch', `${chaincode} on ${fabricChannel}: ${message}`)
  const ask = async (name: string, ...args: string[]): Promise<unknown> =>
    parseAnswer(await connection.evaluate(name, args))
  const query = (name: string, ...args: string[]) => connection.evaluate(name, [fabricChannel, ...args], 'qscc')
  const originHashOf = async (logId: string): Promise<string> => {
    const found = await ask('originHashOf', logId)
    if (typeof found !== 'string') throw mismatch(`there is no log ${logId}`)
    return found
  }
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
      const stored = toAnchored(await ask('rootOf', logId, String(size)))
      for (const found of [toAnchored(parseAnswer(written)), stored])
        if (found.root !== root || found.size !== size || found.transaction !== transaction)
          throw mismatch(
            `size ${size} has root ${found.root} by transaction ${found.transaction}, claimed are ${root} and ${transaction}`,
          )
      const { block, blockHash } = parseBlock(await query('GetBlockByTxID', transaction))
      const confirmations = Math.max(0, parseHeight(await query('GetChainInfo')) - 1 - block)
      const originHash = await originHashOf(logId)
      return { block, blockHash, time: stored.time, confirmations, final: true, originHash }
    },
    async latest({ contract, logId }) {
      checkChaincode(contract)
      const originHash = await originHashOf(logId)
      const found = toLatest(await ask('latest', logId))
      return found && { size: found.size, root: rootBytes(found), originHash }
    },
    close: async () => connection.close(),
  }
}
