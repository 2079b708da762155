import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { type Account, accountFromKey, accountOfNode } from '#ledger/evm/account.ts'
import type { EvmAnchorOptions } from '#ledger/evm/anchor.ts'
import type { EvmFinality } from '#ledger/evm/finality.ts'
import { accountFromKeystore } from '#ledger/evm/keystore.ts'
import type { Paths } from './config.ts'
import { CliError } from './errors.ts'
import type { LedgerConfig } from './ledger-config.ts'

export type EvmLedgerConfig = Extract<LedgerConfig, { kind: 'evm' }>

/**
 * What the adapter is opened with.
 *
 * @param readOnly no account is needed then where the log is named by contract and logId
 * @throws CliError `usage` where the account cannot be read
 */
export async function evmOptions(
  ledger: EvmLedgerConfig,
  paths: Paths,
  readOnly = false,
): Promise<Omit<EvmAnchorOptions, 'origin'>> {
  const { id, urls, chainId, contract, logId, validators } = ledger
  const isNamed = contract !== undefined && logId !== undefined
  const isReader = readOnly && isNamed && ledger.keyFile === undefined && ledger.account === undefined
  return {
    id,
    urls,
    chainId,
    account: isReader ? accountOfNode(NOBODY) : await accountOf(ledger, paths),
    finality: finalityOf(ledger),
    ...(contract === undefined ? {} : { contract }),
    ...(logId === undefined ? {} : { logId }),
    ...(readOnly ? { readOnly } : {}),
    ...(validators === undefined ? {} : { validators }),
  }
}

/** Whoever only reads. */
const NOBODY = `0x${'00'.repeat(20)}`

export const finalityOf = ({ finality }: Pick<EvmLedgerConfig, 'finality'>): EvmFinality =>
  typeof finality === 'number' ? { depth: finality } : finality

async function accountOf({ id, keyFile, account }: EvmLedgerConfig, paths: Paths): Promise<Account> {
  const usage = (message: string, cause?: unknown) => new CliError('usage', `ledger "${id}": ${message}`, { cause })
  const read = (file: string): string => {
    try {
      return readFileSync(isAbsolute(file) ? file : join(paths.base, file), 'utf8')
    } catch (cause) {
      throw usage((cause as Error).message, cause)
    }
  }
  if ((keyFile === undefined) === (account === undefined))
    throw usage('who pays for anchors? Give either keyFile or account (a keystore with its passwordFile, or a node)')
  try {
    if (keyFile !== undefined) {
      const key = read(keyFile).trim()
      return accountFromKey(key.startsWith('0x') ? key : `0x${key}`)
    }
    if (account === undefined || 'node' in account) return accountOfNode(account?.node ?? '')
    // Editors end a file with a line end; it is no part of the password.
    return await accountFromKeystore(read(account.keystore), read(account.passwordFile).replace(/\r?\n$/, ''))
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw usage(`the account cannot be opened: ${(cause as Error).message}`, cause)
  }
}
