// Contracts on a development chain, for tests that hold them against the rules: any address may send, at any time; a refusal is read as its name and row, and
// events as the rules tell them.
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Call,
  createMemory,
  type Event,
  found,
  type Genesis,
  type Level,
  LEVELS as ALL_LEVELS,
  type Memory,
  PARTY_KINDS,
  type Provenance,
  Refusal,
  type SchemeInput,
} from '@entente/rules'
import fc from 'fast-check'
import { type Abi, decodeErrorResult, encodeDeployData, encodeFunctionData, type Hex, stringToHex } from 'viem'
import { artifactOf } from '../../contracts/tools/artifact.mts'
import { startAnvil } from '../../packages/entente/ledger/conformance/anvil.ts'
import { decodeEvents } from '../../packages/entente/ledger/evm/rules/events.ts'
import { createHttpProvider } from '../../packages/entente/ledger/evm/http.ts'
import { type RpcLog, toEvent } from '../../packages/entente/ledger/evm/rpc.ts'

export const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
/** TEST KEY: an address that nobody has the private key of; the chain lets it send. */
export const key = (n: number): Hex => `0x${(0xe000 + n).toString(16).padStart(40, '0')}`
/** The block that the chain begins with. */
export const START = 1_800_000_000

/** By the order of `PartyKind` and of `Provenance` in IRules.sol. */
export const KINDS = ['none', ...PARTY_KINDS]
export const PROVENANCES: readonly Provenance[] = ['own', 'attested', 'proven']

type Party = { id: string; kind: string; country: string; key: string; act: string }
export const toStruct = ({ id, kind, country, key, act }: Party) => ({
  id,
  kind: KINDS.indexOf(kind),
  country: stringToHex(country),
  key,
  act,
})

export type Refused = { code: string; row: number } | undefined
/** The error that it reverts with, or its events as the rules have them. */
export type Sent = { refused: Refused; events: Event[] }
export type Contract = {
  address: Hex
  /** At a block time that is later than every one before. */
  send(from: Hex, name: string, args: readonly unknown[], at: number): Promise<Sent>
  /** The words of an answer, 32 bytes each. */
  words(name: string, args: readonly unknown[]): Promise<Hex[]>
}
export type Evm = {
  deploy(name: string, args: readonly unknown[]): Promise<Contract>
  /** Puts the chain back to what it is now, when that is called. */
  snapshot(): Promise<() => Promise<void>>
  stop(): void
}

/** @returns why there can be none */
async function startEvm(): Promise<Evm | string> {
  const flags = ['--hardfork', 'cancun', '--base-fee', '0', '--gas-price', '0', '--timestamp', String(START)]
  const anvil = await startAnvil(...flags)
  if (typeof anvil === 'string') return anvil
  const provider = createHttpProvider({ urls: [anvil.url] })
  const ask = (method: string, ...params: unknown[]) => provider.request({ method, params } as never) as Promise<any>
  await ask('anvil_autoImpersonateAccount', true)
  for (let n = 0; n < 256; n++) await ask('anvil_setBalance', key(n), '0x56bc75e2d63100000')
  const send = async (transaction: object) => {
    const hash = await ask('eth_sendTransaction', transaction)
    for (let i = 0; i < 1000; i++) {
      const receipt = await ask('eth_getTransactionReceipt', hash)
      if (receipt !== null) return receipt
      await sleep(5)
    }
    return assert.fail(`${hash} was not mined`)
  }
  return {
    deploy: async (name, args) => {
      const { abi, bytecode } = artifactOf(name) as unknown as { abi: Abi; bytecode: Hex }
      const data = encodeDeployData({ abi, bytecode, args: [...args] })
      const { contractAddress: to, status } = await send({ from: key(99), data, gas: '0x1800000' })
      assert.equal(status, '0x1', `${name} can't be deployed`)
      const encode = (functionName: string, args: readonly unknown[]) => encodeFunctionData({ abi, functionName, args })
      return {
        address: to,
        send: async (from, name, args, at) => {
          const call = { from, to, data: encode(name, args) }
          await ask('evm_setNextBlockTimestamp', at)
          const { status, blockNumber, logs } = await send({ ...call, gas: '0x300000' })
          if (status === '0x1') return { refused: undefined, events: toEvents(logs) }
          const failed = await ask('eth_call', call, blockNumber).then(
            () => assert.fail('a call that reverted does not revert'),
            (error: { data?: Hex }) => error,
          )
          const { errorName, args: values } = decodeErrorResult({ abi, data: failed.data as Hex })
          return { refused: { code: errorName, row: Number(values?.[0]) }, events: [] }
        },
        words: async (name, args) => {
          const answer: Hex = await ask('eth_call', { to, data: encode(name, args) }, 'latest')
          return (answer.slice(2).match(/.{64}/g) ?? []).map((word): Hex => `0x${word}`)
        },
      }
    },
    snapshot: async () => {
      const at = await ask('evm_snapshot')
      return async () => void (await ask('evm_revert', at))
    },
    stop: anvil.stop,
  }
}

