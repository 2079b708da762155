import { createHash } from 'node:crypto'
import { common, gateway, ledger, msp, peer } from '@hyperledger/fabric-protos'
import { LedgerError } from '../error.ts'

/** A block's number and the hash of its header, 64 hex digits. */
export interface FabricBlock {
  readonly block: number
  readonly blockHash: string
}

/** @throws LedgerError `corrupt` where the bytes are no block */
export function parseBlock(bytes: Uint8Array): FabricBlock {
  return parsed('a block', () => {
    const header = common.Block.deserializeBinary(bytes).getHeader()
    if (header === undefined) throw new TypeError('it has no header')
    const block = header.getNumber()
    return { block, blockHash: hashHeader(block, header.getPreviousHash_asU8(), header.getDataHash_asU8()) }
  })
}

/** Number of blocks, from qscc's GetChainInfo. */
export const parseHeight = (info: Uint8Array): number =>
  parsed('the height of a chain', () => common.BlockchainInfo.deserializeBinary(info).getHeight())

/** SHA-256 over DER: SEQUENCE { INTEGER number, OCTET STRING previous hash, OCTET STRING data hash } (Fabric, protoutil.BlockHeaderBytes). */
function hashHeader(number: number, previous: Uint8Array, data: Uint8Array): string {
  const hex = number.toString(16)
  const magnitude = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  const integer = (magnitude[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.of(0), magnitude]) : magnitude
  const der = (tag: number, content: Uint8Array) => Buffer.concat([Buffer.of(tag, content.length), content])
  const sequence = der(0x30, Buffer.concat([der(0x02, integer), der(0x04, previous), der(0x04, data)]))
  return createHash('sha256').update(sequence).digest('hex')
}

/** Organisations of a channel and the CAs that issue their identities. */
export interface FabricOrganization {
  readonly mspId: string
  /** PEM. */
  readonly certificates: readonly string[]
}

/** The application's organisations as the channel's newest configuration block has them, by MSP id. */
export function parseOrganizations(configBlock: Uint8Array): FabricOrganization[] {
  return parsed('a configuration block', () => {
    const [envelope] = common.Block.deserializeBinary(configBlock).getData()?.getDataList_asU8() ?? []
    const payload = common.Payload.deserializeBinary(common.Envelope.deserializeBinary(envelope!).getPayload_asU8())
    const config = common.ConfigEnvelope.deserializeBinary(payload.getData_asU8()).getConfig()
    const groups = config?.getChannelGroup()?.getGroupsMap().get('Application')?.getGroupsMap()
    return [...(groups?.entries() ?? [])]
      .map(([, group]: [string, common.ConfigGroup]) => {
        const value = group.getValuesMap().get('MSP')?.getValue_asU8() ?? new Uint8Array()
        const config = msp.FabricMSPConfig.deserializeBinary(msp.MSPConfig.deserializeBinary(value).getConfig_asU8())
        const cas = [...config.getRootCertsList_asU8(), ...config.getIntermediateCertsList_asU8()]
        return { mspId: config.getName(), certificates: cas.map(pem => Buffer.from(pem).toString()) }
      })
      .sort((a, b) => (a.mspId < b.mspId ? -1 : 1))
  })
}

/** What a valid transaction wrote under the chaincode's name; undefined for one that is not valid or no call of a chaincode. */
export function parseWrites(processed: Uint8Array, chaincode: string): Map<string, Uint8Array> | undefined {
  return parsed('a transaction', () => {
    const transaction = peer.ProcessedTransaction.deserializeBinary(processed)
    const envelope = transaction.getTransactionenvelope()
    if (transaction.getValidationcode() !== peer.TxValidationCode.VALID || envelope === undefined) return undefined
    return openEnvelope(envelope, chaincode).writes
  })
}

