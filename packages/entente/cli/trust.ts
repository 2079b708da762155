import { existsSync, readFileSync } from 'node:fs'
import { parseStrict } from '@entente/verify/json'
import type { PinnedLedger, Trust } from '@entente/verify/proof'
import { COSIGNATURE_V1, parseVkey, TlogError } from '@entente/verify/tlog'
import { CliError } from './errors.ts'
import { integerOf } from './values.ts'

/** What the options say, or undefined where they name no key. @throws CliError `usage` */
export function readTrustOptions(values: Record<string, unknown>): Trust | undefined {
  const vkeys = ((values['key'] ?? []) as string[]).flatMap(readKeys)
  const witnesses = ((values['witness'] ?? []) as string[]).flatMap(readKeys)
  const ledgers = ((values['ledger-pin'] ?? []) as string[]).flatMap(readLedgerPins)
  if (vkeys.length === 0) return undefined
  const strange = witnesses.find(key => parseVkey(key).algorithm !== COSIGNATURE_V1)
  if (strange !== undefined) throw new CliError('usage', `--witness ${strange} is no key of a witness (type 4)`)
  const witnessQuorum = integerOf(values, 'quorum', 0) ?? 0
  if (witnessQuorum > witnesses.length)
    throw new CliError('usage', `--quorum is ${witnessQuorum}, and --witness names ${witnesses.length}`)
  return { vkeys, witnesses, ledgers, witnessQuorum }
}

/** Keys of a file, one a line, or the key itself. */
function readKeys(given: string): string[] {
  const lines = existsSync(given) ? readFileSync(given, 'utf8').split('\n') : [given]
  const keys = lines.map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'))
  if (keys.length === 0) throw new CliError('usage', `${given} holds no key`)
  for (const key of keys) {
    try {
      parseVkey(key)
    } catch (cause) {
      if (!(cause instanceof TlogError)) throw cause
      throw new CliError('usage', `${given} is neither a file nor a verifier key (name+id+key): ${cause.message}`, {
        cause,
      })
    }
  }
  return keys
}

/** Names as in an anchor of a proof (docs/formats.md 8). */
function readLedgerPins(file: string): PinnedLedger[] {
  let value: unknown
  try {
    value = parseStrict(readFileSync(file), { maxBytes: 1_048_576 })
  } catch (cause) {
    throw new CliError('usage', `${file}: ${(cause as Error).message}`, { cause })
  }
  return (Array.isArray(value) ? value : [value]).map(item => {
    const pin = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>
    const { chain_id: chainId, contract, log_id: logId, validators } = pin
    const isList = Array.isArray(validators) && validators.every(v => typeof v === 'string')
    if (typeof chainId !== 'number' || typeof contract !== 'string' || typeof logId !== 'string' || !isList)
      throw new CliError('usage', `${file}: a pin has chain_id, contract, log_id and a list of validators`)
    return { chainId, contract, logId, validators: validators as string[] }
  })
}

/** A reader without a key: what to do. */
export function noKey(what: string): CliError {
  return new CliError(
    'usage',
    `${what} proves nothing without the log's key that you believe: give it with --key VKEY|FILE.
A server tells its own at /log/key (curl https://SERVER/log/key): compare it with what the operator publishes elsewhere,
or says on the phone, and keep it. A key that came with the evidence would prove only that they belong together.`,
  )
}
