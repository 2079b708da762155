import { type SealedHeader, verifyCliqueHeader, verifySealedHeader } from '@entente/verify/proof'
import { bytesToHex } from 'viem/utils'
import { LedgerError } from '../../../error.ts'
import { createCache } from '../../cache.ts'
import type { EvmChain } from '../../chain.ts'
import { cliqueDepth } from '../../finality.ts'
import { corrupt, verify } from './check.ts'

/** Who seals the chain, as its reader knows it from elsewhere. */
export interface PinnedValidators {
  readonly consensus: 'qbft' | 'clique'
  /** Addresses, 0x and lower case. */
  readonly validators: readonly string[]
}

export interface ProvenHeader {
  readonly number: number
  /** 0x and 64 digits. */
  readonly hash: string
  readonly stateRoot: Uint8Array
  /** Seconds since 1970. */
  readonly time: number
  /** RLP, as the chain has it. */
  readonly bytes: Uint8Array
}

export interface ProvenHeaders {
  /** The newest one that is sealed enough, or that of the block that is named; undefined where it is not yet. Throws LedgerError `corrupt`. */
  find(block?: number): Promise<ProvenHeader | undefined>
  /** {@link find}, and waits for it. Throws LedgerError `pending`. */
  header(block?: number): Promise<ProvenHeader>
}

export interface ProvenHeadersOptions {
  readonly chain: EvmChain
  readonly pinned: PinnedValidators
  readonly timeoutMs: number
  readonly pollMs: number
  readonly wait: (milliseconds: number) => Promise<unknown>
}

type Bytes = { readonly hash: string; readonly bytes: Uint8Array }
/** Headers that are kept, each under its hash and its number. */
const HEADERS = 512

/** Headers of a chain, held against the seals of its validators: of QBFT those on it, of Clique those of the blocks above it. */
export function createProvenHeaders(options: ProvenHeadersOptions): ProvenHeaders {
  const { chain, pinned, timeoutMs, pollMs, wait } = options
  const { consensus, validators } = pinned
  const headers = createCache<ProvenHeader>(HEADERS)

  async function find(block: number | undefined): Promise<ProvenHeader | undefined> {
    const known = block === undefined ? undefined : headers.get(String(block))
    if (known !== undefined) return known
    const [header, ...above] = (await (consensus === 'qbft' ? alone(block) : withFollowing(block))) ?? []
    if (header === undefined) return undefined
    const found = headers.get(header.hash) ?? check(header, above)
    if (block !== undefined && found.number !== block)
      throw corrupt(`asked for block ${block}, the node gave block ${found.number}`)
    return headers.set(String(found.number), headers.set(found.hash, found))
  }

  function check({ bytes }: Bytes, above: readonly Bytes[]): ProvenHeader {
    const sealed: SealedHeader = verify(() =>
      consensus === 'qbft'
        ? verifySealedHeader(bytes, validators)
        : verifyCliqueHeader(
            bytes,
            above.map(one => one.bytes),
            validators,
          ),
    )
    const { number, stateRoot, timestamp: time } = sealed
    return { number, hash: bytesToHex(sealed.hash), stateRoot, time, bytes }
  }

  const alone = async (block: number | undefined): Promise<Bytes[]> => [await header(block)]

  /** A header of Clique and as many on top of it as it takes; undefined where there are not so many yet. */
  async function withFollowing(block: number | undefined): Promise<Bytes[] | undefined> {
    const depth = cliqueDepth(validators.length)
    if (block === undefined) return chain.newest(depth + 1)
    const head = await chain.header()
    if (head.number < block + depth) return undefined
    return Promise.all(Array.from({ length: depth + 1 }, (_, i) => header(block + i)))
  }

  async function header(block: number | undefined): Promise<Bytes> {
    const { hash, bytes } = await chain.header(block)
    if (bytes === undefined) throw corrupt(`block ${block ?? 'latest'} has no header that can be checked`)
    return { hash, bytes }
  }

  return {
    find,
    async header(block) {
      for (let waited = 0; ; waited += pollMs) {
        const found = await find(block)
        if (found !== undefined) return found
        if (waited >= timeoutMs)
          throw new LedgerError(
            'pending',
            `block ${block ?? 'latest'} is not sealed by enough of the ${validators.length} validators after ${timeoutMs} ms: ask again`,
          )
        await wait(pollMs)
      }
    },
  }
}
