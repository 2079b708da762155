import { randomBytes } from 'node:crypto'
import { LedgerError } from '../../error.ts'
import { openBlocks } from './blocks.ts'
import { type Key, loadKey } from './keys.ts'
import { type Rpc, createRpc } from './rpc.ts'
import { type CrashPoint, type Store, openStore } from './store.ts'

/** States that stay readable for eth_getProof and eth_call, the newest included. */
export const DEFAULT_KEEP_STATES = 64
export const DEFAULT_VALIDATORS = 4

export interface EmbeddedOptions {
  /** A folder of its own: `ledger.db`, `validator-N.key`, `account.key`. Created where it is missing. */
  readonly folder: string
  readonly chainId: number
  /** Validators of a new folder; an existing one has to have as many. */
  readonly validators?: number
  readonly keepStates?: number
  /** Shows an existing ledger as it is now, beside the process that has it; makes nothing and seals nothing. */
  readonly readOnly?: boolean
}

export interface Embedded {
  readonly rpc: Rpc
  close(): Promise<void>
}

/**
 * Opens the chain in this thread. Throws LedgerError: `locked` (another process has the folder), `mismatch` (another chain id or other
 * validators than the folder was made with), `corrupt` (a key is missing, the head does not verify).
 * @param hook Called at each step of a block's write: where tests stop the process.
 */
export async function openEmbedded(
  {
    folder,
    chainId,
    validators = DEFAULT_VALIDATORS,
    keepStates = DEFAULT_KEEP_STATES,
    readOnly = false,
  }: EmbeddedOptions,
  {
    now,
    hook = () => {},
    random = randomBytes,
  }: { now: number; hook?: (point: CrashPoint) => void; random?: (length: number) => Uint8Array },
): Promise<Embedded> {
  if (!Number.isSafeInteger(chainId) || chainId < 1)
    throw new LedgerError('invalid', `chain id ${chainId}: a positive integer is wanted`)
  if (!Number.isSafeInteger(validators) || validators < 1 || validators > 64)
    throw new LedgerError('invalid', `${validators} validators: 1 to 64 are possible`)
  if (!Number.isSafeInteger(keepStates) || keepStates < 1)
    throw new LedgerError('invalid', `keepStates ${keepStates}: at least 1`)
  const store = openStore(folder, readOnly)
  try {
    if (readOnly && store.head() === undefined)
      throw new LedgerError('corrupt', `${store.path} has no block: it was never written whole`)
    const blocks = await openBlocks({
      store,
      chainId,
      validators: openKeys(store, folder, chainId, validators, random),
      keepStates,
      hook,
      now,
    })
    const rpc = createRpc({ store, blocks, chainId, keepStates })
    return {
      rpc,
      async close() {
        await rpc.idle()
        store.close()
      },
    }
  } catch (cause) {
    store.close()
    if (cause instanceof LedgerError) throw cause
    throw new LedgerError('corrupt', `${store.path} cannot be read: restore the folder from a backup`, { cause })
  }
}

/** The validators' keys, sorted by address; new ones only for a folder that has no block yet. */
function openKeys(
  store: Store,
  folder: string,
  chainId: number,
  count: number,
  random: (length: number) => Uint8Array,
): Key[] {
  const isNew = store.head() === undefined
  const storedChain = store.config('chainId')
  const stored = store.config('validators')?.split(' ')
  if (storedChain !== undefined && storedChain !== String(chainId)) {
    throw new LedgerError(
      'mismatch',
      `${folder} is chain ${storedChain}, configured is ${chainId}: correct the chain id, or use another folder`,
    )
  }
  if (stored !== undefined && stored.length !== count) {
    throw new LedgerError(
      'mismatch',
      `${folder} has ${stored.length} validators, configured are ${count}: they are fixed when the folder is made`,
    )
  }
  const keys = Array.from({ length: count }, (_, i) =>
    loadKey(folder, `validator-${i + 1}`, isNew ? random : undefined),
  )
  keys.sort((a, b) => (a.address < b.address ? -1 : 1))
  const found = keys.map(({ address }) => address).join(' ')
  if (stored !== undefined && found !== stored.join(' ')) {
    throw new LedgerError(
      'mismatch',
      `the keys in ${folder} are those of ${found}, its blocks were made by ${stored.join(' ')}: restore the keys`,
    )
  }
  return keys
}
