import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Abi,
  bytesToHex,
  decodeErrorResult,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  zeroAddress,
} from 'viem'
import { ContractRefusal } from '../../packages/entente/ledger/chain.ts'
import { LedgerError } from '../../packages/entente/ledger/error.ts'
import { accountFromKey } from '../../packages/entente/ledger/evm/account.ts'
import { openEvmChain } from '../../packages/entente/ledger/evm/chain.ts'
import type { ClosableProvider } from '../../packages/entente/ledger/evm/provider.ts'
import { logIdOf, Refusal } from '../index.ts'
import { createTestLedger, identity } from './ledger.ts'

export const PEOPLE = 3
/** SHA-256 of three origins: with three people, nine logs, number 3 * person + origin. */
export const ORIGINS = ['one', 'two', 'three'].map(name => createHash('sha256').update(name).digest('hex'))

/** People and logs by number (null: nobody); sizes; hashes as hex; the hashes of a proof. */
export type Argument = { person: number | null } | { log: number } | number | string | readonly string[]
/** `ok`, or the name of the refusal with the values that it shows: people and logs by number again. */
export type Outcome = { readonly code: string; readonly values: Readonly<Record<string, string>> }

/** The contract or the chaincode, so that both can be called with the same words. */
export interface Machine {
  call(by: number, name: string, ...args: Argument[]): Promise<Outcome>
  /** Size and root; undefined for an unknown log. */
  latest(log: number): Promise<readonly [size: number, root: string] | undefined>
  /** Number of the owner; -1 for an unknown log. */
  owner(log: number): Promise<number>
}

const OK: Outcome = { code: 'ok', values: {} }
const everyLog = <T>(make: (person: number, origin: string) => T): T[] =>
  Array.from({ length: PEOPLE }, (_, n) => ORIGINS.map(origin => make(n, origin))).flat()

/** The chaincode's rules on a state in memory. */
export function chaincodeMachine(): Machine {
  const ledger = createTestLedger()
  const people = Array.from({ length: PEOPLE }, (_, n) => identity(`person ${n}`))
  const logs = everyLog((n, origin) => logIdOf(people[n]!, origin))
  const given = (arg: Argument): (string | number)[] => {
    if (typeof arg !== 'object') return [arg]
    if ('log' in arg) return [logs[arg.log]!]
    return 'person' in arg ? [arg.person === null ? '' : people[arg.person]!] : [...arg]
  }
  const owner = async (log: number) =>
    people.indexOf((await ledger.transact(people[0]!, 'ownerOf', logs[log]!)) as string)
  return {
    owner,
    async call(by, name, ...args) {
      try {
        await ledger.transact(people[by]!, name, ...args.flatMap(given))
        return OK
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        const values = Object.entries(error.details).map(([what, is]) => [what, numbered(String(is), people, logs, '')])
        return { code: error.code, values: Object.fromEntries(values) }
      }
    },
    async latest(log) {
      if ((await owner(log)) < 0) return undefined
      const { size, root } = (await ledger.transact(people[0]!, 'latest', logs[log]!)) as { size: number; root: string }
      return [size, root]
    },
  }
}

const artifact = join(import.meta.dirname, '../../packages/entente/ledger/evm/CheckpointAnchor.json')
const { abi, bytecode } = JSON.parse(readFileSync(artifact, 'utf8')) as { abi: Abi; bytecode: Hex }

/** A fresh contract on an embedded chain. */
export async function contractMachine(provider: ClosableProvider): Promise<Machine> {
  const accounts = Array.from({ length: PEOPLE }, (_, n) =>
    // TEST KEYS: derived from a fixed seed
    accountFromKey(`0x${createHash('sha256').update(`entente test account of the chaincode ${n}`).digest('hex')}`),
  )
  const chains = await Promise.all(
    accounts.map(account => {
      const shared = { request: (request: Parameters<typeof provider.request>[0]) => provider.request(request) }
      const options = { chainId: 6100, finality: 'instant', gasLimit: 5_000_000, pollMs: 1 } as const
      return openEvmChain({ provider: shared, account, ...options })
    }),
  )
  const people = accounts.map(({ address }) => address)
  const code = Uint8Array.from(Buffer.from(bytecode.slice(2), 'hex'))
  const { created: contract = '' } = await chains[0]!.submit({ data: code })
  const encode = (functionName: string, args: readonly unknown[]) =>
    Uint8Array.from(Buffer.from(encodeFunctionData({ abi, functionName, args }).slice(2), 'hex'))
  const read = async (by: number, functionName: string, ...args: unknown[]): Promise<unknown> => {
    const data = await chains[by]!.call({ contract, data: encode(functionName, args) })
    return decodeFunctionResult({ abi, functionName, data: bytesToHex(data) })
  }
  const logs = (await Promise.all(everyLog((n, origin) => read(n, 'register', `0x${origin}`)))) as Hex[]
  const given = (arg: Argument): unknown => {
    if (typeof arg === 'number') return BigInt(arg)
    if (typeof arg === 'string') return `0x${arg}`
    if ('log' in arg) return logs[arg.log]
    return 'person' in arg ? (arg.person === null ? zeroAddress : people[arg.person]) : arg.map(hash => `0x${hash}`)
  }
  const owner = async (log: number) => people.indexOf(String(await read(0, 'ownerOf', logs[log])).toLowerCase())
  return {
    owner,
    async call(by, name, ...args) {
      try {
        await chains[by]!.submit({ contract, data: encode(name, args.map(given)) })
        return OK
      } catch (error) {
        if (!(error instanceof LedgerError) || !(error.cause instanceof ContractRefusal)) throw error
        const { errorName, args: values = [], abiItem } = decodeErrorResult({ abi, data: bytesToHex(error.cause.data) })
        const names = 'inputs' in abiItem ? abiItem.inputs.map(input => input.name ?? '') : []
        const shown = names.map((what, n) => [what, numbered(String(values[n]), people, logs, zeroAddress)])
        return { code: errorName, values: Object.fromEntries(shown) }
      }
    },
    async latest(log) {
      if ((await owner(log)) < 0) return undefined
      const [size, root] = (await read(0, 'latest', logs[log])) as [bigint, Hex]
      return [Number(size), root.slice(2)]
    },
  }
}

/** What stands for a person or a log, as its number; anything else without the prefix of hex. Zero stands for "not stored". */
function numbered(value: string, people: readonly string[], logs: readonly string[], nobody: string): string {
  const lower = value.startsWith('0x') ? value.toLowerCase() : value
  if (logs.includes(lower)) return `log ${logs.indexOf(lower)}`
  if (people.includes(lower)) return `person ${people.indexOf(lower)}`
  if (lower === nobody) return 'nobody'
  const plain = lower.replace(/^0x/, '')
  return plain === '00'.repeat(32) ? 'nobody' : plain
}
