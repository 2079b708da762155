import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { FabricAnchorOptions } from '#ledger/fabric/anchor.ts'
import type { Paths } from './config.ts'
import { CliError } from './errors.ts'
import type { LedgerConfig } from './ledger-config.ts'

type FabricLedgerConfig = Extract<LedgerConfig, { kind: 'fabric' }>

/** What the adapter is opened with. @throws CliError `usage` where a file cannot be read, or the key is open to others */
export function fabricOptions(
  ledger: FabricLedgerConfig,
  paths: Paths,
): Omit<FabricAnchorOptions, 'origin' | 'journal'> {
  const { id, endpoint, endpoints = [], mspId, fabricChannel, chaincode, endorsers, logId } = ledger
  const read = (given: string, isSecret = false): string => {
    const file = isAbsolute(given) ? given : join(paths.base, given)
    try {
      if (isSecret && (statSync(file).mode & 0o077) !== 0 && process.platform !== 'win32')
        throw new Error(`${file} can be read by others: chmod 600 ${file}`)
      return readFileSync(file, 'utf8')
    } catch (cause) {
      throw new CliError('usage', `ledger "${id}": ${(cause as Error).message}`, { cause })
    }
  }
  return {
    id,
    endpoints: [endpoint, ...endpoints],
    tlsCert: read(ledger.tlsCert),
    mspId,
    cert: read(ledger.cert),
    key: read(ledger.key, true),
    fabricChannel,
    chaincode,
    records: ledger.records,
    ...(endorsers === undefined ? {} : { endorsers }),
    ...(logId === undefined ? {} : { logId }),
  }
}
