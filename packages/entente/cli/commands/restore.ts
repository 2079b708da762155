import { restoreBackup } from '../backup.ts'
import type { Args } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { dataFolder } from '../options.ts'
import { print } from '../print.ts'
import { createProgress } from '../progress.ts'
import { isSet, textOf } from '../values.ts'

/** Puts a backup into an empty folder; nothing is there before all of it was checked. */
export async function run({ values }: Args): Promise<number> {
  const from = textOf(values, 'from')
  if (from === undefined) throw new CliError('usage', '--from FOLDER is missing: the backup')
  const data = dataFolder(values)
  const progress = createProgress(isSet(values, 'json'))
  try {
    const { manifest, report, uncompared, ledgers } = await restoreBackup(
      from,
      data,
      textOf(values, 'config'),
      progress,
    )
    progress.end()
    const { origin, size, created } = manifest
    const json = {
      data,
      origin,
      size,
      created,
      ledgers: report.ledgers,
      kept_ledgers: ledgers,
      not_compared: uncompared,
    }
    print(isSet(values, 'json'), json, () => [
      `${data}: ${origin} at size ${size}, as it was ${created}`,
      ...ledgers.map(id => `  ledger ${id} was there already and was left as it is`),
      ...report.ledgers.map(l => `  ledger ${l.ledger}: agrees up to size ${l.size}`),
      ...uncompared.map(u => `  ledger ${u.ledger}: not compared: ${u.reason}`),
      `What was erased since then is back: erase it again. What was published since then is gone.`,
    ])
    return EXIT.yes
  } finally {
    progress.end()
  }
}
