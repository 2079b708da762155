// Views of contracts, run here, over state that was proven slot by slot: what a node says is looked at only where the seals of pinned
// validators lead to it.
import { createBlock } from '@ethereumjs/block'
import type { Common, StateManagerInterface } from '@ethereumjs/common'
import { createEVM } from '@ethereumjs/evm'
import { Account, Address } from '@ethereumjs/util'
import {
  decodeRlp,
  decodeTrieNode,
  readTrie,
  type RlpItem,
  type SealedHeader,
  verifyCliqueHeader,
  verifySealedHeader,
} from '@entente/verify/proof'
import type { Hex } from 'viem'
import { bytesToHex, hexToBytes, keccak256, numberToHex } from 'viem/utils'
import { LedgerError } from '../../error.ts'
import type { EvmChain } from '../chain.ts'
import { createCommon } from '../embedded/machine.ts'
import { cliqueDepth } from '../finality.ts'
import type { Ask } from '../rpc.ts'

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

export interface ProvenState {
  /** The newest block that is sealed enough, or the one that is named: it is waited for. Throws LedgerError `corrupt`, `pending`. */
  header(block?: number): Promise<ProvenHeader>
  /** Runs a view at a block. Throws LedgerError `corrupt` where the node's proofs are none, `refused` where the contract reverts. */
  call(header: ProvenHeader, call: { contract: string; data: Uint8Array }): Promise<Uint8Array>
}

export interface ProvenStateOptions {
  readonly chain: EvmChain
  readonly ask: Ask
  readonly chainId: number
  readonly pinned: PinnedValidators
  /** Whether an address may have this code, which was proven to be there; throws where it may not. */
  readonly checkCode: (address: string, code: Uint8Array) => void
  readonly timeoutMs: number
  readonly pollMs: number
  readonly wait: (milliseconds: number) => Promise<unknown>
}

/** Trie nodes that were proven and are kept, decoded: 2 KB each at most. */
const NODES = 8192
const HEADERS = 256
/** Slots whose values are kept. */
const SLOTS = 100_000
/** Slots that lie together: at most so many behind the first, and what is asked for before a view has shown which. */
const GROUP = 64
const FIRST_GUESS = [0, 1, 2, 3, 4, 5, 6, 7]
/** Slots of one view: what is longer is no answer of ours. */
const MAX_READ = 4096
const GAS = 50_000_000n
const CALLER = new Address(new Uint8Array(20))

interface ProvenAccount {
  readonly storageRoot: Uint8Array
  readonly codeHash: Uint8Array
}

