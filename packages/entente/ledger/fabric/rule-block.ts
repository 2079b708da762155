import type { Event } from '@entente/rules'
import { common, ledger, peer } from '@hyperledger/fabric-protos'
import { LedgerError } from '../error.ts'
import { parseAnswer } from './answer.ts'
import { parseBlock } from './block.ts'

/** A block as far as the federation's rules go. */
export interface RuleBlock {
  readonly number: number
  /** 64 hex digits, as are those of the block before. */
  readonly hash: string
  readonly previous: string
  /** Valid calls of the chaincode, in their order. */
  readonly transactions: readonly RuleTransaction[]
}
export interface RuleTransaction {
  readonly id: string
  /** Seconds since 1970, of the transaction: by it its rule went. */
  readonly time: number
  readonly events: readonly Event[]
  /** What it wrote under the chaincode's name. */
  readonly writes: ReadonlyMap<string, Uint8Array>
}

/** @throws LedgerError `corrupt` where the bytes are no block */
export function parseRuleBlock(bytes: Uint8Array, chaincode: string): RuleBlock {
  const { block: number, blockHash: hash } = parseBlock(bytes)
  try {
    const block = common.Block.deserializeBinary(bytes)
    const previous = Buffer.from(block.getHeader()?.getPreviousHash_asU8() ?? []).toString('hex')
    const codes = block.getMetadata()?.getMetadataList_asU8()[common.BlockMetadataIndex.TRANSACTIONS_FILTER]
    const envelopes = block.getData()?.getDataList_asU8() ?? []
    const transactions = envelopes.flatMap((envelope, i) =>
      codes?.[i] === peer.TxValidationCode.VALID ? parseTransaction(envelope, chaincode) : [],
    )
    return { number, hash, previous, transactions }
  } catch (cause) {
    if (cause instanceof LedgerError) throw cause
    throw new LedgerError('corrupt', `block ${number} can't be read: ${(cause as Error).message}`, { cause })
  }
}

function parseTransaction(bytes: Uint8Array, chaincode: string): RuleTransaction[] {
  const payload = common.Payload.deserializeBinary(common.Envelope.deserializeBinary(bytes).getPayload_asU8())
  const header = common.ChannelHeader.deserializeBinary(payload.getHeader()?.getChannelHeader_asU8() ?? new Uint8Array())
  if (header.getType() !== common.HeaderType.ENDORSER_TRANSACTION) return []
  const events: Event[] = []
  const writes = new Map<string, Uint8Array>()
  for (const action of peer.Transaction.deserializeBinary(payload.getData_asU8()).getActionsList()) {
    const endorsed = peer.ChaincodeActionPayload.deserializeBinary(action.getPayload_asU8()).getAction()
    const response = peer.ProposalResponsePayload.deserializeBinary(
      endorsed?.getProposalResponsePayload_asU8() ?? new Uint8Array(),
    )
    const result = peer.ChaincodeAction.deserializeBinary(response.getExtension_asU8())
    const event = peer.ChaincodeEvent.deserializeBinary(result.getEvents_asU8())
    if (event.getChaincodeId() === chaincode && event.getEventName() === 'federation')
      events.push(...(parseAnswer(event.getPayload_asU8()) as Event[]))
    for (const namespace of ledger.rwset.TxReadWriteSet.deserializeBinary(result.getResults_asU8()).getNsRwsetList()) {
      if (namespace.getNamespace() !== chaincode) continue
      const set = ledger.rwset.kvrwset.KVRWSet.deserializeBinary(namespace.getRwset_asU8())
      for (const write of set.getWritesList()) writes.set(write.getKey(), write.getValue_asU8())
    }
  }
  if (events.length === 0 && writes.size === 0) return []
  return [{ id: header.getTxId(), time: header.getTimestamp()?.getSeconds() ?? 0, events, writes }]
}
