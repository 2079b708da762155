import { existsSync } from 'node:fs'
import type { StixObject } from '@entente/client'
import { LedgerError } from '#ledger/error.ts'
import type { RecordKeeper } from '#ledger/records.ts'
import { openLogKey } from '#notary/key.ts'
import { NotaryError } from '#notary/errors.ts'
import { collectionName, openSealedRecord, type RecordKey } from '#notary/record-keys.ts'
import { recordJson } from '#notary/record.ts'
import { openSqliteRecordKeys } from '#store/sqlite/record-keys.ts'
import { loadConfig } from './config.ts'
import { CliError } from './errors.ts'
import { defaultOrigin, toApiRoots } from './identity.ts'
import { openAnchors } from './ledgers.ts'
import { dataFolder } from './options.ts'
import { textOf } from './values.ts'

/** Keys that are read at a time. */
const KEYS = 256

export type FromLedger = {
  ledger: string
  /** How many records the keys are of. */
  count: number
  /** Every object that the ledger has of the collection, as it was logged, in the order of its records. */
  objects(): AsyncGenerator<StixObject>
  close(): Promise<void>
}

/**
 * Reads the records that a ledger keeps (`record: full`) with the keys of a data folder: log.key, record-keys.db and what the ledger needs of an account.
 * The store may be gone. Nothing is written, and a server may run on the folder.
 *
 * @param address a collection: its URL, id or alias
 * @throws CliError, LedgerError, NotaryError
 */
export async function openFromLedger(address: string, values: Record<string, unknown>): Promise<FromLedger> {
  const { config, paths } = loadConfig({ file: textOf(values, 'config'), data: dataFolder(values), env: process.env })
  for (const file of [paths.logKey, paths.recordKeys])
    if (!existsSync(file))
      throw new CliError(
        'usage',
        `${file} is missing: the records on a ledger open only with the keys of the data folder (--data DIR)`,
      )
  const { signer, first } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  const name = nameOf(address, toApiRoots(config, first))
  const wanted = textOf(values, 'from-ledger') ?? ''
  const chosen = config.ledgers.filter(l => l.id === wanted && 'records' in l && l.records)
  if (chosen.length === 0) {
    const takes = config.ledgers.flatMap(l => ('records' in l && l.records ? [l.id] : []))
    throw new CliError('usage', `--from-ledger ${wanted}: ledgers with records: true are ${takes.join(', ') || 'none'}`)
  }
  const [anchor] = await openAnchors({ ...config, ledgers: chosen }, paths, signer.name, true)
  const keys = openSqliteRecordKeys({ path: paths.recordKeys, readOnly: true })
  return {
    ledger: wanted,
    count: keys.count(name),
    objects: async function* () {
      for (let next = 0; ; ) {
        const found = keys.list(name, next, KEYS)
        for (const key of found) {
          const record = await fetchRecord(anchor?.records, key)
          if (record) yield record.object
        }
        const last = found.at(-1)
        if (!last) return
        next = last.seq + 1
      }
    },
    close: async () => {
      keys.close()
      await anchor?.close()
    },
  }
}

/** @returns undefined where the ledger has not got it yet */
async function fetchRecord(
  keeper: RecordKeeper | undefined,
  key: RecordKey,
): Promise<{ object: StixObject } | undefined> {
  if (!keeper) throw new LedgerError('unsupported', 'this ledger was not opened for records')
  const candidates = await keeper.get(key.commitment)
  let failure: unknown
  for (const sealed of candidates) {
    try {
      return JSON.parse(recordJson(openSealedRecord(key, sealed)))
    } catch (error) {
      if (!(error instanceof NotaryError)) throw error
      failure = error
    }
  }
  if (failure !== undefined) throw failure as Error
  return undefined
}

/** How the collection is called among the keys. */
function nameOf(address: string, roots: ReturnType<typeof toApiRoots>): string {
  const [, path, given = address] =
    /^(?:https?:\/\/[^/]{1,300})?(\/.{0,700})collections\/([^/]{1,200})\/$/.exec(address) ?? []
  for (const root of roots) {
    if (path !== undefined && root.path !== path) continue
    const found = root.collections.find(c => c.id === given.toLowerCase() || c.alias === given)
    if (found) return collectionName({ apiRoot: root.path, id: found.id })
  }
  throw new CliError('usage', `${address}: the configuration has no such collection`)
}