export function createProvenState(options: ProvenStateOptions): ProvenState {
  const { chain, ask, chainId, pinned, checkCode, timeoutMs, pollMs, wait } = options
  const common = createCommon(chainId)
  const headers = createCache<ProvenHeader>(HEADERS)
  const nodes = createCache<RlpItem>(NODES)
  const accounts = createCache<ProvenAccount>(HEADERS)
  const slots = createCache<Uint8Array>(SLOTS)
  const codes = createCache<Uint8Array>(64)
  /** Offsets of the slots that a view reads, by view and group. */
  const learned = createCache<Set<number>>(1024)
  /** Each is made for a millisecond, so they are kept. */
  const idle: Machine[] = []

  async function sealed(number: number | undefined): Promise<ProvenHeader | undefined> {
    const before = number === undefined ? undefined : headers.get(String(number))
    if (before !== undefined) return before
    if (pinned.consensus === 'qbft') {
      const { bytes, hash } = await chain.header(number)
      if (bytes === undefined) throw corrupt(`block ${number ?? 'latest'} has no header that can be checked`)
      return (
        headers.get(hash) ??
        remember(
          verify(() => verifySealedHeader(bytes, pinned.validators)),
          bytes,
          number,
        )
      )
    }
    const depth = cliqueDepth(pinned.validators.length)
    const found = number === undefined ? await chain.newest(depth + 1) : await following(number, depth)
    const [header, ...above] = found ?? []
    if (header === undefined) return undefined
    const known = headers.get(header.hash)
    const on = above.map(({ bytes }) => bytes)
    return (
      known ??
      remember(
        verify(() => verifyCliqueHeader(header.bytes, on, pinned.validators)),
        header.bytes,
        number,
      )
    )
  }

  async function following(number: number, depth: number) {
    const head = await chain.header()
    if (head.number < number + depth) return undefined
    const found = await Promise.all(Array.from({ length: depth + 1 }, (_, i) => chain.header(number + i)))
    return found.map(({ bytes, ...rest }) => {
      if (bytes === undefined) throw corrupt(`block ${rest.number} has no header that can be checked`)
      return { ...rest, bytes }
    })
  }

  function remember(found: SealedHeader, bytes: Uint8Array, wanted: number | undefined): ProvenHeader {
    const { number, stateRoot, timestamp: time } = found
    if (wanted !== undefined && number !== wanted)
      throw corrupt(`asked for block ${wanted}, the node gave block ${number}`)
    const hash = bytesToHex(found.hash)
    return headers.set(hash, headers.set(String(number), { number, hash, stateRoot, time, bytes }))
  }

  async function prove(header: ProvenHeader, address: Hex, wanted: readonly Hex[]): Promise<ProvenAccount> {
    const answer = await ask<unknown>('eth_getProof', address, wanted, numberToHex(header.number))
    const { accountProof, storageProof } = readProof(answer, wanted.length)
    return verify(() => {
      const value = readTrie(header.stateRoot, hexToBytes(address), nodesFrom(accountProof))
      if (value === undefined)
        throw new LedgerError(
          'pending',
          `there is no contract at ${address} in block ${header.number}: it was created later, ask again`,
        )
      const [, , storageRoot, codeHash] = decodeRlp(value) as Uint8Array[]
      if (storageRoot?.length !== 32 || codeHash?.length !== 32) throw corrupt(`${address} has no valid account`)
      for (const [i, slot] of wanted.entries()) {
        const word = readTrie(storageRoot, hexToBytes(slot), nodesFrom(storageProof[i] ?? []))
        slots.set(slotKey(address, storageRoot, slot), word === undefined ? EMPTY : toBytes(decodeRlp(word)))
      }
      return accounts.set(`${header.hash} ${address}`, { storageRoot, codeHash })
    })
  }

  /** Gives the nodes of a proof in their order; those that were proven before are not hashed again. */
  function nodesFrom(proof: readonly Hex[]): (hash: Uint8Array) => RlpItem {
    let used = 0
    return hash => {
      const key = Buffer.from(hash).toString('latin1')
      const given = proof[used++]
      return (
        nodes.get(key) ??
        nodes.set(key, decodeTrieNode(hash, given === undefined ? undefined : hexToBytes(given), used - 1))
      )
    }
  }

  async function codeOf(address: Hex, codeHash: Uint8Array): Promise<Uint8Array> {
    const wanted = bytesToHex(codeHash)
    const known = codes.get(`${address}${wanted}`)
    if (known !== undefined) return known
    const code = hexToBytes(await ask<Hex>('eth_getCode', address, 'latest'))
    if (keccak256(code) !== wanted)
      throw corrupt(`the code of ${address} hashes to ${keccak256(code)}, its account says ${wanted}`)
    checkCode(address, code)
    return codes.set(`${address}${wanted}`, code)
  }

  async function accountOf(header: ProvenHeader, address: Hex): Promise<ProvenAccount> {
    return accounts.get(`${header.hash} ${address}`) ?? prove(header, address, [])
  }

  /**
   * Gives the slots that one view reads. Its slots lie together (a struct, the elements of an array), and where they lie from the first of
   * them the same view of other arguments has shown: so they are asked for at once.
   */
  function readerOf(header: ProvenHeader, view: string) {
    const groups: { address: Hex; first: bigint; offsets: Set<number> }[] = []
    let reads = 0
    return async (address: Hex, slot: Hex): Promise<Uint8Array> => {
      if (++reads > MAX_READ) throw corrupt(`a view reads more than ${MAX_READ} slots`)
      const at = BigInt(slot)
      const isIn = (group: { address: Hex; first: bigint }) =>
        group.address === address && at >= group.first && at < group.first + BigInt(GROUP)
      const known = groups.find(isIn)
      const name = `${view} ${known === undefined ? groups.length : groups.indexOf(known)}`
      const group = known ?? { address, first: at, offsets: learned.get(name) ?? learned.set(name, new Set()) }
      if (known === undefined) groups.push(group)
      const guessed = group.offsets.size === 0 ? FIRST_GUESS : [...group.offsets]
      group.offsets.add(Number(at - group.first))
      const account = accounts.get(`${header.hash} ${address}`)
      const value = account && slots.get(slotKey(address, account.storageRoot, slot))
      if (value !== undefined) return value
      const together = [at, ...guessed.map(offset => group.first + BigInt(offset))].filter(
        (one, i, all) =>
          one < 2n ** 256n &&
          all.indexOf(one) === i &&
          (account === undefined || slots.get(slotKey(address, account.storageRoot, toSlot(one))) === undefined),
      )
      const { storageRoot } = await prove(header, address, together.map(toSlot))
      return slots.get(slotKey(address, storageRoot, slot)) as Uint8Array
    }
  }

  async function call(header: ProvenHeader, { contract, data }: { contract: string; data: Uint8Array }) {
    const machine = idle.pop() ?? (await createMachine(common))
    machine.reads = {
      account: async address => {
        const { storageRoot, codeHash } = await accountOf(header, address)
        return new Account(0n, 0n, storageRoot, codeHash)
      },
      code: async address => codeOf(address, (await accountOf(header, address)).codeHash),
      storage: readerOf(header, `${contract} ${bytesToHex(data.subarray(0, 4))}`),
    }
    const result = await machine.evm.runCall({
      caller: CALLER,
      origin: CALLER,
      to: new Address(hexToBytes(contract as Hex)),
      data,
      gasLimit: GAS,
      isStatic: true,
      block: blockOf(common, header),
    })
    machine.evm.journal.cleanJournal()
    idle.push(machine) // only one whose last call ended well: nothing of it is left
    const { returnValue, exceptionError } = result.execResult
    if (exceptionError !== undefined)
      throw new LedgerError('refused', `a view of ${contract} fails: ${exceptionError.error}`)
    return returnValue
  }

  return {
    async header(block) {
      for (let waited = 0; ; waited += pollMs) {
        const found = await sealed(block)
        if (found !== undefined) return found
        if (waited >= timeoutMs)
          throw new LedgerError(
            'pending',
            `block ${block ?? 'latest'} is not sealed by enough of the ${pinned.validators.length} validators after ${timeoutMs} ms: ask again`,
          )
        await wait(pollMs)
      }
    },
    call,
  }
}

