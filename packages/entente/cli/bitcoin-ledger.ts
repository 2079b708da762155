import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { bitcoinAccount } from '#ledger/bitcoin/account.ts'
import type { BitcoinAnchorOptions } from '#ledger/bitcoin/anchor.ts'
import { BITCOIN_NETWORKS } from '#ledger/bitcoin/network.ts'
import { createBitcoinRpc } from '#ledger/bitcoin/rpc.ts'
import { LedgerError } from '#ledger/error.ts'
import type { Paths } from './config.ts'
import { CliError } from './errors.ts'
import type { LedgerConfig } from './ledger-config.ts'

type BitcoinLedgerConfig = Extract<LedgerConfig, { kind: 'bitcoin' }>

/** What the adapter is opened with. @throws CliError `usage` where a file cannot be read, is open to others, or holds no key */
export function bitcoinOptions(
  { id, url, userFile, network: name, keyFile, finality: depth, fee: fees }: BitcoinLedgerConfig,
  paths: Paths,
): Omit<BitcoinAnchorOptions, 'origin' | 'journal'> {
  const usage = (message: string, cause?: unknown) => new CliError('usage', `ledger "${id}": ${message}`, { cause })
  const readSecret = (given: string): string => {
    const file = isAbsolute(given) ? given : join(paths.base, given)
    try {
      if ((statSync(file).mode & 0o077) !== 0 && process.platform !== 'win32')
        throw new Error(`${file} can be read by others: chmod 600 ${file}`)
      return readFileSync(file, 'utf8').trim()
    } catch (cause) {
      throw usage((cause as Error).message, cause)
    }
  }
  const network = BITCOIN_NETWORKS[name]
  if (fees.min > fees.max) throw usage(`fee.min is ${fees.min}, above fee.max, which is ${fees.max}`)
  const credentials = userFile === undefined ? undefined : readSecret(userFile)
  try {
    const account = bitcoinAccount(readSecret(keyFile), network)
    return { id, network, account, depth, fees, rpc: createBitcoinRpc(url, credentials) }
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause
    throw usage(`${keyFile}: ${cause.message}`, cause)
  }
}
