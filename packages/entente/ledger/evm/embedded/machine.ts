// The EVM, as pure functions of a state root and a way to read trie nodes: nothing is kept between calls, so a transaction or a block
// that fails leaves no trace. A transaction that a contract refuses gets into no block: there are no fees that it would have to pay for. Fork berlin, no fees, no balances (nobody has any, so value and gas price have to be 0).
import { createBlock } from '@ethereumjs/block'
import { type EVMMockBlockchainInterface, createEVM } from '@ethereumjs/evm'
import { createMPT, createMerkleProof } from '@ethereumjs/mpt'
import { Caches, MerkleStateManager } from '@ethereumjs/statemanager'
import { type TypedTransaction, createTxFromRLP } from '@ethereumjs/tx'
import { type Account, Address, createAccount } from '@ethereumjs/util'
import { type RunTxResult, createVM, encodeReceipt, runTx } from '@ethereumjs/vm'
import { createCommon } from './common.ts'
import { ecrecover, keccak256 } from './crypto.ts'
import type { NodeKey } from './nodes.ts'
import { type StoredReceipt } from './receipt.ts'
import { scalar } from '../qbft.ts'
import { toRlp } from 'viem/utils'

export const BLOCK_GAS_LIMIT = 30_000_000
export const EMPTY_ROOT: NodeKey = '56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

export interface BlockContext {
  readonly number: number
  readonly time: number
  readonly proposer: Uint8Array
}

export interface Outcome {
  readonly hash: Uint8Array
  readonly raw: Uint8Array
  readonly receipt: StoredReceipt
}

export interface Executed {
  readonly stateRoot: NodeKey
  readonly transactionsRoot: Uint8Array
  readonly receiptsRoot: Uint8Array
  readonly bloom: Uint8Array
  readonly gasUsed: number
  readonly outcomes: readonly Outcome[]
  /** Transactions that could not run (nonce, gas, sender) or that a contract refused: in no block, without effect. */
  readonly rejected: readonly { readonly transaction: TypedTransaction; readonly reason: Refusal }[]
  /** The last ones, from the first whose gas limit the block had no room for: for the next block. */
  readonly left: readonly TypedTransaction[]
  /** Trie nodes and code that were written, some of them only on the way. */
  readonly written: ReadonlyMap<NodeKey, Uint8Array>
}

export interface Refusal {
  readonly message: string
  /** What the contract returned; undefined where it did not come to that. */
  readonly returned?: Uint8Array
}

export interface Call {
  readonly from: Uint8Array
  readonly to: Uint8Array | undefined
  readonly data: Uint8Array
  readonly gas: number
}

export interface CallResult {
  readonly returned: Uint8Array
  /** Undefined where it succeeded; `revert`, `out of gas` … */
  readonly failure: string | undefined
  readonly gasUsed: number
}

export interface Machine {
  parse(raw: Uint8Array): TypedTransaction
  execute(root: NodeKey, context: BlockContext, transactions: readonly TypedTransaction[]): Promise<Executed>
  call(root: NodeKey, context: BlockContext, call: Call): Promise<CallResult>
  account(root: NodeKey, address: Uint8Array): Promise<Account>
  code(root: NodeKey, address: Uint8Array): Promise<Uint8Array>
  storage(root: NodeKey, address: Uint8Array, slot: Uint8Array): Promise<Uint8Array>
  prove(
    root: NodeKey,
    address: Uint8Array,
    slots: readonly Uint8Array[],
  ): Promise<{ account: Account; nodes: Uint8Array[]; slots: { value: Uint8Array; nodes: Uint8Array[] }[] }>
}

export interface MachineOptions {
  readonly chainId: number
  /** A stored node or code; undefined when there is none. */
  readonly read: (key: NodeKey) => Uint8Array | undefined
  readonly blockHash: (number: number) => Uint8Array | undefined
}