const EMPTY = new Uint8Array(0)
const corrupt = (what: string) =>
  new LedgerError('corrupt', `${what}: a node lies, or the validators are not those that are pinned`)
const toSlot = (at: bigint): Hex => numberToHex(at, { size: 32 })
const slotKey = (address: Hex, storageRoot: Uint8Array, slot: Hex) =>
  `${address}${slot}${Buffer.from(storageRoot).toString('latin1')}`

/** What a check of evidence throws, as ours. */
function verify<T>(check: () => T): T {
  try {
    return check()
  } catch (cause) {
    if (cause instanceof LedgerError) throw cause
    throw new LedgerError(
      'corrupt',
      `what the node gave proves nothing (${(cause as Error).message}): a node lies, or the validators are not those that are pinned`,
      { cause },
    )
  }
}

function toBytes(item: RlpItem): Uint8Array {
  if (item instanceof Uint8Array && item.length <= 32) return item
  throw corrupt('a slot holds no word')
}

const HEX = /^0x(?:[0-9a-fA-F]{2})*$/
const isHexList = (value: unknown): value is Hex[] =>
  Array.isArray(value) && value.length <= 65 && value.every(node => typeof node === 'string' && HEX.test(node))

function readProof(answer: unknown, count: number): { accountProof: Hex[]; storageProof: Hex[][] } {
  const { accountProof, storageProof } = (answer ?? {}) as Record<string, unknown>
  const proofs = Array.isArray(storageProof)
    ? storageProof.map((entry: unknown) => (entry as { proof?: unknown } | null)?.proof)
    : []
  if (!isHexList(accountProof) || proofs.length !== count || !proofs.every(isHexList))
    throw corrupt('the answer of eth_getProof is no proof')
  return { accountProof, storageProof: proofs as Hex[][] }
}

/** The newest `size` entries; a value is given back by `set`. */
function createCache<T>(size: number) {
  const entries = new Map<string, T>()
  return {
    get: (key: string) => entries.get(key),
    set: (key: string, value: T): T => {
      entries.delete(key)
      entries.set(key, value)
      if (entries.size > size) for (const oldest of entries.keys()) if (entries.delete(oldest)) break
      return value
    },
  }
}

const blockOf = (common: Common, { number, time }: ProvenHeader) =>
  createBlock(
    { header: { number, timestamp: time, gasLimit: GAS, difficulty: 1 } },
    { common, skipConsensusFormatValidation: true },
  )

interface Reads {
  account(address: Hex): Promise<Account>
  code(address: Hex): Promise<Uint8Array>
  storage(address: Hex, slot: Hex): Promise<Uint8Array>
}

interface Machine {
  readonly evm: Awaited<ReturnType<typeof createEVM>>
  /** What its next call reads. */
  reads: Reads
}

async function createMachine(common: Common): Promise<Machine> {
  const unset = () => Promise.reject(new LedgerError('invalid', 'a machine without a state'))
  const machine = { reads: { account: unset, code: unset, storage: unset } as Reads }
  return Object.assign(machine, { evm: await createEVM({ common, stateManager: readOnlyState(() => machine.reads) }) })
}

/** State for a view: accounts of contracts are asked for, that of the caller is empty; nothing is written. */
function readOnlyState(reads: () => Reads): StateManagerInterface {
  const nothing = async () => undefined
  const refuse = async () => {
    throw new LedgerError('refused', 'a view of a contract writes')
  }
  const hexOf = (address: Address) => bytesToHex(address.bytes)
  const isCaller = (address: Address) => address.equals(CALLER)
  const state: StateManagerInterface = {
    getAccount: async address => (isCaller(address) ? new Account() : reads().account(hexOf(address))),
    getCode: async address => (isCaller(address) ? EMPTY : reads().code(hexOf(address))),
    getCodeSize: async address => (isCaller(address) ? 0 : (await reads().code(hexOf(address))).length),
    getStorage: (address, key) => reads().storage(hexOf(address), bytesToHex(key)),
    putAccount: nothing, // the caller's, whose nonce counts for nothing
    checkpoint: nothing,
    commit: nothing,
    revert: nothing,
    deleteAccount: refuse,
    modifyAccountFields: refuse,
    putCode: refuse,
    putStorage: refuse,
    clearStorage: refuse,
    getStateRoot: refuse,
    setStateRoot: refuse,
    hasStateRoot: refuse,
    originalStorageCache: { get: refuse, clear: () => undefined },
    clearCaches: () => undefined,
    shallowCopy: () => state,
  }
  return state
}
