// The contracts of contracts/src/{registry,eu,national}: which of them a chain has, and how their words are bytes.
import type { ChainKind } from '@entente/rules'
import type { Abi, Hex } from 'viem'
import { bytesToHex, keccak256 } from 'viem/utils'
import { LedgerError } from '../../error.ts'
import type { Ask } from '../rpc.ts'
import AccreditationRegistry from '../artifacts/AccreditationRegistry.json' with { type: 'json' }
import ArtifactRegistry from '../artifacts/ArtifactRegistry.json' with { type: 'json' }
import CertificateRegistry from '../artifacts/CertificateRegistry.json' with { type: 'json' }
import ConsortiumRegistry from '../artifacts/ConsortiumRegistry.json' with { type: 'json' }
import FrameworkRegistry from '../artifacts/FrameworkRegistry.json' with { type: 'json' }
import Mirror from '../artifacts/Mirror.json' with { type: 'json' }
import PartyRegistry from '../artifacts/PartyRegistry.json' with { type: 'json' }
import SchemeRegistry from '../artifacts/SchemeRegistry.json' with { type: 'json' }
import VulnerabilityRegistry from '../artifacts/VulnerabilityRegistry.json' with { type: 'json' }

const ARTIFACTS = {
  ConsortiumRegistry,
  FrameworkRegistry,
  PartyRegistry,
  Mirror,
  SchemeRegistry,
  AccreditationRegistry,
  CertificateRegistry,
  ArtifactRegistry,
  VulnerabilityRegistry,
}
export type ContractName = keyof typeof ARTIFACTS

/** The contracts of a chain, in the order in which they are created: the first has the parties. */
export const CONTRACTS_OF: Readonly<Record<ChainKind, readonly ContractName[]>> = {
  eu: ['ConsortiumRegistry', 'FrameworkRegistry'],
  artifact: ['PartyRegistry', 'Mirror', 'ArtifactRegistry'],
  certification: ['PartyRegistry', 'Mirror', 'SchemeRegistry', 'AccreditationRegistry', 'CertificateRegistry'],
  vulnerability: ['PartyRegistry', 'VulnerabilityRegistry'],
}

/** As IPartyRegistry numbers them. */
export const NATIONAL_KINDS: readonly ChainKind[] = ['artifact', 'certification', 'vulnerability']

export const abiOf = (name: ContractName): Abi => ARTIFACTS[name].abi as Abi
export const bytecodeOf = (name: ContractName): Hex => ARTIFACTS[name].bytecode as Hex

export type AbiError = Extract<Abi[number], { type: 'error' }>
type AbiEvent = Extract<Abi[number], { type: 'event' }>
const entries = Object.keys(ARTIFACTS).flatMap(name => abiOf(name as ContractName))
/** Errors and events of all contracts, each once: a contract may pass on the error of one that it asks. */
export const ERRORS = distinct(entries.filter((entry): entry is AbiError => entry.type === 'error'))
export const EVENTS = distinct(entries.filter((entry): entry is AbiEvent => entry.type === 'event'))

function distinct<T extends AbiError | AbiEvent>(list: T[]): T[] {
  return [...new Map(list.map(entry => [JSON.stringify([entry.name, entry.inputs]), entry])).values()]
}

/**
 * Holds the code at an address against what this version's contract was compiled to, and the contracts that it was told of when it was created against
 * those of the chain: another registry of parties would let others in. What else it was told it says itself.
 *
 * @throws LedgerError `mismatch`
 */
export function checkCode(name: ContractName, addresses: ReadonlyMap<ContractName, string>, code: Uint8Array): void {
  const address = addresses.get(name)
  const { codeHash, immutables = [] } = ARTIFACTS[name] as { codeHash: string; immutables?: number[][] }
  const bare = Uint8Array.from(code)
  for (const [start = 0, length = 0] of immutables) bare.fill(0, start, start + length)
  if (code.length === 0 || keccak256(bare) !== codeHash)
    throw new LedgerError(
      'mismatch',
      code.length === 0
        ? `there is no contract at ${address}, where the ${name} should be: correct the address, or deploy the chain's contracts`
        : `${address} is not the ${name} of this version (code hash ${keccak256(bare)}, it should be ${codeHash}): correct the address, or use the version that the contract was deployed with`,
    )
  if (name === 'PartyRegistry') return // knows no other contract; its inbox is in what it says of the chain
  for (const [start = 0, length = 0] of immutables) {
    const word = bytesToHex(code.subarray(start, start + length))
    const other = `0x${word.slice(-40)}`
    if (isAddress(word) && ![...addresses.values()].includes(other))
      throw new LedgerError(
        'mismatch',
        `${name} at ${address} belongs to ${other}, which is none of the chain's contracts: correct the addresses`,
      )
  }
}

/** Not a number, which is smaller, nor the letters of a country, which stand first. */
const isAddress = (word: Hex): boolean => BigInt(word) >= 2n ** 64n && BigInt(word) < 2n ** 160n

/** The rules count seconds. Throws LedgerError `unsupported` where the chain's blocks count something else, as GoQuorum's do with Raft. */
export async function checkClock(ask: Ask): Promise<void> {
  const { timestamp } = await ask<{ timestamp: Hex }>('eth_getBlockByNumber', 'latest', false)
  if (BigInt(timestamp) < 2n ** 40n) return
  throw new LedgerError(
    'unsupported',
    `the newest block is of time ${BigInt(timestamp)}, which are no seconds: the rules' times need a chain that counts seconds (GoQuorum with Raft does not; use QBFT or IBFT)`,
  )
}
