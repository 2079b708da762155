/**
 * Port: the part of a ledger's state that a chaincode works on. As on Fabric, `get` answers what was committed before the transaction, also
 * after a `put` of it; what a transaction put counts only if it ends well.
 */
export interface State {
  get(key: string): Promise<string | undefined>
  put(key: string, value: string): Promise<void>
}

/** One call of a chaincode function: all that its rules may look at. */
export interface Call {
  readonly state: State
  /** Who signed the proposal: MSP id, a colon, and the identity that the MSP vouches for (subject and issuer of its certificate). */
  readonly caller: string
  /** Id of the transaction, 64 hex digits. */
  readonly transaction: string
  /**
   * Time of the proposal, whole seconds since 1970: one value for all endorsers.
   * @throws Refusal `Invalid` where this endorser's clock says otherwise
   */
  time(): number
  /** An event of the transaction, of which Fabric has one. */
  emit?(name: string, payload: string): void
}
