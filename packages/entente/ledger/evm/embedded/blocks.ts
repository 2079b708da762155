// Makes blocks and checks them. One operator holds all the validators' keys: the seals show that a block came from this folder's
// keys and was not changed since, no more; see docs/decisions/0002-embedded-ledger.md.
import type { TypedTransaction } from '@ethereumjs/tx'
import type { Hex } from 'viem'
import { bytesToHex, hexToBytes } from 'viem/utils'
import { LedgerError } from '../../error.ts'
import { createCache } from '../cache.ts'
import {
  BFT_MIX_HASH,
  FIELD,
  type HeaderFields,
  checkSeals,
  encodeHeader,
  formatExtra,
  headerNumber,
  parseHeader,
  qbftHash,
  scalar,
  sealMessage,
} from '../qbft.ts'
import { keccak256, sign } from './crypto.ts'
import type { Key } from './keys.ts'
import { BLOCK_GAS_LIMIT, EMPTY_ROOT, type Executed, type Machine, createMachine } from './machine.ts'
import { type NodeKey, childrenOf } from './nodes.ts'
import { formatReceipt, logKeys } from './receipt.ts'
import type { CrashPoint, Store } from './store.ts'

export interface Block {
  readonly number: number
  readonly time: number
  readonly hash: Uint8Array
  readonly stateRoot: NodeKey
  readonly fields: HeaderFields
  readonly header: Uint8Array
}

export interface Blocks {
  readonly machine: Machine
  head(): Block
  at(number: number): Block | undefined
  byHash(hash: Uint8Array): Block | undefined
  /** Whether the whole state after a block can be read. */
  hasState(block: Block): boolean
  /**
   * Executes transactions in a new block and stores it; no block where none of them can run. `now`: milliseconds. Throws LedgerError `busy`
   * when it cannot be written (full disk), and then the block before is the newest still.
   */
  seal(transactions: readonly TypedTransaction[], now: number): Promise<Executed>
  /** Checks all blocks and nodes; executes everything again from block 0 where `replay` is set. Throws LedgerError `corrupt`. */
  verify(options: { replay: boolean }): Promise<Verified>
}

export interface Verified {
  readonly blocks: number
  readonly transactions: number
  readonly nodes: number
  readonly head: Hex
}

export interface BlocksOptions {
  readonly store: Store
  readonly chainId: number
  /** Sorted by address. */
  readonly validators: readonly Key[]
  /** Newest states that stay readable. */
  readonly keepStates: number
  readonly hook: (point: CrashPoint) => void
  /** Milliseconds, for block 0 of a new folder. */
  readonly now: number
}

/** Blocks below the head whose links and seals are checked when a folder is opened. */
const CHECKED_ON_OPEN = 4
const CACHED_NODES = 20_000
const NO_OMMERS = hexToBytes('0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347')
const FIRST_PARENT = new Uint8Array(32)

