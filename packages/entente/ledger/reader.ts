import type { Anchor, Checkpoint } from './anchor.ts'

/** An anchor as a proof names it (docs/formats.md 8), before the ledger was asked. */
export interface AnchorClaim extends Checkpoint {
  readonly ledger: string
  readonly transaction: string
  readonly contract?: string | undefined
  readonly logId?: string | undefined
}

/** What the ledger says of it. */
export interface AnchorReading {
  readonly block: number
  readonly blockHash: string
  /** Of that block, seconds since 1970. */
  readonly time: number
  readonly confirmations: number
  /** By what the chain itself says; undefined where it says nothing, and the reader decides by the confirmations. */
  readonly final: boolean | undefined
  /** SHA-256 of the origin under which the log is registered, hexadecimal, or (`bitcoin`) the first 16 bytes of it; undefined where the ledger knows no logs. */
  readonly originHash: string | undefined
}

/** Port: a ledger for somebody who reads and has no account there. Every method MUST throw only LedgerError. */
export interface AnchorReader {
  readonly kind: Anchor['kind']
  /** As in {@link AnchorIdentity}. */
  readonly chainId: string
  /**
   * Reads the anchor by its transaction, and what the ledger's state holds at its size: both MUST have the claim's size and root, in what
   * is the ledger's own record (for contracts: the code of this version). Throws `mismatch` where one has not, `unreachable`.
   */
  read(claim: AnchorClaim): Promise<AnchorReading>
  /**
   * The newest checkpoint that the ledger has of a log, from its state; undefined before the first. Absent where a ledger keeps no logs. Throws
   * `mismatch` where the contract is not that of this version or has no such log.
   */
  latest?(log: {
    contract: string
    logId: string
  }): Promise<(Checkpoint & Pick<AnchorReading, 'originHash'>) | undefined>
  close(): Promise<void>
}
