import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { EmbeddedHost } from '#ledger/evm/embedded/host.ts'
import type { ClosableProvider } from '#ledger/evm/provider.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import type { Genesis } from '@entente/rules'
import { CliError } from '../errors.ts'
import { finalityOf } from '../evm-ledger.ts'
import type { ChainConfig, Country } from './config.ts'
import { type ChainKind, type ChainName, EU, formatChainName, NATIONAL } from './layout.ts'

/** Gas of a transaction on an embedded chain, where it costs nothing and there is no trial before it: more than any rule needs. */
const GAS_LIMIT = 10_000_000

/** A chain that can be asked, and how whoever has a key sees it. */
export type OpenChain = {
  name: ChainName
  config: ChainConfig
  provider: ClosableProvider
  /** Addresses of its contracts. */
  contracts: Readonly<Record<string, string>>
  /** To read, with proof under the seals of the chain's validators. */
  reader(): Promise<RuleChain>
  /**
   * As the process that keeps it says, without proof.
   *
   * @param privateKey of the party that signs; without one the chain is only read
   */
  as(privateKey?: string): Promise<RuleChain>
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

/** The provider of a chain that this process keeps, or of a network that keeps it. */
export async function openProvider(
  country: Country,
  config: ChainConfig,
  host: EmbeddedHost,
): Promise<ClosableProvider> {
  if (config.kind === 'embedded')
    return host.open({
      folder: at(country.paths.folder, config.path),
      chainId: config.chainId,
      validators: config.validators.length,
    })
  const { createHttpProvider } = await import('#ledger/evm/http.ts')
  return createHttpProvider({ urls: config.urls })
}

/** A chain over its provider; nothing is sent. */
export async function openChain(
  { config: { deployer } }: Country,
  name: ChainName,
  config: ChainConfig,
  provider: ClosableProvider,
): Promise<OpenChain> {
  const [{ openEvmRuleChain }, { contractAddresses }, { accountFromKey }] = await Promise.all([
    import('#ledger/evm/rules/chain.ts'),
    import('#ledger/evm/rules/deploy.ts'),
    import('#ledger/evm/account.ts'),
  ])
  const { kind } = name
  const contracts = contractAddresses(kind, deployer)
  const open = (more: { account?: ReturnType<typeof accountFromKey>; validators?: string[] }) =>
    openEvmRuleChain({
      provider,
      chainId: config.chainId,
      kind,
      contracts,
      ...more,
      ...(config.kind === 'embedded'
        ? { finality: 'instant', gasLimit: GAS_LIMIT, pollMs: 5, timeoutMs: 30_000 }
        : { finality: finalityOf(config) }),
    })
  return {
    name,
    config,
    provider,
    contracts,
    reader: () => open(config.validators === undefined ? {} : { validators: config.validators }),
    as: privateKey => open(privateKey === undefined ? {} : { account: accountFromKey(privateKey) }),
  }
}

/** Creates the contracts of a chain, where they are not there yet: once, and on from where whoever was killed had come. */
export async function foundChain(country: Country, { name, config, provider }: OpenChain): Promise<void> {
  const [{ deployRuleChain }, { accountFromKey }] = await Promise.all([
    import('#ledger/evm/rules/deploy.ts'),
    import('#ledger/evm/account.ts'),
  ])
  const genesis = readGenesis(country, config)
  if (genesis.chain.kind !== name.kind || genesis.chain.country !== name.country)
    throw new CliError(
      'usage',
      `${config.genesis} is what ${genesis.chain.country}/${genesis.chain.kind} begins with, not ${formatChainName(name)}`,
    )
  const deployer = accountFromKey(readKey(join(country.paths.keys, 'deployer.key')))
  if (deployer.address !== country.config.deployer)
    throw new CliError(
      'usage',
      `keys/deployer.key of ${name.country} is that of ${deployer.address}, federation.yaml says ${country.config.deployer}: put the right key back`,
    )
  await deployRuleChain({ provider, chainId: config.chainId, deployer, genesis, pollMs: 10 })
}

const at = (folder: string, path: string): string => (isAbsolute(path) ? path : join(folder, path))
