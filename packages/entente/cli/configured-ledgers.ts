import { existsSync } from 'node:fs'
import { LedgerError } from '#ledger/error.ts'
import { openLogKey } from '#notary/key.ts'
import { type Config, loadConfig, type Paths } from './config.ts'
import { CliError, EXIT } from './errors.ts'
import { defaultOrigin } from './identity.ts'
import type { LedgerConfig } from './ledger-config.ts'
import { dataFolder } from './options.ts'
import { textOf } from './values.ts'

type Values = Record<string, unknown>

/** The ledgers of a configuration, or the one of them that is named. */
export type ConfiguredLedgers = { config: Config; paths: Paths; ledgers: LedgerConfig[] }

/** @throws CliError `usage` */
export function readConfiguredLedgers(values: Values, [id]: string[]): ConfiguredLedgers {
  const { config, paths } = loadConfig({ file: textOf(values, 'config'), data: dataFolder(values), env: process.env })
  const ledgers = config.ledgers.filter(l => id === undefined || l.id === id)
  if (ledgers.length === 0)
    throw new CliError(
      'usage',
      id === undefined
        ? 'the configuration has no ledgers'
        : `no ledger "${id}" is configured: ${config.ledgers.map(l => l.id).join(', ') || 'there are none'}`,
    )
  return { config, paths, ledgers }
}

/**
 * The name of the log, also before its first start.
 *
 * @throws CliError `usage` where nothing says it yet
 */
export function originOf(config: Config, paths: Paths): string {
  if (existsSync(paths.logKey)) return openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false).signer.name
  if (config.log.origin !== undefined) return config.log.origin
  throw new CliError(
    'usage',
    `which log? Name it as log.origin in the configuration, or start the server once: ${paths.logKey} is not there yet`,
  )
}

/** What a ledger's error means to whoever asked: 3 it was away, 4 it is not what it should be, 1 it refuses. */
export function exitOf(error: unknown): number {
  if (!(error instanceof LedgerError)) throw error
  if (error.code === 'unreachable' || error.code === 'busy') return EXIT.unreachable
  return EVIDENCE.has(error.code) ? EXIT.evidence : EXIT.no
}
const EVIDENCE = new Set(['mismatch', 'corrupt', 'fork', 'stale'])
