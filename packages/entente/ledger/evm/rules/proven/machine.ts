// An EVM that runs views over whatever state it is given, one call at a time.
import { createBlock } from '@ethereumjs/block'
import type { Common, StateManagerInterface } from '@ethereumjs/common'
import { createEVM } from '@ethereumjs/evm'
import { Account, Address } from '@ethereumjs/util'
import type { Hex } from 'viem'
import { bytesToHex, hexToBytes } from 'viem/utils'
import { LedgerError } from '../../../error.ts'

const EMPTY = new Uint8Array(0)
const GAS = 50_000_000n
const CALLER = new Address(new Uint8Array(20))

/** What a view reads of the state. */
export interface Reads {
  account(address: Hex): Promise<{ storageRoot: Uint8Array; codeHash: Uint8Array }>
  code(address: Hex): Promise<Uint8Array>
  storage(address: Hex, slot: Hex): Promise<Uint8Array>
}

export interface ViewCall {
  readonly contract: string
  readonly data: Uint8Array
  readonly number: number
  /** Seconds since 1970. */
  readonly time: number
}

interface Machine {
  readonly evm: Awaited<ReturnType<typeof createEVM>>
  /** What its next call reads. */
  reads: Reads
}

/** Runs views. A machine takes a millisecond to make, so those that are idle are kept. Throws LedgerError `refused` where a view fails. */
export function createViews(common: Common): (call: ViewCall, reads: Reads) => Promise<Uint8Array> {
  const idle: Machine[] = []
  return async ({ contract, data, number, time }, reads) => {
    const machine = idle.pop() ?? (await createMachine(common))
    machine.reads = reads
    const header = { number, timestamp: time, gasLimit: GAS, difficulty: 1 }
    const { execResult } = await machine.evm.runCall({
      caller: CALLER,
      origin: CALLER,
      to: new Address(hexToBytes(contract as Hex)),
      data,
      gasLimit: GAS,
      isStatic: true,
      block: createBlock({ header }, { common, skipConsensusFormatValidation: true }),
    })
    machine.evm.journal.cleanJournal()
    idle.push(machine) // only one whose last call ended well: nothing of it is left
    const { returnValue, exceptionError } = execResult
    if (exceptionError === undefined) return returnValue
    throw new LedgerError('refused', `a view of ${contract} fails: ${exceptionError.error}`)
  }
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
  const accountOf = ({ storageRoot, codeHash }: { storageRoot: Uint8Array; codeHash: Uint8Array }) =>
    new Account(0n, 0n, storageRoot, codeHash)
  const isCaller = (address: Address) => address.equals(CALLER)
  const state: StateManagerInterface = {
    getAccount: async address => (isCaller(address) ? new Account() : accountOf(await reads().account(hexOf(address)))),
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
