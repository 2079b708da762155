import { createHash } from 'node:crypto'
import { Common, type CustomCrypto, Hardfork, Mainnet, type ParamsDict } from '@ethereumjs/common'

/**
 * A Common that never changes: the libraries copy it and merge their parameter tables into it for every block, transaction and call, which
 * took 4 ms an anchor.
 */
class FixedCommon extends Common {
  readonly #merged = new Set<object>()
  override copy(): Common {
    return this
  }
  override updateParams(params: ParamsDict): void {
    if (this.#merged.has(params)) return
    this.#merged.add(params)
    super.updateParams(params)
  }
}

/** The rules of the fork that our contracts are compiled for. `crypto`: in place of the libraries in JavaScript. */
export const createCommon = (chainId: number, crypto: CustomCrypto = {}): Common =>
  new FixedCommon({
    chain: { ...Mainnet, name: 'entente', chainId },
    hardfork: Hardfork.Berlin,
    customCrypto: { sha256: message => Uint8Array.from(createHash('sha256').update(message).digest()), ...crypto },
  })
