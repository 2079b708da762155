import { existsSync } from 'node:fs'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import { StoreError } from '#store/store.ts'
import type { Args } from '../commands.ts'
import type { Config, Paths } from '../config.ts'
import { originOf, readConfiguredLedgers } from '../configured-ledgers.ts'
import { CliError, EXIT } from '../errors.ts'
import { evmOptions } from '../evm-ledger.ts'
import { ledgerJournal } from '../ledgers.ts'
import { print } from '../print.ts'
import { isSet } from '../values.ts'

/** Deploys the contract and registers the log on EVM ledgers, where they are not there yet. What a server does at its start as well, but seen and without one. */
export async function run({ values, positionals }: Args): Promise<number> {
  const { config, paths, ledgers } = readConfiguredLedgers(values, positionals)
  const origin = originOf(config, paths)
  const evm = ledgers.flatMap(l => (l.kind === 'evm' ? [l] : []))
  if (evm.length === 0)
    throw new CliError(
      'usage',
      `${ledgers.map(l => `${l.id} (${l.kind})`).join(', ')}: only ledgers of kind evm are deployed to`,
    )
  const release = await holdStore(config, paths)
  try {
    const { openEvmAnchor } = await import('#ledger/evm/anchor.ts')
    const { CHECKPOINT_ANCHOR } = await import('#ledger/evm/contract.ts')
    for (const ledger of evm) {
      const options = await evmOptions(ledger, paths)
      const anchor = await openEvmAnchor({ ...options, origin, journal: ledgerJournal(ledger.id, paths) })
      try {
        const { chainId, genesis, contract, logId, owner } = await anchor.describe()
        const { codeHash } = CHECKPOINT_ANCHOR
        const json = {
          ledger: ledger.id,
          chain_id: Number(chainId),
          genesis,
          contract,
          code_hash: codeHash,
          log_id: logId,
          owner,
          origin,
        }
        print(isSet(values, 'json'), json, () => [
          `ledger ${ledger.id}: chain ${chainId}, genesis ${genesis}`,
          `  contract   ${contract}${ledger.contract === undefined ? '   (put it into the configuration as contract)' : ''}`,
          `  code hash  ${codeHash}`,
          `  log        ${logId}   (${origin})`,
          `  owner      ${owner}`,
        ])
      } finally {
        await anchor.close()
      }
    }
    return EXIT.yes
  } finally {
    await release()
  }
}

/** While a server runs, its account and its journal are its own. */
async function holdStore(config: Config, paths: Paths): Promise<() => Promise<void>> {
  // One in MongoDB has no lock.
  if (config.store.kind !== 'sqlite' || !existsSync(paths.store)) return async () => {}
  try {
    const store = openSqliteStore({ path: paths.store })
    return () => store.close()
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.code !== 'locked') throw cause
    throw new CliError(
      'no',
      `a server runs on ${paths.data}: it has deployed what was missing; "entente ledger status" shows it`,
      { cause },
    )
  }
}
