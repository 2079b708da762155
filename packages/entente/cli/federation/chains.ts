import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { ClosableProvider } from '#ledger/evm/provider.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import type { Genesis } from '@entente/rules'
import { CliError } from '../errors.ts'
import type { ChainConfig, Country, EvmConfig } from './config.ts'
import { readIdentity } from './fabric-identity.ts'
import { type ChainKind, type ChainName, type CountryPaths, EU, formatChainName, NATIONAL } from './layout.ts'

/** A chain that can be asked, and how whoever has a key sees it. */
export type OpenChain = {
  name: ChainName
  config: ChainConfig
  /** What answers its JSON-RPC, where it is an EVM chain. */
  provider: ClosableProvider | undefined
  /** To read, with proof under the seals of the chain's validators where it has such. */
  reader(): Promise<RuleChain>
  /**
   * As the process that keeps it says, without proof.
   *
   * @param signer what {@link readSigner} has read: a private key, or an identity of Fabric; without one the chain is only read
   */
  as(signer?: string): Promise<RuleChain>
  /** What the rules know a signer as: an address, or the name of an identity. */
  accountOf(signer: string): Promise<string>
  /** Enters what it begins with: once, and on from where whoever was killed had come. */
  found(genesis: Genesis): Promise<void>
  /** Closes what was opened of it. */
  close(): Promise<void>
}

/** Which chains a country has, in their order. */
export const chainsOf = ({ config }: Country): { name: ChainName; config: ChainConfig }[] =>
  (config.country === EU ? (['eu'] as const) : NATIONAL).flatMap((kind: ChainKind) => {
    const chain = config.chains[kind]
    return chain === undefined ? [] : [{ name: { country: config.country, kind }, config: chain }]
  })

/** @throws CliError `usage` */
export function readGenesis({ paths }: Country, { genesis }: ChainConfig): Genesis {
  const file = at(paths.folder, genesis)
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Genesis
  } catch (cause) {
    throw new CliError('usage', `${file}: ${(cause as Error).message}`, { cause })
  }
}

/**
 * A private key of a file, hexadecimal, that nobody else may read.
 *
 * @throws CliError `usage`
 */
export function readKey(file: string): string {
  let text: string
  try {
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
      throw new Error(`it can be read by others: chmod 600 ${file}`)
    text = readFileSync(file, 'latin1').trim()
  } catch (cause) {
    throw new CliError('usage', `the key ${file}: ${(cause as Error).message}`, { cause })
  }
  if (!/^(0x)?[0-9a-f]{64}$/i.test(text)) throw new CliError('usage', `${file} holds no key of 64 hexadecimal digits`)
  return text.startsWith('0x') ? text : `0x${text}`
}

/** The file of a party's key in its country's folder: identities of Fabric are in a folder of their own, each a certificate (.crt) and its key. */
export const keyFileOf = ({ kind }: ChainConfig, { keys }: CountryPaths, name: string): string =>
  join(keys, ...(kind === 'fabric' ? ['fabric'] : []), `${name}.key`)

/** What {@link OpenChain.as} takes, from a file. @throws CliError `usage` */
export const readSigner = ({ kind }: ChainConfig, file: string): string =>
  kind === 'fabric' ? readIdentity(file) : readKey(file)

/** A chain over what reaches it; nothing is sent. */
export async function openChain(
  country: Country,
  name: ChainName,
  config: ChainConfig,
  provider: (config: EvmConfig) => Promise<ClosableProvider>,
): Promise<OpenChain> {
  if (config.kind !== 'fabric')
    return (await import('./evm-chain.ts')).openEvmChain(country, name, config, await provider(config))
  return (await import('./fabric-chain.ts')).openFabricChain(country, name, config)
}

/** What a chain begins with is there: entered now, or before. @throws CliError `usage`, LedgerError, Refusal */
export async function foundChain(country: Country, chain: OpenChain): Promise<void> {
  const { name, config } = chain
  const genesis = readGenesis(country, config)
  if (genesis.chain.kind !== name.kind || genesis.chain.country !== name.country)
    throw new CliError(
      'usage',
      `${config.genesis} is what ${genesis.chain.country}/${genesis.chain.kind} begins with, not ${formatChainName(name)}`,
    )
  await chain.found(genesis)
}

export const at = (folder: string, path: string): string => (isAbsolute(path) ? path : join(folder, path))
