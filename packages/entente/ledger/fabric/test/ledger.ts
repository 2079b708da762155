// The ledger of the double: blocks, a state with versions, and the checks of a committing peer as far as our adapter can tell them apart. THIS IS
// NOT FABRIC: what is proven with it is how the adapter takes what a peer may answer, never that a peer answers so (see network.test.ts for that).
import { createHash } from 'node:crypto'
import { common, ledger, msp, peer } from '@hyperledger/fabric-protos'
import type { ChaincodeResponse, ChaincodeStub } from 'fabric-shim'
import { createChaincode } from '../../../../../chaincode/chaincode.ts'
import type { testOrganization } from '../../../../../test/support/x509.ts'

export type Organization = ReturnType<typeof testOrganization>
type Version = { block: number; place: number }
type Value = { bytes: Uint8Array; version: Version }
/** What a chaincode sees: the whole state, or an older one. */
export type View = ReadonlyMap<string, Value>
const { rwset } = ledger
const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** A proposal taken apart. */
export interface Proposed {
  readonly fabricChannel: string
  readonly transaction: string
  readonly creator: { mspid: string; idBytes: Uint8Array }
  readonly seconds: number
  readonly chaincode: string
  readonly args: readonly Uint8Array[]
  readonly header: common.Header
  readonly payload: Uint8Array
}

export function parseProposal(signed: peer.SignedProposal | undefined): Proposed {
  const proposal = peer.Proposal.deserializeBinary(signed!.getProposalBytes_asU8())
  const header = common.Header.deserializeBinary(proposal.getHeader_asU8())
  const channel = common.ChannelHeader.deserializeBinary(header.getChannelHeader_asU8())
  const { mspid, idBytes } = creatorOf(header)
  const payload = peer.ChaincodeProposalPayload.deserializeBinary(proposal.getPayload_asU8())
  const spec = peer.ChaincodeInvocationSpec.deserializeBinary(payload.getInput_asU8()).getChaincodeSpec()!
  return {
    fabricChannel: channel.getChannelId(),
    transaction: channel.getTxId(),
    creator: { mspid, idBytes },
    seconds: channel.getTimestamp()!.getSeconds(),
    chaincode: spec.getChaincodeId()!.getName(),
    args: spec.getInput()!.getArgsList_asU8(),
    header,
    payload: proposal.getPayload_asU8(),
  }
}

function creatorOf(header: common.Header) {
  const { creator } = {
    creator: common.SignatureHeader.deserializeBinary(header.getSignatureHeader_asU8()).getCreator_asU8(),
  }
  const identity = msp.SerializedIdentity.deserializeBinary(creator)
  return { mspid: identity.getMspid(), idBytes: identity.getIdBytes_asU8() }
}