/** A transaction of a block, as far as it is about one chaincode. */
export interface FabricTransaction {
  readonly transaction: string
  /** Of its proposal, whole seconds since 1970: its sender's, which endorsers held against their clocks. */
  readonly time: number
  /** By key; undefined where it is no call of a chaincode. */
  readonly writes: Map<string, Uint8Array> | undefined
  /** Payload of its event, where it has one of this name. */
  readonly event: (name: string) => Uint8Array | undefined
}

/**
 * The valid transactions of a block, and the greatest time of any. What is in the block is held against its hash; which of it is valid the peer says,
 * as nothing that the orderers sign covers that.
 *
 * @throws LedgerError `corrupt`
 */
export function parseTransactions(
  bytes: Uint8Array,
  chaincode: string,
): FabricBlock & { readonly time: number; readonly transactions: readonly FabricTransaction[] } {
  return parsed('a block', () => {
    const block = common.Block.deserializeBinary(bytes)
    const data = block.getData()?.getDataList_asU8() ?? []
    const hash = createHash('sha256')
    for (const one of data) hash.update(one)
    if (!hash.digest().equals(block.getHeader()?.getDataHash_asU8() ?? new Uint8Array()))
      throw new TypeError('its transactions are not those that its header has')
    const codes = block.getMetadata()?.getMetadataList_asU8()[common.BlockMetadataIndex.TRANSACTIONS_FILTER]
    const all = data.map(one => openEnvelope(common.Envelope.deserializeBinary(one), chaincode))
    const transactions = all.filter((_, i) => codes?.[i] === peer.TxValidationCode.VALID)
    return { ...parseBlock(bytes), time: Math.max(...all.map(({ time }) => time)), transactions }
  })
}

function openEnvelope(envelope: common.Envelope, chaincode: string): FabricTransaction {
  const payload = common.Payload.deserializeBinary(envelope.getPayload_asU8())
  const header = common.ChannelHeader.deserializeBinary(
    payload.getHeader()?.getChannelHeader_asU8() ?? new Uint8Array(),
  )
  const events = new Map<string, Uint8Array>()
  const read = { transaction: header.getTxId(), time: header.getTimestamp()?.getSeconds() ?? 0 }
  if (header.getType() !== common.HeaderType.ENDORSER_TRANSACTION)
    return { ...read, writes: undefined, event: () => undefined }
  const writes = new Map<string, Uint8Array>()
  for (const action of peer.Transaction.deserializeBinary(payload.getData_asU8()).getActionsList()) {
    const endorsed = peer.ChaincodeActionPayload.deserializeBinary(action.getPayload_asU8()).getAction()
    const response = peer.ProposalResponsePayload.deserializeBinary(
      endorsed?.getProposalResponsePayload_asU8() ?? new Uint8Array(),
    )
    const done = peer.ChaincodeAction.deserializeBinary(response.getExtension_asU8())
    for (const namespace of ledger.rwset.TxReadWriteSet.deserializeBinary(done.getResults_asU8()).getNsRwsetList()) {
      if (namespace.getNamespace() !== chaincode) continue
      const set = ledger.rwset.kvrwset.KVRWSet.deserializeBinary(namespace.getRwset_asU8())
      for (const write of set.getWritesList()) writes.set(write.getKey(), write.getValue_asU8())
    }
    const event = peer.ChaincodeEvent.deserializeBinary(done.getEvents_asU8())
    if (event.getChaincodeId() === chaincode) events.set(event.getEventName(), event.getPayload_asU8())
  }
  return { ...read, writes, event: name => events.get(name) }
}

/** The payload of an endorsed transaction's envelope: what a reader checks offline. */
export const endorsedPayload = (prepared: Uint8Array): Uint8Array =>
  parsed('a prepared transaction', () => {
    const envelope = gateway.PreparedTransaction.deserializeBinary(prepared).getEnvelope()
    if (envelope === undefined) throw new TypeError('it has no envelope')
    return envelope.getPayload_asU8()
  })

function parsed<T>(what: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (cause instanceof LedgerError) throw cause
    throw new LedgerError('corrupt', `the peer's answer is not ${what}: ${(cause as Error).message}`, { cause })
  }
}