export function createMachine({ chainId, read, blockHash }: MachineOptions): Machine {
  const common = createCommon(chainId, { keccak256, ecrecover })
  const blockchain: EVMMockBlockchainInterface = {
    getBlock: async number => ({ hash: () => blockHash(number) ?? new Uint8Array(32) }),
    putBlock: async () => undefined,
    shallowCopy: () => blockchain,
  }

  /** The state under a root; what is written to it lands in `written` and nowhere else. */
  async function stateAt(root: NodeKey, written = new Map<NodeKey, Uint8Array>()) {
    const db = {
      get: async (key: string) => written.get(key) ?? read(key),
      put: async (key: string, value: Uint8Array) => void written.set(key, value),
      del: async () => undefined,
      batch: async (ops: { type: string; key: string; value?: Uint8Array }[]) => {
        for (const op of ops) if (op.type === 'put' && op.value !== undefined) written.set(op.key, op.value)
      },
      shallowCopy: () => db,
      open: async () => undefined,
    }
    const options = {
      useKeyHashing: true,
      common,
      valueEncoding: 'view' as const,
      root: Uint8Array.from(Buffer.from(root, 'hex')),
    }
    const trie = await createMPT({ ...options, db: db as never })
    return { trie, state: new MerkleStateManager({ trie, common, caches: new Caches() }), db, options, written }
  }
  const blockOf = ({ number, time, proposer }: BlockContext) =>
    createBlock(
      {
        header: { number, timestamp: time, gasLimit: BLOCK_GAS_LIMIT, difficulty: 1, coinbase: new Address(proposer) },
      },
      { common, skipConsensusFormatValidation: true },
    )
  const parse = (raw: Uint8Array) => createTxFromRLP(raw, { common })

  return {
    parse,

    async execute(root, context, transactions) {
      const { trie, state, written } = await stateAt(root)
      const vm = await createVM({ common, stateManager: state, blockchain })
      const block = blockOf(context)
      const transactionTrie = await createMPT({ common })
      const receiptTrie = await createMPT({ common })
      const bloom = new Uint8Array(256)
      const outcomes: Outcome[] = []
      const rejected: { transaction: TypedTransaction; reason: Refusal }[] = []
      let gasUsed = 0
      let left: readonly TypedTransaction[] = []
      await state.checkpoint() // around all of them: what they write goes into the tries once, at the end
      for (const [i, tx] of transactions.entries()) {
        if (gasUsed + Number(tx.gasLimit) > BLOCK_GAS_LIMIT) {
          left = transactions.slice(i)
          break
        }
        await state.checkpoint()
        let result: RunTxResult
        try {
          result = await runTx(vm, { tx, block, blockGasUsed: BigInt(gasUsed) })
        } catch (cause) {
          await state.revert()
          rejected.push({
            transaction: tx,
            reason: { message: cause instanceof Error ? cause.message : String(cause) },
          })
          continue
        }
        const { exceptionError, returnValue } = result.execResult
        if (exceptionError !== undefined) {
          await state.revert()
          rejected.push({ transaction: tx, reason: { message: exceptionError.error, returned: returnValue } })
          continue
        }
        await state.commit()
        gasUsed += Number(result.totalGasSpent)
        const raw = tx.serialize()
        const key = toRlp(scalar(outcomes.length), 'bytes')
        await transactionTrie.put(key, raw)
        await receiptTrie.put(key, encodeReceipt(result.receipt, tx.type))
        result.receipt.bitvector.forEach((byte, i) => (bloom[i] = (bloom[i] ?? 0) | byte))
        outcomes.push({
          hash: tx.hash(),
          raw,
          receipt: {
            gasUsed: Number(result.totalGasSpent),
            cumulativeGas: gasUsed,
            from: tx.getSenderAddress().bytes,
            created: result.createdAddress?.bytes ?? new Uint8Array(0),
            logs: result.receipt.logs.map(([address, topics, data]) => ({ address, topics, data })),
          },
        })
      }
      await state.commit()
      return {
        stateRoot: hex(trie.root()),
        transactionsRoot: transactionTrie.root(),
        receiptsRoot: receiptTrie.root(),
        bloom,
        gasUsed,
        outcomes,
        rejected,
        left,
        written,
      }
    },

    async call(root, context, { from, to, data, gas }) {
      const { state } = await stateAt(root)
      const evm = await createEVM({ common, stateManager: state, blockchain })
      await state.checkpoint() // without one, what the call has changed would be hashed into the tries at its end
      const result = await evm.runCall({
        caller: new Address(from),
        origin: new Address(from),
        ...(to === undefined ? {} : { to: new Address(to) }),
        data,
        gasLimit: BigInt(gas),
        block: blockOf(context),
      })
      const { returnValue, exceptionError, executionGasUsed } = result.execResult
      return { returned: returnValue, failure: exceptionError?.error, gasUsed: Number(executionGasUsed) }
    },

    account: async (root, address) =>
      (await (await stateAt(root)).state.getAccount(new Address(address))) ?? createAccount({}),
    code: async (root, address) => (await stateAt(root)).state.getCode(new Address(address)),
    storage: async (root, address, slot) =>
      left32(await (await stateAt(root)).state.getStorage(new Address(address), slot)),

    async prove(root, address, slots) {
      const { trie, state, db, options } = await stateAt(root)
      const account = (await state.getAccount(new Address(address))) ?? createAccount({})
      const storage = await createMPT({ ...options, db: db as never, root: account.storageRoot })
      const proven: { value: Uint8Array; nodes: Uint8Array[] }[] = []
      for (const slot of slots) {
        const value = left32(await state.getStorage(new Address(address), slot))
        proven.push({ value, nodes: await createMerkleProof(storage, slot) })
      }
      return { account, nodes: await createMerkleProof(trie, address), slots: proven }
    },
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function left32(value: Uint8Array): Uint8Array {
  const padded = new Uint8Array(32)
  padded.set(value, 32 - value.length)
  return padded
}
