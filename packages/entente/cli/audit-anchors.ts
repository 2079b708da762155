import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseVkey } from '@entente/verify/tlog'
import type { Anchor } from '#ledger/anchor.ts'
import { type AuditReport, audit } from '#notary/audit.ts'
import type { Journal, Store } from '#store/store.ts'
import type { Config, Paths } from './config.ts'
import { ledgerFolder, openAnchors } from './ledgers.ts'
import type { Progress } from './progress.ts'

/** A ledger that an audit could not be held against, and why. */
export type Uncompared = { ledger: string; reason: string }

/**
 * Opens the configured ledgers for reading, an embedded one beside a running server too. None is created: where there is none the report says so.
 *
 * @throws LedgerError where a ledger is there and is damaged or another one
 */
export async function openAuditAnchors(
  config: Config,
  paths: Paths,
  vkey: string,
): Promise<{ anchors: Anchor[]; uncompared: Uncompared[] }> {
  const anchors: Anchor[] = []
  const uncompared: Uncompared[] = []
  try {
    for (const ledger of config.ledgers) {
      if (ledger.kind === 'embedded' && !existsSync(join(ledgerFolder(ledger, paths), 'ledger.db'))) {
        uncompared.push({ ledger: ledger.id, reason: `${ledgerFolder(ledger, paths)} holds no ledger` })
        continue
      }
      anchors.push(...(await openAnchors({ ...config, ledgers: [ledger] }, paths, parseVkey(vkey).name, true)))
    }
    return { anchors, uncompared }
  } catch (error) {
    await Promise.allSettled(anchors.map(a => a.close()))
    throw error
  }
}

/**
 * Audits an open store and compares it with the configured ledgers; nothing is written.
 *
 * @throws LedgerError as {@link openAuditAnchors}
 */
export async function auditStore(
  store: Store & Journal,
  vkey: string,
  { config, paths }: { config: Config; paths: Paths },
  progress: Progress,
): Promise<{ report: AuditReport; uncompared: Uncompared[] }> {
  const { anchors, uncompared } = await openAuditAnchors(config, paths, vkey)
  try {
    const report = await audit({
      store,
      vkey,
      anchors,
      witnesses: config.log.witnesses.map(w => w.vkey),
      progress: (done, total) => progress.update(done, total, 'entries checked'),
    })
    return { report, uncompared }
  } finally {
    await Promise.allSettled(anchors.map(a => a.close()))
  }
}
