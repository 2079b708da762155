import { type AuditReport, audit, type Problem } from '#notary/audit.ts'
import { openLogKey } from '#notary/key.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { Args } from '../commands.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin } from '../identity.ts'
import { openAuditAnchors, type Uncompared } from '../audit-anchors.ts'
import { counted, print } from '../print.ts'
import { createProgress } from '../progress.ts'
import { readTrustOptions } from '../trust.ts'
import { isSet } from '../values.ts'

/** Checks all that a server's data folder holds, against its log, its key and the ledgers. It writes nothing. */
export async function run({ values }: Args): Promise<number> {
  const { config, paths } = openData(values)
  const trust = readTrustOptions(values)
  if (trust && trust.vkeys.length > 1) throw new CliError('usage', 'one --key: a data folder holds one log')
  const vkey = trust?.vkeys[0] ?? openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false).vkey
  const store = openSqliteStore({ path: paths.store, readOnly: true })
  const progress = createProgress(isSet(values, 'json'))
  try {
    const { anchors, uncompared } = await openAuditAnchors(config, paths, vkey)
    try {
      const report = await audit({
        store,
        vkey,
        anchors,
        progress: (done, total) => progress.update(done, total, 'entries checked'),
      })
      progress.end()
      const ok = report.problems.length === 0
      print(isSet(values, 'json'), { ok, pinned: trust !== undefined, ...report, not_compared: uncompared }, () =>
        toLines(report, uncompared),
      )
      return ok ? EXIT.yes : EXIT.evidence
    } finally {
      await Promise.allSettled(anchors.map(a => a.close()))
    }
  } finally {
    progress.end()
    await store.close()
  }
}

function toLines({ origin, size, collections, ledgers, problems }: AuditReport, uncompared: Uncompared[]): string[] {
  return [
    `${origin}: ${counted(size, 'entry').replace('entrys', 'entries')}`,
    ...collections.map(
      c =>
        `  ${c.apiRoot}collections/${c.id}/: ${counted(c.count, 'record')} (${counted(c.objects, 'object')}, ${counted(c.deleted, 'deletion')}, ${counted(c.equivocations, 'equivocation')})`,
    ),
    ...ledgers.filter(l => l.ok).map(l => `  ledger ${l.ledger}: agrees up to size ${l.size}`),
    ...uncompared.map(u => `  ledger ${u.ledger}: not compared: ${u.reason}`),
    ...problems.map(describe),
    problems.length === 0 ? 'no problem found' : `${counted(problems.length, 'problem')} found`,
  ]
}

function describe({ kind, message, collection, seq, logIndex, id }: Problem): string {
  const where = [
    collection === undefined ? '' : `collection ${collection}`,
    seq === undefined ? '' : `seq ${seq}`,
    logIndex === undefined ? '' : `entry ${logIndex}`,
    id ?? '',
  ].filter(part => part !== '')
  return `PROBLEM ${kind}: ${message}${where.length > 0 ? ` [${where.join(', ')}]` : ''}`
}
