import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { createHttpProvider } from '#ledger/evm/http.ts'
import { type Ask, askOf } from '#ledger/evm/rpc.ts'
import { openVoting, type Voting } from '#ledger/evm/voting.ts'
import { openEvmRuleChain } from '#ledger/evm/rules/chain.ts'
import type { ClosableProvider } from '#ledger/evm/provider.ts'
import { LedgerError } from '#ledger/error.ts'
import { createMemoryJournal, openFileJournal, type SubmitJournal } from '#ledger/journal.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { subjectId } from '#product/ids.ts'
import type { Config, Paths } from '../config.ts'
import { CliError } from '../errors.ts'
import type { ValidatorConfig } from '../validator-config.ts'
import { createRegistryReader, type RegistrySet } from './registry.ts'

/** @throws CliError `usage` without `validator:` */
export function validatorOf(config: Config): ValidatorConfig {
  if (config.validator) return config.validator
  throw new CliError('usage', 'the configuration has no "validator:" (docs/federation.md, "Who validates")')
}

/** A registry that is opened by the first read that finds it there. */
export type OpenRegistry = { read(): Promise<RegistrySet>; readonly memory: SubmitJournal; close(): Promise<void> }

/**
 * @param options.readOnly of the state file: what is seen is not written down
 * @param options.now milliseconds of a clock that never goes back
 */
export function openRegistry(
  { chain, registry, stateFile }: ValidatorConfig,
  paths: Paths,
  { readOnly = false, now }: { readOnly?: boolean; now: () => number },
): OpenRegistry {
  const id = chain.startsWith('0x') ? chain : subjectId('chain', chain)
  const { urls, chainId, contracts, validators } = registry
  const finality = typeof registry.finality === 'number' ? { depth: registry.finality } : registry.finality
  const file = isAbsolute(stateFile)
    ? stateFile
    : join(stateFile === './validator.state' ? paths.data : paths.base, stateFile)
  const memory = readOnly ? asItIs(file) : openFileJournal(file)
  const provider = createHttpProvider({ urls })
  let opened: { eu: RuleChain; at: number } | undefined
  const open = async () => {
    // How deep a block of a Clique chain must lie to be final is found out when it is opened, and its signers change.
    if (opened !== undefined && now() - opened.at > REOPEN_MS) {
      await opened.eu.close()
      opened = undefined
    }
    if (opened === undefined) {
      const pinned = validators === undefined ? {} : { validators }
      const eu = await openEvmRuleChain({ provider, chainId, kind: 'eu', contracts, finality, ...pinned })
      opened = { eu, at: now() }
    }
    return opened.eu
  }
  return {
    memory,
    read: createRegistryReader({ open, id, memory }),
    async close() {
      await opened?.eu.close()
      await provider.close()
    },
  }
}

const REOPEN_MS = 600_000

/** A state file that is read, and never written. */
function asItIs(file: string): SubmitJournal {
  const { read } = existsSync(file) ? openFileJournal(file) : createMemoryJournal()
  return { read, write: async () => {} }
}

/** One's own node: checked to be on the chain that is meant before anything else is asked of it. */
export function openNode({
  node,
  chainId,
}: ValidatorConfig): ClosableProvider & { ask: Ask; voting(): Promise<Voting> } {
  const provider = createHttpProvider({ urls: [node] })
  const ask = askOf(provider)
  let voting: Voting | undefined
  return {
    ...provider,
    ask,
    async voting() {
      const found = Number(await ask('eth_chainId'))
      if (found !== chainId)
        throw new LedgerError(
          'mismatch',
          `the node is on chain ${found}, validator.chainId is ${chainId}: correct the one that is wrong`,
        )
      voting ??= await openVoting(ask)
      return voting
    },
  }
}
