import { auditFolder, configOf, makeBackup, readBackup, withLedgersIn } from '../backup.ts'
import type { Args } from '../commands.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { counted, print } from '../print.ts'
import { createProgress } from '../progress.ts'
import { isSet, textOf } from '../values.ts'
import { describe } from './audit.ts'

/** Makes a backup of a data folder, or audits one. */
export async function run({ values }: Args): Promise<number> {
  const to = textOf(values, 'to')
  if (to === undefined) throw new CliError('usage', '--to FOLDER is missing: where the backup goes, or lies')
  if (isSet(values, 'check')) return check(to, values)
  const { config, paths } = openData(values)
  const progress = createProgress(isSet(values, 'json'))
  const { files, ...manifest } = await makeBackup(config, paths, to, textOf(values, 'config'), progress).finally(
    progress.end,
  )
  const bytes = files.reduce((sum, f) => sum + f.bytes, 0)
  print(isSet(values, 'json'), { to, ...manifest, files, bytes }, () => [
    `${to}: ${manifest.origin} at size ${manifest.size}, ${counted(files.length, 'file')}, ${counted(bytes, 'byte')}`,
    `It holds the log's key: keep it where nobody else reads. "entente backup --check --to ${to}" audits it.`,
  ])
  return EXIT.yes
}

async function check(folder: string, values: Record<string, unknown>): Promise<number> {
  const progress = createProgress(isSet(values, 'json'))
  try {
    const { origin, size, created } = readBackup(folder)
    const { config, paths } = configOf(folder)
    // Ledgers elsewhere are always ahead of a backup; "entente restore" asks them.
    const own = { ...config, ledgers: config.ledgers.filter(l => l.kind === 'embedded') }
    const { report, uncompared } = await auditFolder(withLedgersIn(own, folder), paths, progress)
    progress.end()
    const { problems } = report
    const ok = problems.length === 0
    print(isSet(values, 'json'), { ok, created, ...report, not_compared: uncompared }, () => [
      `${folder}: ${origin} at size ${size}, of ${created}`,
      ...problems.map(describe),
      ok ? 'no problem found' : `${counted(problems.length, 'problem')} found`,
    ])
    return ok ? EXIT.yes : EXIT.evidence
  } finally {
    progress.end()
  }
}