export async function openBlocks({
  store,
  chainId,
  validators,
  keepStates,
  hook,
  now,
}: BlocksOptions): Promise<Blocks> {
  const addresses = validators.map(({ address }) => address)
  const cache = createCache<Uint8Array>(CACHED_NODES)
  const read = (key: NodeKey): Uint8Array | undefined => {
    const known = cache.get(key)
    if (known !== undefined) return known
    const data = store.node(key)
    if (data === undefined) return undefined
    checkNode(key, data)
    return cache.set(key, data)
  }
  const checkNode = (key: NodeKey, data: Uint8Array) => {
    const hash = Buffer.from(keccak256(data)).toString('hex')
    if (hash !== key.slice(-64)) throw corrupt(`node ${key} hashes to ${hash}`)
  }
  const corrupt = (what: string) =>
    new LedgerError('corrupt', `${store.path}: ${what}: restore the folder from a backup`)
  const machine = createMachine({ chainId, read, blockHash: number => store.block(number)?.hash })

  function parse({ number, hash, header }: { number: number; hash: Uint8Array; header: Uint8Array }): Block {
    const fields = parseHeader(header)
    const found = headerNumber(fields, FIELD.number)
    if (found !== number) throw corrupt(`block ${number} has the header of block ${found}`)
    const stateRoot = Buffer.from(fields[FIELD.stateRoot] ?? []).toString('hex')
    return { number, hash, header, fields, stateRoot, time: headerNumber(fields, FIELD.time) }
  }

  /** Hash, seals and the link to the block before. */
  async function check(block: Block, parent: Block | undefined): Promise<void> {
    const { number, fields } = block
    const hash = await checkSeals(fields, addresses)
    if (hash !== bytesToHex(block.hash))
      throw corrupt(`block ${number} is stored under ${bytesToHex(block.hash)} and hashes to ${hash}`)
    const parentHash = bytesToHex(fields[FIELD.parent] ?? FIRST_PARENT)
    const expected = bytesToHex(parent?.hash ?? FIRST_PARENT)
    if (number > 0 !== (parent !== undefined) || parentHash !== expected) {
      throw corrupt(`block ${number} follows ${parentHash}, the block before it is ${expected}`)
    }
    if (parent !== undefined && block.time < parent.time)
      throw corrupt(`block ${number} is older than the block before it`)
  }

  async function storeBlock(executed: Executed, parent: Block | undefined, milliseconds: number): Promise<Block> {
    const number = (parent?.number ?? -1) + 1
    const time = timeAfter(parent, milliseconds)
    const proposer = proposerOf(number)
    const unsealed: HeaderFields = [
      parent?.hash ?? FIRST_PARENT,
      NO_OMMERS,
      proposer,
      Buffer.from(executed.stateRoot, 'hex'),
      executed.transactionsRoot,
      executed.receiptsRoot,
      executed.bloom,
      scalar(1), // difficulty
      scalar(number),
      scalar(BLOCK_GAS_LIMIT),
      scalar(executed.gasUsed),
      scalar(time),
      formatExtra({ validators: addresses.map(a => hexToBytes(a)), seals: [], round: 0 }),
      hexToBytes(BFT_MIX_HASH),
      new Uint8Array(8), // nonce
    ]
    const hash = sealMessage(unsealed)
    const seals = validators.map(({ privateKey }) => sign(hexToBytes(hash), hexToBytes(privateKey)))
    const extra = formatExtra({ validators: addresses.map(a => hexToBytes(a)), seals, round: 0 })
    const fields = unsealed.map((field, i) => (i === FIELD.extra ? extra : field))
    const block = parse({ number, hash: hexToBytes(qbftHash(fields)), header: encodeHeader(fields) })
    try {
      store.commit(
        {
          block,
          transactions: executed.outcomes.map(({ hash, raw, receipt }, position) => ({
            position,
            hash,
            raw,
            receipt: formatReceipt(receipt),
          })),
          logKeys: logKeys(executed.outcomes.flatMap(({ receipt }) => receipt.logs)),
          oldRoot: parent?.stateRoot ?? EMPTY_ROOT,
          newRoot: executed.stateRoot,
          written: executed.written,
        },
        keepStates,
        hook,
        parent === undefined ? { chainId: String(chainId), validators: addresses.join(' ') } : {},
      )
    } catch (cause) {
      if (cause instanceof LedgerError) throw cause
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new LedgerError(
        'busy',
        `block ${number} could not be written to ${store.path} (${reason}), nothing changed: make room, then repeat`,
        { cause },
      )
    }
    for (const [key, data] of executed.written) cache.set(key, data)
    return block
  }

  const proposerOf = (number: number) => hexToBytes(addresses[number % addresses.length] ?? '0x')
  const timeAfter = (parent: Block | undefined, milliseconds: number) =>
    Math.max(Math.floor(milliseconds / 1000), parent?.time ?? 0)

  async function checkNewest(): Promise<Block> {
    const stored = store.head()
    if (stored === undefined) {
      const nothing = await machine.execute(
        EMPTY_ROOT,
        { number: 0, time: timeAfter(undefined, now), proposer: proposerOf(0) },
        [],
      )
      return storeBlock(nothing, undefined, now)
    }
    const head = parse(stored)
    for (let number = head.number; number > head.number - CHECKED_ON_OPEN && number >= 0; number--) {
      await check(mustHave(number), number === 0 ? undefined : mustHave(number - 1))
    }
    if (head.stateRoot !== EMPTY_ROOT && read(head.stateRoot) === undefined)
      throw corrupt(`the state of block ${head.number} is missing`)
    return head
  }

  function mustHave(number: number): Block {
    const stored = store.block(number)
    if (stored === undefined) throw corrupt(`block ${number} is missing`)
    return parse(stored)
  }

  /** Counts of references to nodes as they should be, from the newest state. */
  function recount(root: NodeKey): Map<NodeKey, number> {
    const counts = new Map<NodeKey, number>()
    const open = root === EMPTY_ROOT ? [] : [root]
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      const count = counts.get(key) ?? 0
      counts.set(key, count + 1)
      if (count > 0) continue
      const data = store.node(key)
      if (data === undefined) throw corrupt(`node ${key} of the newest state is missing`)
      checkNode(key, data)
      open.push(...childrenOf(key, data))
    }
    return counts
  }

  let head = await checkNewest()
  return {
    machine,
    head: () => head,
    at: number => {
      const stored = store.block(number)
      return stored === undefined ? undefined : parse(stored)
    },
    byHash: hash => {
      const stored = store.blockByHash(hash)
      return stored === undefined ? undefined : parse(stored)
    },

    // The root is the first node of a state to go: where it is, all of it is.
    hasState: ({ stateRoot }) => stateRoot === EMPTY_ROOT || store.node(stateRoot) !== undefined,

    async seal(transactions, milliseconds) {
      const parent = head
      const number = parent.number + 1
      const executed = await machine.execute(
        parent.stateRoot,
        { number, time: timeAfter(parent, milliseconds), proposer: proposerOf(number) },
        transactions,
      )
      if (executed.outcomes.length > 0) head = await storeBlock(executed, parent, milliseconds)
      return executed
    },

    async verify({ replay }) {
      const nodes = new Map<NodeKey, Uint8Array>()
      const again = createMachine({
        chainId,
        read: key => nodes.get(key),
        blockHash: number => store.block(number)?.hash,
      })
      let parent: Block | undefined
      let transactions = 0
      for (let number = 0; number <= head.number; number++) {
        const block = mustHave(number)
        await check(block, parent)
        const stored = store.transactions(number)
        transactions += stored.length
        if (replay) {
          const context = { number, time: block.time, proposer: proposerOf(number) }
          const executed = await again.execute(
            parent?.stateRoot ?? EMPTY_ROOT,
            context,
            stored.map(({ raw }) => again.parse(raw)),
          )
          const expected = [executed.transactionsRoot, executed.receiptsRoot, executed.bloom].map(bytes =>
            bytesToHex(bytes),
          )
          const found = block.fields.slice(4, 7).map(bytes => bytesToHex(bytes))
          const receipts = executed.outcomes.map(({ receipt }) => bytesToHex(formatReceipt(receipt)))
          if (
            executed.stateRoot !== block.stateRoot ||
            expected.join() !== found.join() ||
            receipts.join() !== stored.map(({ receipt }) => bytesToHex(receipt)).join()
          ) {
            throw corrupt(
              `block ${number}, executed again, gives state ${executed.stateRoot} in place of ${block.stateRoot}, or other receipts`,
            )
          }
          for (const [key, data] of executed.written) nodes.set(key, data)
        }
        parent = block
      }
      const counts = recount(head.stateRoot)
      let stored = 0
      for (const { key, references, died, data } of store.nodes()) {
        stored++
        checkNode(key, data)
        const expected = counts.get(key) ?? 0
        if (references !== expected) throw corrupt(`node ${key} counts ${references} references, there are ${expected}`)
        if (references > 0 ? died !== undefined : died === undefined || died > head.number) {
          throw corrupt(`node ${key} with ${references} references died at block ${String(died)}`)
        }
      }
      return { blocks: head.number + 1, transactions, nodes: stored, head: bytesToHex(head.hash) }
    },
  }
}
