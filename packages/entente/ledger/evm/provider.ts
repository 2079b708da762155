/** What JSON-RPC is asked. */
export interface RpcRequest {
  readonly method: string
  readonly params?: readonly unknown[]
}

/** EIP-1193: the one function through which this room talks to an EVM chain. */
export interface Eip1193Provider {
  request(request: RpcRequest): Promise<unknown>
  /** Several in this order and in one go, each with an outcome of its own. Left out: they are asked for at the same time. */
  requestAll?(requests: readonly RpcRequest[]): Promise<PromiseSettledResult<unknown>[]>
}

/** A provider that holds something open. */
export interface ClosableProvider extends Eip1193Provider {
  close(): Promise<void>
}

/**
 * Error of a JSON-RPC method (EIP-1474): the chain answered, and said no. Codes: 3 execution reverted (`data`: what the contract
 * returned), -32601 unknown method, -32602 invalid parameters, -32000 refused, -32001 no such block or state, -32005 limit exceeded,
 * -32603 internal error.
 */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.code = code
    this.data = data
  }
}
