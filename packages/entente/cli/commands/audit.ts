import { createTaxiiClient, serverLog } from '@entente/client'
import type { AuditReport, Problem } from '#notary/audit.ts'
import { historyOf, openLogKey } from '#notary/key.ts'
import type { Args } from '../commands.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin } from '../identity.ts'
import { auditStore, type Uncompared } from '../audit-anchors.ts'
import { checkOutside, type OutsideProblem, storeLog } from '../audit-outside.ts'
import { counted, print } from '../print.ts'
import { createProgress, type Progress } from '../progress.ts'
import { openStore } from '../stores.ts'
import { readTrustOptions } from '../trust.ts'
import { isSet, textOf } from '../values.ts'

type Values = Record<string, unknown>

/**
 * Checks all that a server's data folder holds, against its log, its key, the ledgers, what is remembered and receipts; or, of a server elsewhere, its
 * log against the last two. It writes nothing but what it remembers.
 */
export async function run({ values }: Args): Promise<number> {
  const url = textOf(values, 'url')
  const progress = createProgress(isSet(values, 'json'))
  try {
    return await (url === undefined ? auditFolder(values, progress) : auditServer(url, values, progress))
  } finally {
    progress.end()
  }
}

async function auditFolder(values: Values, progress: Progress): Promise<number> {
  if (values['ledger'] !== undefined)
    throw new CliError('usage', '--ledger goes with --url: of a data folder the configured ledgers are compared')
  const { config, paths } = openData(values)
  const trust = readTrustOptions(values)
  if (trust && trust.vkeys.length > 1) throw new CliError('usage', 'one --key: a data folder holds one log')
  const vkey = trust?.vkeys[0] ?? openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false).vkey
  const store = await openStore(config, paths, { readOnly: true })
  try {
    const { report, uncompared } = await auditStore(store, vkey, { config, paths }, progress)
    progress.end()
    // A head that the key did not sign can't be held against anything.
    const outside = report.problems.some(p => p.kind === 'checkpoint')
      ? { problems: [], json: {}, lines: [] }
      : await checkOutside(storeLog(store, vkey, paths.data, historyOf(paths.logKey)), values, [vkey], progress)
    const ok = report.problems.length === 0 && outside.problems.length === 0
    const problems = [...report.problems, ...outside.problems]
    const json = { ok, pinned: trust !== undefined, ...report, problems, ...outside.json, not_compared: uncompared }
    print(isSet(values, 'json'), json, () => [
      ...toLines(report, uncompared),
      ...outside.lines,
      ...problems.map(describe),
      problems.length === 0 ? 'no problem found' : `${counted(problems.length, 'problem')} found`,
    ])
    return ok ? EXIT.yes : EXIT.evidence
  } finally {
    await store.close()
  }
}

/** Of a server elsewhere only the public log can be seen: hashes and checkpoints. */
async function auditServer(url: string, values: Values, progress: Progress): Promise<number> {
  if (textOf(values, 'data') !== undefined || textOf(values, 'config') !== undefined)
    throw new CliError('usage', 'either --url SERVER, or --data DIR with --config FILE')
  const source = serverLog(createTaxiiClient({ url }))
  // Of a pin only which log it is counts here, not who seals.
  const trust = readTrustOptions({ ...values, 'ledger-pin': undefined })
  const { problems, json, lines } = await checkOutside(source, values, trust?.vkeys, progress)
  if (lines.length === 0) throw new CliError('no', `${url} shows no log`)
  const ok = problems.length === 0
  print(isSet(values, 'json'), { ok, url: source.name, ...json, problems }, () => [
    ...lines,
    ...problems.map(describe),
    ok ? 'no problem found' : `${counted(problems.length, 'problem')} found`,
  ])
  return ok ? EXIT.yes : EXIT.evidence
}

function toLines({ origin, size, collections, ledgers, witnesses }: AuditReport, uncompared: Uncompared[]): string[] {
  return [
    `${origin}: ${counted(size, 'entry').replace('entrys', 'entries')}`,
    ...collections.map(
      c =>
        `  ${c.apiRoot}collections/${c.id}/: ${counted(c.count, 'record')} (${counted(c.objects, 'object')}, ${counted(c.deleted, 'deletion')}, ${counted(c.equivocations, 'equivocation')})`,
    ),
    ...ledgers.filter(l => l.ok).map(l => `  ledger ${l.ledger}: agrees up to size ${l.size}`),
    ...witnesses.filter(w => w.ok).map(w => `  witness ${w.witness}: agrees up to size ${w.size}`),
    ...uncompared.map(u => `  ledger ${u.ledger}: not compared: ${u.reason}`),
  ]
}

export function describe(problem: Problem | OutsideProblem): string {
  const { kind, message, collection, seq, logIndex, id }: Partial<Problem> & { kind: string } = problem as Problem
  const where = [
    collection === undefined ? '' : `collection ${collection}`,
    seq === undefined ? '' : `seq ${seq}`,
    logIndex === undefined ? '' : `entry ${logIndex}`,
    id ?? '',
  ].filter(part => part !== '')
  return `PROBLEM ${kind}: ${message}${where.length > 0 ? ` [${where.join(', ')}]` : ''}`
}
