// The RuleChain suite on chains of the evm adapter: a test file says how to reach the chain, as for the other suites.
import type { SigningAccount } from '../evm/account.ts'
import { openEvmChain } from '../evm/chain.ts'
import type { Eip1193Provider } from '../evm/provider.ts'
import { openEvmRuleChain } from '../evm/rules/chain.ts'
import { deployRuleChain } from '../evm/rules/deploy.ts'
import type { Start } from './evm.ts'
import { testAccount } from './evm.ts'
import type { FoundChain } from './rule-chain.ts'

/** Accounts of a chain of the suite: one that deploys, and eight parties. */
export const ACCOUNTS = 9

/**
 * @param from number of the first test account: each chain takes the next {@link ACCOUNTS}
 * @param fund gives them what they pay with, where that takes something
 */
export function foundOn(
  start: Start,
  from: number,
  fund: (provider: Eip1193Provider, account: SigningAccount) => Promise<void> = async () => {},
): FoundChain {
  let next = from
  return async genesisOf => {
    const accounts = Array.from({ length: ACCOUNTS }, () => testAccount(next++))
    const [deployer, ...parties] = accounts as [SigningAccount, ...SigningAccount[]]
    const network = await start(deployer)
    if (typeof network === 'string') return network
    const provider = await network.connect()
    for (const account of accounts) await fund(provider, account)
    const genesis = genesisOf(n => (parties[n] as SigningAccount).address)
    const { chainId, finality } = network
    const contracts = await deployRuleChain({ provider, chainId, deployer, genesis, pollMs: 20 })
    const chain = await openEvmChain({ provider, chainId, account: deployer, finality })
    const { validators } = await chain.identity()
    const { timeoutMs = 20_000 } = network
    return {
      level: validators === undefined ? 'asked' : 'proven',
      finality: chain.finality,
      as: async n =>
        openEvmRuleChain({
          ...network,
          provider,
          kind: genesis.chain.kind,
          contracts,
          account: parties[n] as SigningAccount,
          timeoutMs,
          pollMs: 20,
          ...(validators === undefined ? {} : { validators }),
        }),
      dispose: async () => {
        await provider.close()
        network.dispose()
      },
    }
  }
}
