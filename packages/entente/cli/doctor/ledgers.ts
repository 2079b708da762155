import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { LedgerError } from '#ledger/error.ts'
import { createMemoryJournal } from '#ledger/journal.ts'
import type { Config } from '../config.ts'
import { originOf } from '../configured-ledgers.ts'
import { bitcoinOptions } from '../bitcoin-ledger.ts'
import { evmOptions } from '../evm-ledger.ts'
import type { LedgerConfig } from '../ledger-config.ts'
import { journalFile, ledgerFolder, ledgerJournal, openAnchors } from '../ledgers.ts'
import { isServed, openStore } from '../stores.ts'
import { type Check, ok, type Patient, problem, type Seen, warning } from './check.ts'
import { heldAgainst } from './clocks.ts'

export const ledgerChecks = (config: Config): Check[] =>
  config.ledgers.map(ledger => ({
    name: `ledger "${ledger.id}"`,
    group: 'ledgers',
    run: patient => look(ledger, patient),
  }))

const MENDS: Partial<Record<LedgerError['code'], string>> = {
  unreachable: 'Start the node or the way to it; until then publishing goes on, and statuses stay pending.',
  mismatch: 'Correct chainId, contract or logId of this ledger in the configuration, or the address of its node.',
  corrupt: 'Run "entente audit"; an embedded ledger is put back from a backup that is as new as the store.',
  closed: 'The log was ended on this ledger in favour of another: see docs/operating.md, "When something is wrong".',
}

async function look(ledger: LedgerConfig, patient: Patient): Promise<Seen[]> {
  const { config, paths } = patient
  const subject = `ledger "${ledger.id}"`
  if (ledger.kind === 'embedded' && !existsSync(join(ledgerFolder(ledger, paths), 'ledger.db')))
    return [
      isServed(config, paths)
        ? problem(
            subject,
            `${ledgerFolder(ledger, paths)} holds no ledger, and the log is there`,
            'Put the ledger back from the newest backup, or correct its path.',
          )
        : ok(subject, 'there is none yet: the first start of a server makes it'),
    ]
  if (config.log.origin === undefined && !existsSync(paths.logKey))
    return [
      warning(
        subject,
        'which log to look for is not known before the first start',
        'Set log.origin, or start the server once.',
      ),
    ]
  try {
    return await ask(ledger, subject, patient)
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error
    const mend = MENDS[error.code] ?? 'Do what the message says, and look again with "entente ledger status".'
    return [problem(subject, error.message, mend)]
  }
}

async function ask(ledger: LedgerConfig, subject: string, patient: Patient): Promise<Seen[]> {
  const { config, paths } = patient
  const [anchor] = await openAnchors({ ...config, ledgers: [ledger] }, paths, originOf(config, paths), true)
  if (!anchor) return []
  try {
    const [identity, latest, time] = await Promise.all([anchor.describe(), anchor.latest(), anchor.time()])
    const chain = `chain ${identity.chainId}${identity.contract === undefined ? '' : `, contract ${identity.contract}`}`
    const seen = [behind(`${subject}, ${chain}`, latest?.size ?? 0, await sizeOfLog(patient))]
    if (time !== undefined) seen.push(heldAgainst(subject, time * 1_000_000, patient))
    if (ledger.kind === 'evm') seen.push(...(await account(ledger, subject, patient)))
    if (ledger.kind === 'bitcoin') seen.push(await coins(ledger, subject, patient))
    return seen
  } finally {
    await anchor.close()
  }
}

function behind(subject: string, anchored: number, size: number | undefined): Seen {
  if (size === undefined) return ok(subject, `it has the log up to size ${anchored}`)
  if (anchored > size)
    return problem(
      subject,
      `it has the log at size ${anchored}, the store only at ${size}`,
      'The store was put back to an older one: put the newer one in its place (docs/operating.md, "When something is wrong").',
    )
  const seen = anchored === size ? `it has all ${size} entries` : `it has ${anchored} of ${size} entries`
  return anchored === size
    ? ok(subject, seen)
    : warning(
        subject,
        seen,
        'Leave the server running until they are anchored; if the number stays, see its log for what the ledger answers.',
      )
}

/** @returns undefined before the first start, and where the store has a check of its own that fails */
async function sizeOfLog({ config, paths }: Patient): Promise<number | undefined> {
  if (!isServed(config, paths)) return undefined
  try {
    const store = await openStore(config, paths, { readOnly: true })
    try {
      return (await store.head())?.size
    } finally {
      await store.close()
    }
  } catch {
    return undefined
  }
}

/** An anchor waits for a block, and the next one for it. */
const BITCOIN_BLOCK_MS = 600_000
/** Less than this is soon. */
const SOON_DAYS = 7

/** For how many anchors, and how long, what lies at the address lasts. */
async function coins(
  ledger: Extract<LedgerConfig, { kind: 'bitcoin' }>,
  subject: string,
  { config, paths }: Patient,
): Promise<Seen> {
  const { readBitcoinStatus } = await import('#ledger/bitcoin/status.ts')
  const journal = existsSync(journalFile(ledger.id, paths)) ? ledgerJournal(ledger.id, paths) : createMemoryJournal()
  const options = { ...bitcoinOptions(ledger, paths), origin: originOf(config, paths), journal }
  const { address, balance, fee, highestFee, anchors, fewestAnchors } = await readBitcoinStatus(options)
  const seen = `${address} has ${balance} satoshis: enough for ${anchors} anchors at ${fee} each, ${fewestAnchors} at fee.max (${highestFee} each)`
  const mend = 'Pay to this address: without it nothing is anchored here.'
  if (anchors === 0) return problem(subject, seen, mend)
  const everyMs = Math.max(ledger.intervalMs, BITCOIN_BLOCK_MS)
  const days = (anchors * everyMs) / 86_400_000
  return days < SOON_DAYS
    ? warning(subject, `${seen}; one every ${everyMs / 60_000} minutes lasts ${days.toFixed(1)} days`, mend)
    : ok(subject, seen)
}

/** Who pays for anchors, and whether the nodes agree. */
async function account(
  ledger: Extract<LedgerConfig, { kind: 'evm' }>,
  subject: string,
  { config, paths }: Patient,
): Promise<Seen[]> {
  const { readEvmStatus } = await import('#ledger/evm/status.ts')
  const journal = existsSync(journalFile(ledger.id, paths)) ? ledgerJournal(ledger.id, paths) : undefined
  const options = { ...(await evmOptions(ledger, paths, true)), origin: originOf(config, paths) }
  const { balance, identity, endpoints, gasPrice } = await readEvmStatus(options, journal)
  const nodes = endpoints.map(e =>
    'error' in e
      ? warning(subject, `node ${e.name} is away: ${e.error}`, 'Bring it back, or take it out of urls.')
      : ok(subject, `node ${e.name} at block ${e.head}`),
  )
  if (gasPrice === 0n || Number(balance) > 0) return [ok(subject, `account ${identity.owner} has ${balance}`), ...nodes]
  const seen = `account ${identity.owner} has nothing, and a unit of gas costs ${gasPrice} wei`
  return [problem(subject, seen, 'Pay to this account: without it nothing is anchored here.'), ...nodes]
}