/** Runs the real chaincode, shell and all, on a view of the state. */
export async function simulate(proposed: Proposed, view: View, now: () => number) {
  const reads = new rwset.kvrwset.KVRWSet()
  const puts = new Map<string, Uint8Array>()
  const event = new peer.ChaincodeEvent()
  const stub = {
    getStringArgs: () => proposed.args.map(arg => Buffer.from(arg).toString()),
    getTxID: () => proposed.transaction,
    getChannelID: () => proposed.fabricChannel,
    getCreator: () => proposed.creator,
    getDateTimestamp: () => new Date(proposed.seconds * 1000),
    async getState(key: string) {
      const value = view.get(key)
      const read = new rwset.kvrwset.KVRead()
      read.setKey(key)
      if (value) read.setVersion(versionOf(value.version))
      reads.addReads(read)
      return value?.bytes ?? new Uint8Array()
    },
    putState: async (key: string, bytes: Uint8Array) => void puts.set(key, bytes),
    setEvent(name: string, payload: Uint8Array) {
      event.setChaincodeId(proposed.chaincode)
      event.setTxId(proposed.transaction)
      event.setEventName(name)
      event.setPayload(payload)
    },
  }
  const response: ChaincodeResponse = await createChaincode(now).Invoke(stub as unknown as ChaincodeStub)
  for (const [key, bytes] of [...puts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const write = new rwset.kvrwset.KVWrite()
    write.setKey(key)
    write.setValue(bytes)
    reads.addWrites(write)
  }
  return { response, set: reads, event }
}

function versionOf({ block, place }: Version) {
  const version = new rwset.kvrwset.Version()
  version.setBlockNum(block)
  version.setTxNum(place)
  return version
}

/** What the endorsers sign. */
export function responsePayload(
  proposed: Proposed,
  { response, set, event }: Awaited<ReturnType<typeof simulate>>,
): Uint8Array {
  const namespace = new rwset.NsReadWriteSet()
  namespace.setNamespace(proposed.chaincode)
  namespace.setRwset(set.serializeBinary())
  const results = new rwset.TxReadWriteSet()
  results.addNsRwset(namespace)
  const answer = new peer.Response()
  answer.setStatus(response.status)
  answer.setMessage(response.message ?? '')
  answer.setPayload(response.payload ?? new Uint8Array())
  const id = new peer.ChaincodeID()
  id.setName(proposed.chaincode)
  id.setVersion('1')
  const action = new peer.ChaincodeAction()
  action.setResults(results.serializeBinary())
  action.setResponse(answer)
  action.setEvents(event.serializeBinary())
  action.setChaincodeId(id)
  const payload = new peer.ProposalResponsePayload()
  const { header } = proposed
  payload.setProposalHash(sha256(header.getChannelHeader_asU8(), header.getSignatureHeader_asU8(), proposed.payload))
  payload.setExtension$(action.serializeBinary())
  return payload.serializeBinary()
}

/** An envelope that organisations have endorsed, as a gateway puts it together. */
export function endorse(proposed: Proposed, response: Uint8Array, endorsers: readonly Organization[]): common.Envelope {
  const endorsed = new peer.ChaincodeEndorsedAction()
  endorsed.setProposalResponsePayload(response)
  for (const organization of endorsers) {
    const { cert, key } = organization.issue('peer', 'peer0')
    const identity = new msp.SerializedIdentity()
    identity.setMspid(organization.mspId)
    identity.setIdBytes(Buffer.from(cert))
    const endorser = identity.serializeBinary()
    const endorsement = new peer.Endorsement()
    endorsement.setEndorser(endorser)
    endorsement.setSignature(key.sign(Buffer.concat([response, endorser])))
    endorsed.addEndorsements(endorsement)
  }
  const payload = new peer.ChaincodeActionPayload()
  payload.setChaincodeProposalPayload(proposed.payload)
  payload.setAction(endorsed)
  const action = new peer.TransactionAction()
  action.setHeader(proposed.header.getSignatureHeader_asU8())
  action.setPayload(payload.serializeBinary())
  const transaction = new peer.Transaction()
  transaction.addActions(action)
  const whole = new common.Payload()
  whole.setHeader(proposed.header)
  whole.setData(transaction.serializeBinary())
  const envelope = new common.Envelope()
  envelope.setPayload(whole.serializeBinary())
  return envelope
}

type Entry = { block: number; code: number; envelope: common.Envelope }

/** Blocks of one transaction each. */
export function createLedger(configuration: common.Envelope) {
  const blocks: common.Block[] = []
  const entries = new Map<string, Entry>()
  const state = new Map<string, Value>()
  const writes: string[] = []

  function addBlock(envelope: common.Envelope): number {
    const data = envelope.serializeBinary()
    const previous = blocks.at(-1)?.getHeader()
    const header = new common.BlockHeader()
    header.setNumber(blocks.length)
    // Not the hash that Fabric has, but one that depends on all before
    header.setPreviousHash(previous === undefined ? new Uint8Array() : sha256(previous.serializeBinary()))
    header.setDataHash(sha256(data))
    const body = new common.BlockData()
    body.addData(data)
    const block = new common.Block()
    block.setHeader(header)
    block.setData(body)
    blocks.push(block)
    mark(block, peer.TxValidationCode.VALID)
    return blocks.length - 1
  }
  /** What a committing peer writes beside a block: whether its transaction counts. */
  function mark(block: common.Block, code: number): void {
    const metadata = new common.BlockMetadata()
    metadata.setMetadataList([new Uint8Array(), new Uint8Array(), Uint8Array.of(code)])
    block.setMetadata(metadata)
  }
  addBlock(configuration)

  function readsStand(set: ReturnType<typeof setOf>): boolean {
    return set.getReadsList().every(read => {
      const [stored, seen] = [state.get(read.getKey())?.version, read.getVersion()]
      return stored?.block === seen?.getBlockNum() && stored?.place === seen?.getTxNum()
    })
  }

  return {
    state,
    blocks,
    /** Every key that a valid transaction wrote, once for each. */
    writes,
    find: (transaction: string) => entries.get(transaction),
    /** Validates a transaction and puts it into a block, as void with `code` where one is given. */
    commit(transaction: string, envelope: common.Envelope, code?: number): void {
      const set = setOf(envelope)
      const { TxValidationCode: is } = peer
      const found = code ?? (readsStand(set) ? is.VALID : is.MVCC_READ_CONFLICT)
      const block = addBlock(envelope)
      const isRepeated = entries.has(transaction)
      mark(blocks[block]!, isRepeated ? is.DUPLICATE_TXID : found)
      if (isRepeated) return // the first one counts
      entries.set(transaction, { block, code: found, envelope })
      if (found !== is.VALID) return
      for (const write of set.getWritesList()) {
        writes.push(write.getKey())
        state.set(write.getKey(), { bytes: write.getValue_asU8(), version: { block, place: 0 } })
      }
    },
  }
}

function setOf(envelope: common.Envelope) {
  const payload = common.Payload.deserializeBinary(envelope.getPayload_asU8())
  const [action] = peer.Transaction.deserializeBinary(payload.getData_asU8()).getActionsList()
  const endorsed = peer.ChaincodeActionPayload.deserializeBinary(action!.getPayload_asU8()).getAction()!
  const response = peer.ProposalResponsePayload.deserializeBinary(endorsed.getProposalResponsePayload_asU8())
  const results = peer.ChaincodeAction.deserializeBinary(response.getExtension_asU8()).getResults_asU8()
  const [namespace] = rwset.TxReadWriteSet.deserializeBinary(results).getNsRwsetList()
  return rwset.kvrwset.KVRWSet.deserializeBinary(namespace!.getRwset_asU8())
}

/** A channel's configuration, as far as it names organisations and their CAs. */
export function configurationOf(organizations: readonly Organization[]): common.Envelope {
  const application = new common.ConfigGroup()
  for (const { mspId, ca } of organizations) {
    const fabric = new msp.FabricMSPConfig()
    fabric.setName(mspId)
    fabric.addRootCerts(Buffer.from(ca.cert))
    const config = new msp.MSPConfig()
    config.setConfig(fabric.serializeBinary())
    const value = new common.ConfigValue()
    value.setValue(config.serializeBinary())
    const group = new common.ConfigGroup()
    group.getValuesMap().set('MSP', value)
    application.getGroupsMap().set(mspId, group)
  }
  const channel = new common.ConfigGroup()
  channel.getGroupsMap().set('Application', application)
  const config = new common.Config()
  config.setChannelGroup(channel)
  const whole = new common.ConfigEnvelope()
  whole.setConfig(config)
  const payload = new common.Payload()
  payload.setData(whole.serializeBinary())
  const envelope = new common.Envelope()
  envelope.setPayload(payload.serializeBinary())
  return envelope
}
