import { restoreBackup } from '../backup.ts'
import type { Args } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { dataFolder } from '../options.ts'
import { counted, print } from '../print.ts'
import type { NewLog } from '../new-log.ts'
import { createProgress } from '../progress.ts'
import { type OpenSource, openRepairSource } from '../repair-sources.ts'
import { isSet, textOf } from '../values.ts'

/** Puts a backup into an empty folder; nothing is there before all of it was checked. */
export async function run({ values }: Args): Promise<number> {
  const from = textOf(values, 'from')
  if (from === undefined) throw new CliError('usage', '--from FOLDER is missing: the backup')
  const data = dataFolder(values)
  const progress = createProgress(isSet(values, 'json'))
  const newer: OpenSource[] = []
  try {
    for (const name of (values['newer'] as string[] | undefined) ?? []) newer.push(await openRepairSource(name, values))
    const { manifest, size, report, uncompared, ledgers, forward, newLog } = await restoreBackup({
      from,
      data,
      configFile: textOf(values, 'config'),
      newer,
      newLog: textOf(values, 'new-log'),
      progress,
    })
    progress.end()
    const { origin, created } = manifest
    const json = {
      data,
      origin,
      size,
      created,
      ...(forward ? { forward } : {}),
      ...(newLog ? { new_log: newLog } : {}),
      ledgers: report.ledgers,
      kept_ledgers: ledgers,
      not_compared: uncompared,
    }
    print(isSet(values, 'json'), json, () => [
      `${data}: ${origin} at size ${size}, ${forward ? `from a backup of ${created} at size ${manifest.size}` : `as it was ${created}`}`,
      ...ledgers.map(id => `  ledger ${id} was there already and was left as it is`),
      ...report.ledgers.map(l => `  ledger ${l.ledger}: agrees up to size ${l.size}`),
      ...uncompared.map(u => `  ledger ${u.ledger}: not compared: ${u.reason}`),
      forward
        ? `${counted(forward.added, 'record')} were added and ${forward.erased} erased by what newer copies have of the log. What was logged after those is unknown here.`
        : `What was erased since then is back, and nothing here says what that was: erase it again, or restore with --newer COPY. What was published since then is gone.`,
      ...(newLog ? describe(newLog) : []),
    ])
    return EXIT.yes
  } finally {
    progress.end()
    for (const source of newer) await source.close()
  }
}

function describe({ origin, vkey, from, size, last, ended, open }: NewLog): string[] {
  return [
    `The log ${from} has ended at size ${size}: ${last > size ? `at least ${last - size} entries of it are lost` : 'nothing of it is known to be lost'}. What there is goes on as the log ${origin}:`,
    `  ${vkey}`,
    ...ended.map(({ ledger, latest, size: at }) =>
      latest === 0
        ? `  ledger ${ledger}: the old log was not there`
        : `  ledger ${ledger}: the old log, at size ${latest}, is closed; the new one goes on from ${at}`,
    ),
    ...open.map(({ ledger, reason }) => `  ledger ${ledger}: the old log stays open there: ${reason}`),
    'Tell readers and witnesses the new key by the way by which they got the old one; /log/continuations has the statement, signed by both.',
  ]
}
