export { type Anchor, type CheckedAnchor, checkAnchors, ROOT_AT_SLOT, rootAtSlot, type SealedProof } from './anchor.ts'
export {
  BITCOIN_ANCHOR_SIZE,
  type BitcoinProof,
  coinbaseHeight,
  findBitcoinAnchor,
  formatBitcoinAnchor,
  type MinedBlock,
  type PinnedBitcoin,
  readBitcoinAnchor,
  verifyBitcoinProof,
} from './bitcoin.ts'
export { type BitcoinHeader, bitcoinMerkleBranch, bitcoinMerkleRoot, verifyBitcoinHeader } from './bitcoin-header.ts'
export { type BitcoinTransaction, displayHash, parseBitcoinTransaction } from './bitcoin-transaction.ts'
export { cliqueQuorum, verifyCliqueHeader } from './clique.ts'
export {
  type CollectionReading,
  readCollection,
  type ReadRecord,
  type VerifiedCollection,
  type VerifiedHead,
  verifyCollection,
  verifyCollectionProof,
} from './collection.ts'
export {
  type Disagreement,
  type DisagreementKind,
  type LedgerClaim,
  type VerifiedDisagreement,
  verifyDisagreement,
} from './disagreement.ts'
export { ProofError, type ProofErrorCode } from './error.ts'
export {
  type IntegrityEvent,
  type LogEvent,
  parseEvent,
  type RecordEvent,
  type ReferenceEvent,
  verifyEventContent,
} from './event.ts'
export {
  type EndorsedProof,
  type EndorsedRoot,
  type PinnedFabric,
  type PinnedOrganization,
  verifyEndorsedProof,
} from './fabric.ts'
export { type EntryEvidence, type Evidence, verifyEntry, verifySignedCheckpoint } from './evidence.ts'
export { formatHeadsEntry, type HeadsEntry, parseHeadsEntry } from './heads.ts'
export { collectionKey, type Head, headsMapPath, headsMapRoot, verifyHeadsMapPath } from './headsmap.ts'
export { compareLevels, EVIDENCE_LEVELS, type EvidenceLevel, formatLevel, isAtLeast } from './level.ts'
export { type ObjectProof, type VerifiedObject, verifyObject } from './object.ts'
export { type Page, pageTiles, type VerifiedPage, verifyPage } from './page.ts'
export { type SealedHeader, sealQuorum, verifySealedHeader } from './qbft.ts'
export {
  formatReceipt,
  parseReceipt,
  type Receipt,
  RECEIPT_ORIGIN_PREFIX,
  signReceipt,
  verifyReceipt,
} from './receipt.ts'
export {
  type DeletedRecord,
  type EquivocationRecord,
  formatRecord,
  type LogRecord,
  type ObjectRecord,
  parseRecord,
  readRecord,
  RECORD_PREFIX,
  recordCommitment,
  type RecordBase,
  submitterCommitment,
} from './record.ts'
export { decodeRlp, encodeRlp, type RlpItem } from './rlp.ts'
export {
  type Continuation,
  CONTINUATION_ORIGIN_PREFIX,
  formatContinuation,
  parseContinuation,
  signContinuation,
  verifyContinuation,
} from './continuation.ts'
export {
  formatSuccession,
  type LogKeys,
  parseSuccession,
  readLogKeys,
  signSuccession,
  type Succession,
  SUCCESSION_ORIGIN_PREFIX,
  verifyLogCheckpoint,
  verifySuccession,
} from './succession.ts'
export { decodeTrieNode, readTrie, verifyTrieProof } from './trie.ts'
export { believedKeys, type PinnedLedger, type Trust } from './trust.ts'
export {
  readWithheld,
  verifyWithheld,
  type WithheldProof,
  type WithheldReason,
  type WithheldRecord,
} from './withheld.ts'
