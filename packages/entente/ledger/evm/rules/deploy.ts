import { setTimeout as sleep } from 'node:timers/promises'
import { type ChainKind, type Genesis, Refusal } from '@entente/rules'
import type { Hex } from 'viem'
import { encodeDeployData, getContractAddress, hexToBytes } from 'viem/utils'
import { ContractRefusal } from '../../chain.ts'
import { LedgerError } from '../../error.ts'
import type { SigningAccount } from '../account.ts'
import { marketFees } from '../fees.ts'
import type { Eip1193Provider } from '../provider.ts'
import { meaningOf } from '../refusals.ts'
import { type Ask, askOf } from '../rpc.ts'
import {
  abiOf,
  bytecodeOf,
  checkClock,
  checkCode,
  type ContractName,
  CONTRACTS_OF,
  NATIONAL_KINDS,
} from './contracts.ts'
import { toRefusal } from './refusal.ts'
import { toAddress, toCountry, toIdentity, toPartyKind } from './values.ts'

export interface DeployOptions {
  readonly provider: Eip1193Provider
  readonly chainId: number
  /** An account that signs nothing else: the contracts are its first transactions, so their addresses follow from it. */
  readonly deployer: SigningAccount
  readonly genesis: Genesis
  /** Default: 60 s. */
  readonly timeoutMs?: number
  readonly pollMs?: number
}

/** For each byte of code 200, and as much again for what its constructor stores. */
const GAS_PER_BYTE = 300
const GAS = 700_000
const GAS_PER_PARTY = 200_000
const NOBODY = `0x${'0'.repeat(40)}`

/** Addresses that the contracts of a chain have, or will have. */
export function contractAddresses(kind: ChainKind, deployer: string): Record<ContractName, string> {
  const addresses = CONTRACTS_OF[kind].map((name, nonce) => {
    const address = getContractAddress({ from: deployer as Hex, nonce: BigInt(nonce) })
    return [name, address.toLowerCase()]
  })
  return Object.fromEntries(addresses) as Record<ContractName, string>
}

/**
 * Founds a chain of the federation on an EVM: creates its contracts, all sent together. Each has its place among the transactions of the
 * deployer, so that whoever is killed in the middle does it again, and nothing is there twice.
 *
 * @returns the contracts' addresses by their names
 * @throws Refusal where the rules do not let a chain begin like this; LedgerError `mismatch` where the deployer has created something else
 */
export async function deployRuleChain(options: DeployOptions): Promise<Record<string, string>> {
  const { provider, chainId, deployer, genesis, timeoutMs = 60_000, pollMs = 50 } = options
  const { kind } = genesis.chain
  const ask = askOf(provider)
  await checkClock(ask)
  const addresses = contractAddresses(kind, deployer.address)
  const names = CONTRACTS_OF[kind]
  const fees = await marketFees(ask)
  const done = await ask<Hex>('eth_getTransactionCount', deployer.address, 'latest').then(Number)
  const before = await firstMissing(ask, names.slice(0, done), addresses)
  if (before !== undefined) throw await whyMissing(before)
  const sent = names.map(async (name, nonce) => {
    if (nonce < done) return
    const data = encodeDeployData({
      abi: abiOf(name),
      bytecode: bytecodeOf(name),
      args: constructorArguments(name, genesis, addresses),
    })
    const gas = BigInt(GAS + GAS_PER_BYTE * (data.length / 2) + GAS_PER_PARTY * genesis.parties.length)
    return { nonce, gas, data }
  })
  const transactions = (await Promise.all(sent)).filter(tx => tx !== undefined)
  const signed = await Promise.all(transactions.map(tx => deployer.sign({ chainId, to: undefined, fees, ...tx })))
  // Sent in their order, and not one after the other: on a chain that answers once a transaction is in a block they share one.
  await Promise.all(signed.map(({ raw }) => ask('eth_sendRawTransaction', raw).catch(throwUnlessSent)))
  // A crash here, or before, leaves what was sent: the same bytes are sent again.
  for (let waited = 0; ; waited += pollMs) {
    const missing = await firstMissing(ask, names, addresses)
    if (missing === undefined) {
      await checkClock(ask) // block 0 does not show it
      return addresses
    }
    if (waited >= timeoutMs) throw await whyMissing(missing)
    await sleep(pollMs)
  }

  async function whyMissing(name: ContractName): Promise<Error> {
    const count = Number(await ask<Hex>('eth_getTransactionCount', deployer.address, 'latest'))
    if (count > names.indexOf(name))
      return new LedgerError(
        'mismatch',
        `${deployer.address} has sent ${count} transactions, and created no ${name} with number ${names.indexOf(name)}: use an account of its own for the chain's contracts`,
      )
    return new LedgerError('unreachable', `the contracts are in no block after ${timeoutMs} ms: deploy again, to go on`)
  }
}

async function firstMissing(
  ask: Ask,
  names: readonly ContractName[],
  addresses: Readonly<Record<string, string>>,
): Promise<ContractName | undefined> {
  for (const name of names) {
    const address = addresses[name] as string
    const code = hexToBytes(await ask<Hex>('eth_getCode', address, 'latest'))
    if (code.length === 0) return name
    checkCode(name, new Map(Object.entries(addresses) as [ContractName, string][]), code)
  }
  return undefined
}

/** What the node has already, or has in a block, need not be sent. */
function throwUnlessSent(error: unknown): void {
  if (!(error instanceof LedgerError) || error.code !== 'refused') throw error
  if (error.cause instanceof ContractRefusal) throw toRefusal(error)
  const meaning = meaningOf(error.message)
  if (meaning !== 'sent' && meaning !== 'taken') throw error
}

function constructorArguments(
  name: ContractName,
  { chain, parties, consortium, disclosure, chains = [] }: Genesis,
  addresses: Readonly<Record<string, string>>,
): readonly unknown[] {
  const registry = addresses['PartyRegistry']
  const newParties = parties.map(({ id, kind, country, key, act }) => ({
    id,
    kind: toPartyKind(kind),
    country: toCountry(country),
    key: toAddress(key),
    act,
  }))
  switch (name) {
    case 'ConsortiumRegistry': {
      if (consortium === undefined) throw new Refusal('Missing', 0, { consortium })
      const sets = chains.map(({ id, validators, writers, minimum }) => ({
        chain: id,
        validators: validators.map(toIdentity),
        writers: writers.map(toIdentity),
        minimum,
      }))
      return [newParties, consortium.numerator, consortium.denominator, consortium.period, sets]
    }
    case 'FrameworkRegistry':
      return [addresses['ConsortiumRegistry']]
    case 'PartyRegistry':
      return [NATIONAL_KINDS.indexOf(chain.kind), toCountry(chain.country), newParties, chain.inbox ?? NOBODY]
    case 'Mirror':
    case 'SchemeRegistry':
      return [registry]
    case 'ArtifactRegistry':
      return [registry, addresses['Mirror']]
    case 'AccreditationRegistry':
      return [registry, addresses['SchemeRegistry']]
    case 'CertificateRegistry':
      return [registry, addresses['SchemeRegistry'], addresses['AccreditationRegistry'], addresses['Mirror']]
    case 'VulnerabilityRegistry':
      if (disclosure === undefined) throw new Refusal('Missing', 0, { disclosure })
      return [registry, disclosure]
  }
}
