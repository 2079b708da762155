/**
 * Port: a chain that runs contracts. For whoever needs transactions, events, headers and proofs of state (registries,
 * interledger); `Anchor` is built on it. Calls carry bytes in the chain's own encoding (EVM: ABI), so this file knows no driver.
 *
 * Every method MAY be called concurrently and MUST throw only LedgerError. A method that only reads MAY be repeated by anybody;
 * an adapter MUST NOT repeat a `submit` in a way that could take effect twice. Retrying is up to the caller.
 */
export interface Chain {
  readonly kind: 'evm' | 'fabric'
  readonly finality: Finality

  /** What a reader pins. MUST NOT change while the object lives. */
  identity(): Promise<ChainIdentity>

  /**
   * Runs a call as a transaction of the adapter's account. `contract` undefined: `data` creates a contract.
   * - MUST resolve only once the transaction is in a block, as durable as this chain makes it; finality is another matter.
   * - Calls of one Chain object MUST take effect in the order in which they were made.
   * - MUST take effect at most once, whatever is lost: the same bytes are sent again, or others that exclude them (an EVM: of the same nonce).
   * - MUST write to its journal before it sends, where it has one. The same call again, after `unreachable` or in the next process, MUST take up
   *   what is under way; any other call MUST wait for that to end.
   * - MUST throw `unreachable` with the transaction id when it does not know whether it was taken, and `refused` (with the
   *   contract's answer as `cause`, a ContractRefusal) when it was not.
   */
  submit(call: { contract?: string; data: Uint8Array }): Promise<ChainReceipt>

  /** Receipt of a transaction in a block of the present chain; undefined when there is none (not yet, or no longer). */
  receipt(transaction: string): Promise<ChainReceipt | undefined>

  /** Runs a call at the newest block without a trace. Throws `refused` as `submit` does. */
  call(call: { contract: string; data: Uint8Array }): Promise<Uint8Array>

  /**
   * Events in order of block and index. MUST be complete in the range asked for, or throw. `topics[i]` undefined matches
   * anything. `toBlock` is included; the newest block when left out.
   */
  events(filter: EventFilter): Promise<ChainEvent[]>

  /** A block's header; the newest one when left out. */
  header(block?: number): Promise<ChainHeader>

  /**
   * Header and proofs of storage slots (32 bytes each) of one block, the newest unless a block is named; undefined where
   * the chain has no provable state or the header no bytes. An old block throws `unsupported` when its state is gone.
   */
  prove(contract: string, slots: readonly Uint8Array[], block?: number): Promise<StateProof | undefined>

  /** Waits for what runs. After it every method throws `unreachable`. MAY be called twice. */
  close(): Promise<void>
}

/** When a block is final: at once (BFT), under so many later blocks (proof of authority or of work), or when the chain itself says so. */
export type Finality = 'instant' | 'finalized' | { readonly depth: number }

export interface ChainIdentity {
  readonly kind: Chain['kind']
  /** EVM chain id, or the name of the Fabric channel. */
  readonly chainId: string
  /** Hash of block 0. */
  readonly genesis: string
  /** Account that this adapter signs with. */
  readonly account: string
  /** Addresses of those who seal the headers, sorted; undefined when the newest carries no seals that we know. */
  readonly validators?: readonly string[]
  /** How they seal: QBFT all on one header, Clique one on each. */
  readonly consensus?: 'qbft' | 'clique'
}

export interface ChainReceipt {
  readonly transaction: string
  readonly block: number
  readonly blockHash: string
  /** Address of the contract that the transaction created. */
  readonly created?: string
  readonly events: readonly ChainEvent[]
}

export interface EventFilter {
  /** Left out: of any contract. */
  readonly contract?: string
  readonly topics: readonly (string | undefined)[]
  readonly fromBlock: number
  readonly toBlock?: number
}

export interface ChainEvent {
  readonly contract: string
  readonly topics: readonly string[]
  readonly data: Uint8Array
  readonly transaction: string
  readonly block: number
  readonly blockHash: string
  readonly index: number
  /** Of the block, whole seconds since 1970, where the node says it with the event. */
  readonly time?: number
}

export interface ChainHeader {
  readonly number: number
  readonly hash: string
  readonly parent: string
  readonly stateRoot: string
  /** Seconds since 1970. */
  readonly time: number
  /** The header as the chain encodes it, with its seals (EVM: RLP). Undefined where we know no encoding that gives its hash. */
  readonly bytes: Uint8Array | undefined
}

export interface StateProof {
  readonly header: ChainHeader & { readonly bytes: Uint8Array }
  /** Merkle-Patricia nodes from the state root to the contract's account. */
  readonly account: readonly Uint8Array[]
  /** For each slot: its value (32 bytes), and the nodes from the account's storage root. */
  readonly slots: readonly { readonly value: Uint8Array; readonly nodes: readonly Uint8Array[] }[]
}

/** What a contract answered when it refused: the cause of a LedgerError `refused`. */
export class ContractRefusal extends Error {
  override readonly name = 'ContractRefusal'
  /** Returned bytes in the chain's own encoding (EVM: a custom error); empty when it gave no reason. */
  readonly data: Uint8Array

  constructor(message: string, data: Uint8Array) {
    super(message)
    this.data = data
  }
}
