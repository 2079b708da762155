import type { Abi, Hex } from 'viem'
import { bytesToHex, decodeEventLog, encodeEventTopics, encodeFunctionData, hexToBytes, keccak256 } from 'viem/utils'
import type { ChainEvent } from '../chain.ts'
import { LedgerError } from '../error.ts'
import { joinChunks, MAX_CANDIDATES, type RecordChunk, type RecordKeeper, toBatches } from '../records.ts'
import type { EvmChain } from './chain.ts'
import artifact from './RecordStore.json' with { type: 'json' }

const abi = artifact.abi as Abi

/**
 * Records on an EVM chain: events of a contract RecordStore, the one that the account created earlier or a new one. It sends through the chain that
 * anchors as well, so that one account has one order of transactions.
 */
export function createEvmRecords(chain: EvmChain, readOnly = false): RecordKeeper {
  let opening: Promise<string> | undefined
  const contract = (): Promise<string> => {
    opening ??= openContract(chain, readOnly).catch((error: unknown) => {
      opening = undefined
      throw error
    })
    return opening
  }
  /** Something may have been put whose answer we don't have: what is there is asked for before the next. */
  let isSure = false

  async function chunksOf(id: Uint8Array): Promise<{ author: string; chunk: RecordChunk }[]> {
    const topics = encodeEventTopics({ abi, eventName: 'ChunkStored', args: { id: bytesToHex(id) } }) as Hex[]
    const events = await chain.events({ contract: await contract(), topics: topics.slice(0, 2), fromBlock: 0 })
    return events.map(event => ({ author: String(event.topics[2]), chunk: toChunk(id, event) }))
  }

  async function put(records: Parameters<RecordKeeper['put']>[0]): Promise<void> {
    const address = await contract()
    const own = ownTopic((await chain.identity()).account)
    for (const batch of toBatches(records)) {
      let missing = batch
      if (!isSure) {
        await chain.settle() // what is under way may be the same
        const ids = new Map(batch.map(({ id }) => [bytesToHex(id), id]))
        const there = new Set<string>()
        for (const [key, id] of ids)
          for (const { author, chunk } of await chunksOf(id)) if (author === own) there.add(`${key} ${chunk.index}`)
        missing = batch.filter(({ id, index }) => !there.has(`${bytesToHex(id)} ${index}`))
      }
      if (missing.length === 0) continue
      isSure = false
      await chain.submit({ contract: address, data: encodePut(missing) })
      isSure = true
    }
  }

  return {
    put,
    get: async id => {
      const found = await chunksOf(id)
      const authors = [...new Set(found.map(({ author }) => author))].slice(0, MAX_CANDIDATES)
      return authors.flatMap(author => {
        const whole = joinChunks(found.filter(f => f.author === author).map(f => f.chunk))
        return whole ? [whole] : []
      })
    },
  }
}

/** Blocks in which the first records are looked for at once: as many at first, more while there are none, fewer where a node finds it too much. */
const FIRST_WINDOW = 4096

/** The contract that the account's records are in, found by its events; a new one where there are none. */
async function openContract(chain: EvmChain, readOnly: boolean): Promise<string> {
  const isOurs = async (address: string) => {
    const code = await chain.code(address)
    return code.length > 0 && keccak256(code) === artifact.codeHash
  }
  const { account } = await chain.identity()
  const [name] = encodeEventTopics({ abi, eventName: 'ChunkStored' }) as [Hex]
  const topics = [name, undefined, ownTopic(account)]
  const newest = (await chain.header()).number
  for (let from = 0, window = FIRST_WINDOW; from <= newest; ) {
    const toBlock = Math.min(newest, from + window - 1)
    try {
      const events = await chain.events({ topics, fromBlock: from, toBlock })
      for (const address of new Set(events.map(event => event.contract))) if (await isOurs(address)) return address
      from = toBlock + 1
      window *= 2
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'busy' || window === 1) throw error
      window = Math.ceil(window / 8)
    }
  }
  if (readOnly) throw new LedgerError('mismatch', `${account} has put no records on this chain`)
  const { created, transaction } = await chain.submit({ data: hexToBytes(artifact.bytecode as Hex) })
  if (created !== undefined && (await isOurs(created))) return created
  throw new LedgerError('mismatch', `transaction ${transaction} did not create the contract RecordStore`)
}

/** An address as an indexed member of an event. */
const ownTopic = (account: string) => `0x${account.slice(2).padStart(64, '0')}`

const encodePut = (chunks: readonly RecordChunk[]): Uint8Array =>
  hexToBytes(
    encodeFunctionData({
      abi,
      functionName: 'put',
      args: [
        chunks.map(({ id, index, count, data }) => ({ id: bytesToHex(id), index, count, data: bytesToHex(data) })),
      ],
    }),
  )

function toChunk(id: Uint8Array, event: ChainEvent): RecordChunk {
  const { args } = decodeEventLog({
    abi,
    eventName: 'ChunkStored',
    topics: event.topics as [Hex],
    data: bytesToHex(event.data),
  })
  const { index, count, data } = args as unknown as { index: number; count: number; data: Hex }
  return { id, index, count, data: hexToBytes(data) }
}