const toEvents = (logs: readonly RpcLog[]): Event[] =>
  decodeEvents(logs.map(toEvent)).map(event => {
    const { log: _, ...told } = event
    return told
  })

/** A chain for the tests of a file, that ends with them. */
export function useEvm(): Promise<Evm | string> {
  const evm = startEvm()
  after(async () => {
    const started = await evm
    if (typeof started === 'object') started.stop()
  })
  return evm
}

/** What a rule refuses with, if it does. */
const refusalOf = (done: Promise<unknown>): Promise<Refused> =>
  done.then(
    () => undefined,
    (error: unknown) => {
      if (!(error instanceof Refusal)) throw error
      return { code: error.code, row: error.row }
    },
  )

export type Rule = (call: Call) => Promise<unknown>
/** A call of a contract, and the rule that is the same. */
export type Step = { name: string; args: readonly unknown[]; rule: Rule }
export type Play = (contract: Contract, caller: Hex, step: Step, at: number) => Promise<void>

/**
 * Plays generated calls to contracts and to rules, each run from the same beginning: both must do the same, or refuse it by the same name and row.
 *
 * @param run one run; what it plays counts
 * @returns how many calls were taken, how many were refused, and in which ways
 */
export async function holdAgainst<T>(
  evm: Evm,
  genesis: Genesis,
  calls: fc.Arbitrary<T>,
  { seed, runs }: { seed: number; runs: number },
  run: (list: T, play: Play, memory: Memory) => Promise<void>,
): Promise<{ taken: number; refused: number; ways: string[] }> {
  const counts = { taken: 0, refused: 0 }
  const ways = new Set<string>()
  await fc.assert(
    fc.asyncProperty(calls, async list => {
      const back = await evm.snapshot()
      const memory = createMemory()
      await memory.run('', START, call => found(call, genesis))
      const play: Play = async (contract, caller, { name, args, rule }, at) => {
        const before = memory.events.length
        const refused = await refusalOf(memory.run(caller, at, rule))
        const said = await contract.send(caller, name, args, at)
        const shown = JSON.stringify(args, (_, value) => (typeof value === 'bigint' ? String(value) : value))
        const told = memory.events.slice(before).map(event => JSON.parse(JSON.stringify(event)))
        assert.deepEqual(said, { refused, events: told }, `${name} ${shown} by ${caller}`)
        counts[refused ? 'refused' : 'taken']++
        if (refused) ways.add(`${refused.row} ${refused.code}`)
      }
      try {
        await run(list, play, memory)
      } finally {
        await back()
      }
    }),
    { seed, numRuns: runs, endOnFailure: true },
  )
  return { ...counts, ways: [...ways] }
}

export const LEVELS: Level[] = [...ALL_LEVELS]
/** As the contract has a set of levels. */
export const toMask = (levels: readonly Level[]): number =>
  LEVELS.reduce((mask, l, i) => (levels.includes(l) ? mask | (1 << i) : mask), 0)
export const toTerms = ({ levels, authorisedLevels, van, endsAt, ...rest }: SchemeInput) => ({
  ...rest,
  endsAt: endsAt ?? 0,
  levels: toMask(levels),
  authorisedLevels: toMask(authorisedLevels),
  van: LEVELS.map(level => van[level] ?? 0),
})

/** Mostly what is right, or nothing would be taken. */
export const often = <T>(right: T, ...wrong: T[]) => fc.constantFrom<T>(...Array<T>(12).fill(right), ...wrong)
