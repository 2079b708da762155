import { sha256 } from '#sha256'
import { concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { parseStrict } from '#json/index.ts'
import { decodeBase64, equalHashes } from '#tlog/index.ts'
import { type Certificate, isIssuedBy, isSignedBy, parseCertificate } from './certificate.ts'
import { asProofError, ProofError } from './error.ts'
import {
  decodeProtobuf,
  type ProtobufMessage,
  protobufBytes,
  protobufList,
  protobufNumber,
  protobufText,
} from './fabric-protobuf.ts'
import { readCount, readMembers, readText } from './fields.ts'

/** An organisation of a Fabric channel, whose peers' signatures the reader believes. */
export type PinnedOrganization = {
  /** id of its MSP */
  mspId: string
  /** PEM: of its CAs, whose certificates for peers (organizational unit `peer`) are taken, or of peers themselves */
  certificates: readonly string[]
}

/** A chaincode on a Fabric channel. */
export type PinnedFabric = {
  /** name of the channel, as `chain_id` of its anchors */
  chainId: string
  /** name of the chaincode */
  contract: string
  /** the log's id in it, 64 hex digits */
  logId: string
  organizations: readonly PinnedOrganization[]
  /** how many of them must have signed; more than half where it is left out */
  quorum?: number
}

/** docs/formats.md 8: `endorsed` of an anchor. */
export type EndorsedProof = { payload: string }

/** What organisations signed: that their peers hold a checkpoint. */
export type EndorsedRoot = {
  /** MSP ids of the pinned organisations whose peers signed, sorted */
  organizations: string[]
  /** the block that anchored it, and the transaction, as the peers have them */
  block: number
  transaction: string
  /** POSIX seconds of the anchoring, within a minute of the clocks of those who endorsed it */
  timestamp: number
}

/** What a chaincode answers to `rootOf`, and to nothing else. */
const ROOT_FORMAT = /^entente\/fabric-root\/v1$/
const HASH = /^[0-9a-f]{64}$/
/** common.HeaderType ENDORSER_TRANSACTION */
const ENDORSER_TRANSACTION = 3
const MAX_PAYLOAD = 1_048_576
const MAX_ENDORSEMENTS = 64

/** Check the form of `endorsed`. @throws ProofError `malformed` */
export function readEndorsedProof(value: unknown): EndorsedProof {
  const { payload } = readMembers(value, 'endorsed', ['payload'])
  const text = readText(payload, 'payload of endorsed')
  if (text.length > MAX_PAYLOAD * 1.4) throw new ProofError('malformed', `endorsed has ${text.length} characters`)
  return { payload: text }
}

/**
 * Verify that peers of the pinned organisations signed that their ledger holds a checkpoint: a call of the chaincode's `rootOf` that they endorsed
 * and nobody submitted. They answer from what is committed, so a checkpoint that was endorsed and never ordered cannot be shown by it.
 *
 * @throws ProofError `malformed`; `seal`
 */
export function verifyEndorsedProof(
  { payload }: EndorsedProof,
  anchored: { size: number; root: Uint8Array },
  pinned: PinnedFabric,
): EndorsedRoot {
  // What nobody signed has nothing but what is used: common.Payload, Header, peer.Transaction, TransactionAction, ChaincodeActionPayload
  const message = decodeMembers(
    asProofError(() => decodeBase64(payload), 'malformed'),
    'the endorsed payload',
  )
  const header = decodeMembers(protobufBytes(message, 1, 'the header'), 'the header')
  const channelHeader = protobufBytes(header, 1, 'the channel header')
  const signatureHeader = protobufBytes(header, 2, 'the signature header')
  checkChannel(decodeProtobuf(channelHeader, 'the channel header'), pinned)

  const transaction = decodeMembers(protobufBytes(message, 2, 'the transaction'), 'the transaction', [1])
  const action = decodeMembers(protobufBytes(transaction, 1, 'the action'), 'the action')
  const call = decodeMembers(protobufBytes(action, 2, 'the payload of the action'), 'the payload of the action')
  const endorsed = decodeMembers(protobufBytes(call, 2, 'the endorsed action'), 'the endorsed action')
  const response = protobufBytes(endorsed, 1, 'the response')
  if (!equalHashes(protobufBytes(action, 1, 'the header of the action'), signatureHeader))
    throw new ProofError('seal', 'the action has another header than the transaction')

  // Organisations first: nothing in the response is anybody's word before that
  const organizations = verifyEndorsements(protobufList(endorsed, 2, 'the endorsements'), response, pinned)
  const { proposalHash, chaincodeAction } = readResponse(response)
  const proposal = concatBytes(channelHeader, signatureHeader, protobufBytes(call, 1, 'the proposal'))
  // What ties the response to the channel
  if (!equalHashes(sha256(proposal), proposalHash))
    throw new ProofError('seal', `what was endorsed is another call than the one on channel ${pinned.chainId}`)
  return { organizations, ...readRoot(chaincodeAction, anchored, pinned) }
}

/** A message whose fields are all wanted, and no other. */
function decodeMembers(bytes: Uint8Array, what: string, fields: readonly number[] = [1, 2]): ProtobufMessage {
  const message = decodeProtobuf(bytes, what)
  for (const field of message.keys())
    if (!fields.includes(field))
      throw new ProofError('malformed', `${what} has a field ${field} that its format does not know`)
  return message
}

function checkChannel(header: ProtobufMessage, { chainId }: PinnedFabric): void {
  const [type, channel] = [protobufNumber(header, 1, 'the type'), protobufText(header, 4, 'the channel')]
  if (type !== ENDORSER_TRANSACTION || channel !== chainId)
    throw new ProofError(
      'seal',
      `endorsed was a call on channel ${JSON.stringify(channel.slice(0, 80))}, pinned is ${chainId}`,
    )
}

/** The pinned organisations of which a peer signed. */
function verifyEndorsements(endorsements: readonly Uint8Array[], response: Uint8Array, pinned: PinnedFabric): string[] {
  if (endorsements.length > MAX_ENDORSEMENTS)
    throw new ProofError('malformed', `${endorsements.length} endorsements, at most ${MAX_ENDORSEMENTS} are taken`)
  const found = new Set<string>()
  for (const bytes of endorsements) {
    const endorsement = decodeMembers(bytes, 'an endorsement')
    const endorser = protobufBytes(endorsement, 1, 'the endorser')
    const identity = decodeProtobuf(endorser, 'the endorser')
    const mspId = protobufText(identity, 1, "the endorser's MSP id")
    const organization = pinned.organizations.find(each => each.mspId === mspId)
    if (organization === undefined || found.has(mspId)) continue
    const certificate = parseCertificate(protobufText(identity, 2, "the endorser's certificate"))
    checkPeer(certificate, organization)
    // Fabric, core/endorser: SHA-256(ProposalResponsePayload || endorser)
    const signature = protobufBytes(endorsement, 2, 'the signature')
    if (!isSignedBy(signature, concatBytes(response, endorser), certificate, true))
      throw new ProofError('seal', `the signature of ${mspId} does not verify`)
    found.add(mspId)
  }
  const quorum = pinned.quorum ?? Math.floor(pinned.organizations.length / 2) + 1
  if (found.size < quorum)
    throw new ProofError(
      'seal',
      `${found.size} of the pinned organisations signed (${[...found].join(', ')}), ${quorum} must have`,
    )
  return [...found].sort()
}

/** @throws ProofError `seal` unless the organisation vouches for the certificate as that of a peer */
function checkPeer(certificate: Certificate, { mspId, certificates }: PinnedOrganization): void {
  const pinned = certificates.map(parseCertificate)
  if (pinned.some(({ bytes }) => equalHashes(bytes, certificate.bytes))) return
  if (!pinned.some(issuer => isIssuedBy(certificate, issuer)))
    throw new ProofError('seal', `the certificate of ${mspId}'s peer is neither pinned nor issued by what is pinned`)
  // The same CA issues users' certificates, and a user endorses nothing (Fabric, NodeOUs)
  if (!certificate.units.includes('peer'))
    throw new ProofError(
      'seal',
      `the certificate of ${mspId} is of ${JSON.stringify(certificate.units)}, not of a peer`,
    )
}

/** peer.ProposalResponsePayload and, in it, peer.ChaincodeAction */
function readResponse(response: Uint8Array) {
  const message = decodeProtobuf(response, 'the response')
  return {
    proposalHash: protobufBytes(message, 1, 'the proposal hash'),
    chaincodeAction: decodeProtobuf(protobufBytes(message, 2, "the chaincode's action"), "the chaincode's action"),
  }
}

function readRoot(action: ProtobufMessage, anchored: { size: number; root: Uint8Array }, pinned: PinnedFabric) {
  const chaincode = protobufText(
    decodeProtobuf(protobufBytes(action, 4, 'the chaincode id'), 'the chaincode id'),
    2,
    'its name',
  )
  const answer = decodeProtobuf(protobufBytes(action, 3, 'the answer'), 'the answer')
  const status = protobufNumber(answer, 1, 'the status')
  if (chaincode !== pinned.contract || status !== 200)
    throw new ProofError(
      'seal',
      `chaincode ${JSON.stringify(chaincode.slice(0, 80))} answered ${status}, pinned is ${pinned.contract}`,
    )
  const value = asProofError(() => parseStrict(protobufBytes(answer, 3, 'the answer')))
  const root = readMembers(value, "the chaincode's answer", ['format', 'log_id', 'root', 'size', 'time', 'transaction'])
  readText(root['format'], 'format of the answer', ROOT_FORMAT)
  const text = readText(root['root'], 'root in the answer', HASH)
  if (
    root['log_id'] !== pinned.logId ||
    root['size'] !== anchored.size ||
    !equalHashes(hexToBytes(text), anchored.root)
  )
    throw new ProofError(
      'seal',
      `the organisations signed another root than that of size ${anchored.size} of log ${pinned.logId}`,
    )
  return {
    block: committedIn(protobufBytes(action, 1, 'the results'), pinned, anchored.size),
    transaction: readText(root['transaction'], 'transaction in the answer', HASH),
    timestamp: readCount(root['time'], 'time in the answer'),
  }
}

/** The block in which the key of the root was written, by the version that the peers read (rwset.TxReadWriteSet). */
function committedIn(results: Uint8Array, { contract, logId }: PinnedFabric, size: number): number {
  for (const bytes of protobufList(decodeProtobuf(results, 'the results'), 2, 'a set')) {
    const namespace = decodeProtobuf(bytes, 'a set')
    if (protobufText(namespace, 1, 'a namespace') !== contract) continue
    const set = decodeProtobuf(protobufBytes(namespace, 2, 'the reads'), 'the reads')
    for (const item of protobufList(set, 1, 'a read')) {
      const read = decodeProtobuf(item, 'a read')
      if (protobufText(read, 1, 'a key') !== `root/${logId}/${size}` || !read.has(2)) continue
      return protobufNumber(decodeProtobuf(protobufBytes(read, 2, 'a version'), 'a version'), 1, 'a block')
    }
  }
  throw new ProofError('seal', `what was endorsed read no root of size ${size} from the ledger`)
}
