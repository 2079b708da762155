import { copyFileSync, existsSync, renameSync, rmSync } from 'node:fs'
import { treeRoot } from '@entente/verify/tlog'
import type { Checkpoint } from '#ledger/anchor.ts'
import { LedgerError } from '#ledger/error.ts'
import { continueLog, makeContinuation } from '#notary/continue.ts'
import { openLogKey } from '#notary/key.ts'
import { type Log, openLog } from '#notary/log.ts'
import { systemClock } from '#notary/time.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { Journal, Store } from '#store/store.ts'
import { type Config, ORIGIN, type Paths } from './config.ts'
import { copyPieces } from './copy-store.ts'
import { CliError } from './errors.ts'
import { openAnchors } from './ledgers.ts'
import type { Progress } from './progress.ts'
import { sync } from './sync.ts'

/** A log that goes on from one that ended. */
export type NewLog = {
  origin: string
  vkey: string
  /** Origin of the one that ended. */
  from: string
  /** Entries of it that the new one has, and the largest size at which it is known to have been. */
  size: number
  last: number
  /** Where the old log ended: the largest size that it had there, and the one from which the new one goes on. */
  ended: { ledger: string; latest: number; size: number }[]
  /** Where it could not be ended, and why. */
  open: { ledger: string; reason: string }[]
}

/** @throws CliError `usage` where nothing could be restored as this log */
export function checkNewLog(origin: string, old: string, { log }: Config, { logKey }: Paths, isInData: boolean): void {
  if (!ORIGIN.test(origin))
    throw new CliError('usage', `--new-log ${origin}: a host and path of yours is wanted, such as ${old}/2`)
  if (origin === old)
    throw new CliError('usage', `--new-log ${origin}: that is the log of the backup; a new one has another name`)
  if (log.origin !== undefined && log.origin !== origin)
    throw new CliError(
      'usage',
      `the configuration has log.origin ${log.origin}, --new-log says ${origin}: name a configuration with the new one (--config FILE)`,
    )
  if (!isInData && existsSync(logKey))
    throw new CliError('usage', `${logKey} (log.keyFile) is there: move the old log's key away, a new one is put there`)
}

/**
 * Has what was restored into a staging folder go on as another log, and ends the old one on every ledger. The new key lies beside the data folder, in `keyFile`, until
 * all is done, so that whoever begins again goes on with the same log.
 *
 * Crash points (cli/commands/new-log.test.ts kills the process at each):
 *   N1 the key, with the statement, is written: nothing has changed for anybody
 *   N2 ledgers, some or all, have ended the old log in favour of the new one: the next run finds that
 *   N3 the folder is whole but for its name: the same
 *
 * @param place of the staging folder; its ledgers where they lie, its log under the old origin
 * @throws CliError, LedgerError, NotaryError, StoreError
 */
export async function beginNewLog(
  place: { config: Config; paths: Paths },
  given: {
    origin: string
    old: string
    keyFile: string
    last: number
    progress: Progress
    fault?: (point: string) => void
  },
): Promise<NewLog> {
  const { config, paths } = place
  const { origin, keyFile, fault } = given
  const old = openLogKey(paths.logKey, given.old, false)
  const before = `${paths.store}.before`
  renameSync(paths.store, before)
  const source = openSqliteStore({ path: before, readOnly: true })
  const store = openSqliteStore({ path: paths.store, create: true })
  try {
    const log = await openLog(source, given.old, old.vkey, old.keys.successions)
    const end = { size: log.size, root: log.root, last: Math.max(given.last, log.size) }
    const next = makeContinuation(keyFile, old, origin, end, systemClock())
    sync(keyFile)
    fault?.('N1')
    await copyRecords(source, store, given.progress)
    await continueLog(store, old, next)
    const ended = await endOnLedgers({ config, paths, origin, old: given.old, source, log, fault })
    rmSync(paths.logKey)
    copyFileSync(keyFile, paths.logKey)
    sync(paths.logKey)
    return { origin, vkey: next.vkey, from: given.old, size: end.size, last: end.last, ...ended }
  } finally {
    await source.close()
    await store.close()
    for (const end of ['', '-wal', '-shm']) rmSync(`${before}${end}`, { force: true })
    rmSync(`${paths.store}.lock`, { force: true })
  }
}

/** What is said of a log under its name stays behind: anchors, checkpoints and cosignatures. */
async function copyRecords(source: Store, store: Store, progress: Progress): Promise<void> {
  await copyPieces(
    source,
    {
      take: async ({ anchors: _anchors, checkpoints: _checkpoints, cosignatures: _cosignatures, ...piece }) =>
        store.take(piece),
    },
    progress,
  )
}

/** Newest anchors of the backup that a ledger is asked for. */
const SHARED = 50

async function endOnLedgers(of: {
  config: Config
  paths: Paths
  origin: string
  old: string
  source: Journal
  log: Log
  fault: ((point: string) => void) | undefined
}): Promise<Pick<NewLog, 'ended' | 'open'>> {
  const { config, paths, origin, old, source, log, fault } = of
  const [ended, open]: [NewLog['ended'], NewLog['open']] = [[], []]
  for (const ledger of config.ledgers) {
    const [anchor] = await openAnchors({ ...config, ledgers: [ledger] }, paths, origin)
    if (!anchor) continue
    try {
      const rows = await source.anchors({ ledger: ledger.id, limit: SHARED })
      const sizes = [...new Set([...rows.map(r => r.size), log.size])].filter(size => size <= log.size)
      const shared: Checkpoint[] = []
      for (const size of sizes.sort((a, b) => a - b))
        shared.push({ size, root: await log.tiles.prove(reader => treeRoot(size, reader)) })
      if (!anchor.succeed) throw new LedgerError('unsupported', `a ${anchor.kind} ledger does not end a log`)
      ended.push({ ledger: ledger.id, ...(await anchor.succeed(old, shared)) })
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'unsupported') throw error
      open.push({ ledger: ledger.id, reason: error.message })
    } finally {
      await anchor.close()
    }
    fault?.('N2')
  }
  return { ended, open }
}
