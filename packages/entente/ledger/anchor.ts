import type { BitcoinProof } from '@entente/verify/proof'
import type { Finality } from './chain.ts'
import type { RecordKeeper } from './records.ts'

/**
 * Port: a ledger that keeps the checkpoints of one log. One object serves one log; it is opened by an adapter's
 * `openXAnchor`, which registers the log on the ledger where that is needed.
 *
 * Every method MAY be called concurrently and MUST throw only LedgerError. An adapter MUST NOT retry for longer than the time
 * that it was opened with; retrying later is up to the caller, and every method may be repeated at any time.
 */
export interface Anchor {
  /** The ledger's id in the configuration. */
  readonly ledger: string
  readonly kind: 'evm' | 'fabric' | 'bitcoin'

  /** What a reader pins to check anchors of this ledger without asking us. MUST NOT change while the object lives. */
  describe(): Promise<AnchorIdentity>

  /** Largest checkpoint on the ledger, final or not; undefined before the first. MUST come from the ledger, not from memory. */
  latest(): Promise<Checkpoint | undefined>

  /** Time of the newest block, seconds since 1970; undefined where blocks carry none. */
  time(): Promise<number | undefined>

  /**
   * Anchors a checkpoint.
   * - MUST resolve only once it is in a block, as durable as the ledger makes it (final: see `finality`).
   * - MUST be idempotent: a checkpoint that the ledger has as its latest resolves with the anchor that is there, also when the
   *   answer to an earlier call was lost. It MUST NOT be anchored twice.
   * - Calls of one object MUST reach the ledger one after the other, in order.
   * - A ledger that can check consistency (`evm`, `fabric`) MUST have it checked there: `stale` when the ledger has a larger one,
   *   `fork` when it has another root at this size or the proof does not hold. One that cannot (`bitcoin`) MUST compare with
   *   what it wrote last and throw the same errors, and its identity says `enforces: false`.
   * - MUST throw `unreachable` when it does not know the outcome; the caller calls again.
   * - MAY throw `pending` with the transaction when what it sent is in no block yet: a ledger whose blocks take minutes. The caller calls again
   *   with the same checkpoint; after a restart perhaps with a newer one, which MUST NOT be sent before the outcome of the older is known.
   * @param consistency RFC 9162 consistency proof from an older size, greater than 0, to `checkpoint.size`. It MAY throw: the error
   * goes to the caller as it is and nothing is sent.
   */
  append(
    checkpoint: Checkpoint & { note: string },
    consistency: (oldSize: number) => Uint8Array[] | Promise<Uint8Array[]>,
  ): Promise<AnchorReceipt>

  /** The anchor that a transaction made; undefined when it made none for this log or is in no block of the present chain. */
  read(transaction: string): Promise<AnchorReceipt | undefined>

  /** The anchor of exactly this size, from the ledger's own record: for recovery when an answer was lost. */
  find(size: number): Promise<AnchorReceipt | undefined>

  /**
   * Whether an anchor is final. MUST look at the present chain: one that was reorganised away is `{ final: false, confirmations: 0 }`.
   * A caller MUST NOT remember `final: false`, and MAY remember `final: true`.
   */
  finality(receipt: AnchorReceipt): Promise<{ final: boolean; confirmations: number }>

  /**
   * Evidence for offline checking that this size has its root, at the newest block. Absent where the ledger has no sealed headers or
   * provable state; undefined when the size is not anchored, or this chain's headers and states cannot be checked.
   */
  prove?(size: number): Promise<SealedEvidence | undefined>

  /** As `prove`, on a ledger whose headers carry work in place of seals; undefined as well while the anchor is not final. */
  proveMined?(size: number): Promise<MinedEvidence | undefined>

  /**
   * Ends the log of another origin, of the same owner: it takes nothing more on the ledger, and this one, which has no checkpoint there yet, goes on from the
   * largest of `shared` that the ledger has of it. Absent where the ledger knows no owners.
   * - MUST be idempotent: where this log follows that one already, it answers as before.
   * - MUST throw `closed` where another log follows it, `fork` where the ledger has another root at a shared size, and `unsupported` where it can't.
   * @param shared checkpoints that both logs have, ascending
   */
  succeed?(origin: string, shared: readonly Checkpoint[]): Promise<Succeeded>

  /** Where the ledger takes records as well, and was opened for it. */
  readonly records?: RecordKeeper

  /** As `prove`, on a ledger whose peers sign what they hold, in place of headers and states that anybody could check. */
  proveEndorsed?(size: number): Promise<EndorsedEvidence | undefined>

  /** Waits for what runs. After it every method throws `unreachable`. MAY be called twice. */
  close(): Promise<void>
}

/** A log that ended on a ledger. */
export interface Succeeded {
  /** The largest size that it had there; 0 where it had none, or was never registered. */
  readonly latest: number
  /** The size at which the other one goes on; 0: from nothing. */
  readonly size: number
}

export interface Checkpoint {
  /** Number of leaves, a safe integer of at least 1. */
  readonly size: number
  /** Root of the tree (RFC 9162, section 2.1.1): 32 bytes. */
  readonly root: Uint8Array
}

export interface AnchorIdentity {
  readonly ledger: string
  readonly kind: Anchor['kind']
  readonly finality: Finality
  /** Whether the ledger itself refuses stale and forked checkpoints. */
  readonly enforces: boolean
  /** EVM chain id, Fabric channel, or the name of the Bitcoin network. */
  readonly chainId: string
  readonly genesis: string
  /** Contract address, or chaincode name. */
  readonly contract?: string
  /** The log's id in the contract. */
  readonly logId?: string
  /** Account that may append. */
  readonly owner: string
  /** Addresses of the validators that seal the headers, sorted. */
  readonly validators?: readonly string[]
  /** How they seal. */
  readonly consensus?: 'qbft' | 'clique'
  /** Fabric: the channel's organisations, and the CAs of their identities as PEM. */
  readonly organizations?: readonly { readonly mspId: string; readonly certificates: readonly string[] }[]
  /** Bitcoin: the least work that an anchor's block and those on top of it have to have. */
  readonly minWork?: bigint
}

export interface AnchorReceipt extends Checkpoint {
  readonly ledger: string
  readonly transaction: string
  readonly block: number
  readonly blockHash: string
}

/** What `sealed` in an anchor of a proof file is made of (docs/formats.md, section 8). */
export interface SealedEvidence extends Checkpoint {
  readonly block: number
  readonly blockHash: string
  /** RLP of the header with its seals. */
  readonly header: Uint8Array
  /** Clique: the headers on top of it, the next first. */
  readonly following?: readonly Uint8Array[]
  readonly accountProof: readonly Uint8Array[]
  readonly storageProof: readonly Uint8Array[]
}

/** What `bitcoin` in an anchor of a proof file is (docs/formats.md, section 8). */
export interface MinedEvidence extends Checkpoint {
  readonly block: number
  readonly blockHash: string
  readonly bitcoin: BitcoinProof
}

/** What `endorsed` in an anchor of a proof file is (docs/formats.md, section 8). */
export interface EndorsedEvidence extends Checkpoint {
  readonly block: number
  readonly blockHash: string
  /** Payload of an endorsed transaction that was never submitted (Fabric: common.Payload). */
  readonly payload: Uint8Array
}
