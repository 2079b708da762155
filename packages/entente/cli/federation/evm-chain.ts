import type { EmbeddedHost } from '#ledger/evm/embedded/host.ts'
import { accountFromKey } from '#ledger/evm/account.ts'
import type { ClosableProvider } from '#ledger/evm/provider.ts'
import { openEvmRuleChain } from '#ledger/evm/rules/chain.ts'
import { contractAddresses, deployRuleChain } from '#ledger/evm/rules/deploy.ts'
import { join } from 'node:path'
import { CliError } from '../errors.ts'
import { finalityOf } from '../evm-ledger.ts'
import { at, type OpenChain, readKey } from './chains.ts'
import type { Country, EvmConfig } from './config.ts'
import { type ChainName, formatChainName } from './layout.ts'

/** Gas of a transaction on an embedded chain, where it costs nothing and there is no trial before it: more than any rule needs. */
const GAS_LIMIT = 10_000_000
/** Transactions of one account under way on an embedded chain: whoever asks any chain of its thread waits while they run. */
const AT_ONCE = 32

/** The provider of a chain that this process keeps, or of a network that keeps it. */
export async function openProvider(
  { paths }: Country,
  config: EvmConfig,
  host: EmbeddedHost,
): Promise<ClosableProvider> {
  if (config.kind === 'embedded')
    return host.open({
      folder: at(paths.folder, config.path),
      chainId: config.chainId,
      validators: config.validators.length,
    })
  const { createHttpProvider } = await import('#ledger/evm/http.ts')
  return createHttpProvider({ urls: config.urls })
}

/** A chain in contracts, over its provider; nothing is sent. */
export function openEvmChain(
  { config: ofCountry, paths }: Country,
  name: ChainName,
  config: EvmConfig,
  provider: ClosableProvider,
): OpenChain {
  const { kind } = name
  // Several chains on one network: the contracts of each are the first transactions of a deployer of its own.
  const own = config.kind === 'evm' ? config.deployer : undefined
  const deployer = own ?? ofCountry.deployer
  const open = (more: { account?: ReturnType<typeof accountFromKey>; validators?: string[] }) =>
    openEvmRuleChain({
      provider,
      chainId: config.chainId,
      kind,
      contracts: contractAddresses(kind, deployer),
      ...more,
      ...(config.kind === 'embedded'
        ? { finality: 'instant', gasLimit: GAS_LIMIT, atOnce: AT_ONCE, pollMs: 5, timeoutMs: 30_000 }
        : { finality: finalityOf(config) }),
    })
  return {
    name,
    config,
    provider,
    reader: () => open(config.validators === undefined ? {} : { validators: config.validators }),
    as: privateKey => open(privateKey === undefined ? {} : { account: accountFromKey(privateKey) }),
    accountOf: async privateKey => accountFromKey(privateKey).address,
    async found(genesis) {
      const file = join(paths.keys, own === undefined ? 'deployer.key' : `deployer-${kind}.key`)
      const account = accountFromKey(readKey(file))
      if (account.address.toLowerCase() !== deployer.toLowerCase())
        throw new CliError(
          'usage',
          `${file} is the key of ${account.address}, federation.yaml says ${deployer} for ${formatChainName(name)}: put the right key back`,
        )
      await deployRuleChain({ provider, chainId: config.chainId, deployer: account, genesis, pollMs: 10 })
    },
    close: () => provider.close(),
  }
}
