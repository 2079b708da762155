import { LedgerError } from '#ledger/error.ts'
import { openFabricRuleChain } from '#ledger/fabric/rules.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { type Genesis, Refusal } from '@entente/rules'
import { CliError } from '../errors.ts'
import { at, type OpenChain } from './chains.ts'
import type { ChainConfig, Country } from './config.ts'
import { read, readIdentity, splitIdentity } from './fabric-identity.ts'
import { type ChainName, formatChainName } from './layout.ts'

type FabricConfig = Extract<ChainConfig, { kind: 'fabric' }>

/** A chain in our chaincode on a channel of Fabric, by way of its peers; nothing is sent. */
export function openFabricChain({ paths }: Country, name: ChainName, config: FabricConfig): OpenChain {
  const { endpoints, mspId, fabricChannel, chaincode, endorsers } = config
  const shown = formatChainName(name)
  const inFolder = (file: string) => at(paths.folder, file)
  const opened: RuleChain[] = []

  async function as(signer = readIdentity(inFolder(config.key), inFolder(config.cert))): Promise<RuleChain> {
    try {
      const chain = await openFabricRuleChain({
        endpoints,
        tlsCert: read(inFolder(config.tlsCert), "the CAs of the peers' TLS certificates,"),
        mspId,
        ...splitIdentity(signer),
        fabricChannel,
        chaincode,
        ...(endorsers === undefined ? {} : { endorsers }),
      })
      opened.push(chain)
      return chain
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error
      throw new LedgerError(
        error.code,
        `${shown}, chaincode ${chaincode} on channel ${fabricChannel}, asked as ${mspId}: ${error.message}`,
        { cause: error },
      )
    }
  }

  /** @throws CliError `usage` where the channel has a chain that began otherwise */
  async function requireSame(chain: RuleChain, { parties }: Genesis): Promise<void> {
    const keys = await Promise.all(parties.map(({ key }) => chain.get('key', key)))
    const missing = parties.filter(({ id }, i) => keys[i]?.value?.party !== id)
    if (missing.length > 0)
      throw new CliError(
        'usage',
        `chaincode ${chaincode} on channel ${fabricChannel} began otherwise than ${config.genesis} says: it does not know ${missing.map(({ kind, key }) => `${kind} ${key}`).join(', ')}; name another chaincode, or take the genesis that was agreed on`,
      )
  }

  return {
    name,
    config,
    provider: undefined,
    reader: () => as(),
    as,
    accountOf: async signer => (await as(signer)).account,
    async found(genesis) {
      const wrong = genesis.parties.filter(({ key }) => /^0x[0-9a-fA-F]{40}$/.test(key))
      if (wrong.length > 0)
        throw new CliError(
          'usage',
          `${config.genesis} has addresses as keys of ${wrong.map(({ kind }) => kind).join(', ')}, and on Fabric a key is the name of an identity: "entente federation key ${shown} --as ${name.country}/${wrong[0]?.kind}" says it`,
        )
      const chain = await as()
      try {
        if ((await chain.get('chain', 'self')).value === undefined) await chain.run('found', genesis)
      } catch (error) {
        // Another organisation's process was a moment earlier.
        if (!(error instanceof Refusal) || error.code !== 'Exists') throw error
      }
      await requireSame(chain, genesis)
      await chain.close()
    },
    close: async () => void (await Promise.all(opened.splice(0).map(chain => chain.close()))),
  }
}
