import { checkAnchors } from '@entente/verify/proof'
import type { AnchorIdentity, AnchorReceipt, SealedEvidence } from '../anchor.ts'
import { LedgerError } from '../error.ts'

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`

/**
 * Checks, as a reader does offline, that the contract holds the checkpoint of a receipt in the state of a block that the pinned validators sealed. Throws
 * LedgerError `corrupt`: then a node lies, or the validators are no longer those that were pinned.
 */
export function checkSealed(
  identity: AnchorIdentity,
  receipt: AnchorReceipt,
  evidence: SealedEvidence,
  validators: readonly string[],
): void {
  const { contract = '', logId = '', ledger, kind, consensus } = identity
  const chainId = Number(identity.chainId)
  const anchor = {
    ledger,
    kind,
    chain_id: chainId,
    contract,
    log_id: logId,
    size: receipt.size,
    root: Buffer.from(receipt.root).toString('base64'),
    transaction: receipt.transaction,
    block: receipt.block,
    block_hash: receipt.blockHash,
    sealed: {
      header: hex(evidence.header),
      account_proof: evidence.accountProof.map(hex),
      storage_proof: evidence.storageProof.map(hex),
      ...(evidence.following === undefined ? {} : { following: evidence.following.map(hex) }),
    },
  }
  try {
    checkAnchors([anchor], { origin: ledger, size: receipt.size, root: receipt.root, extensions: [] }, [
      { chainId, contract, logId, validators, ...(consensus === undefined ? {} : { consensus }) },
    ])
  } catch (cause) {
    throw new LedgerError(
      'corrupt',
      `ledger "${ledger}": transaction ${receipt.transaction} is said to have anchored size ${receipt.size}, and the sealed state does not prove it: ${(cause as Error).message}. A node lies, or the validators are not those in the configuration`,
      { cause },
    )
  }
}
