import { audit, type Problem } from '#notary/audit.ts'
import { historyOf, openLogKey } from '#notary/key.ts'
import { repair, type RepairReport } from '#notary/repair.ts'
import { type Journal, type Store, StoreError } from '#store/store.ts'
import { openAuditAnchors } from '../audit-anchors.ts'
import type { Args } from '../commands.ts'
import { type Config, type Paths } from '../config.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin } from '../identity.ts'
import { type MendedFile, openIndexed, openMended } from '../mend-file.ts'
import { counted, print } from '../print.ts'
import { createProgress, type Progress } from '../progress.ts'
import { type OpenSource, openRepairSource } from '../repair-sources.ts'
import { openStore } from '../stores.ts'
import { readTrustOptions } from '../trust.ts'
import { isSet } from '../values.ts'
import { describe } from './audit.ts'

/** Mends a data folder whose server is stopped, and audits it afterwards: exit 0 where nothing is wrong any more. */
export async function run({ values }: Args): Promise<number> {
  const { config, paths } = openData(values)
  const trust = readTrustOptions(values)
  if (trust && trust.vkeys.length > 1) throw new CliError('usage', 'one --key: a data folder holds one log')
  const vkey = trust?.vkeys[0] ?? openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false).vkey
  const isDry = isSet(values, 'dry-run')
  const isJson = isSet(values, 'json')
  const progress = createProgress(isJson)
  const sources: OpenSource[] = []
  try {
    for (const name of (values['from'] as string[] | undefined) ?? [])
      sources.push(await openRepairSource(name, values))
    const file = await open(config, paths, isDry)
    let report: RepairReport
    let problems: Problem[] = []
    let damaged: string | undefined
    let isMended = false
    try {
      const { store } = file
      report = await repair({
        store,
        vkey,
        successions: historyOf(paths.logKey),
        sources,
        isDry: isDry && file.action !== 'salvaged',
        evenIfErased: isSet(values, 'even-if-erased'),
        progress: (done, total, what) => progress.update(done, total, what),
      })
      if (!isDry) problems = await auditAll(store, config, paths, vkey, progress)
      isMended = !isDry
    } finally {
      damaged = await file.finish(isMended)
    }
    progress.end()
    const ok = report.lost.length === 0 && problems.length === 0
    print(isJson, { ok, dry_run: isDry, file: { ...toJson(file), damaged }, ...report, problems }, () => [
      ...fileLines(file, damaged, isDry),
      ...toLines(report, isDry),
      ...problems.map(describe),
      ok ? (isDry ? 'nothing would be left wrong' : 'no problem is left') : 'NOT everything is right again',
    ])
    return ok ? EXIT.yes : EXIT.evidence
  } finally {
    progress.end()
    for (const source of sources) await source.close()
  }
}

async function open(config: Config, paths: Paths, isDry: boolean): Promise<MendedFile> {
  try {
    return await (config.store.kind === 'sqlite'
      ? openMended(paths.store, isDry)
      : openIndexed(await openStore(config, paths, { readOnly: isDry }), isDry))
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.code !== 'locked') throw cause
    throw new CliError('no', `a server runs on ${paths.data}: stop it first, and start it again afterwards`, { cause })
  }
}

async function auditAll(
  store: Store & Journal,
  config: Config,
  paths: Paths,
  vkey: string,
  progress: Progress,
): Promise<Problem[]> {
  const { anchors } = await openAuditAnchors(config, paths, vkey)
  try {
    const options = { store, vkey, anchors }
    return (await audit({ ...options, progress: (done, total) => progress.update(done, total, 'entries checked') }))
      .problems
  } finally {
    await Promise.allSettled(anchors.map(a => a.close()))
  }
}

const toJson = ({ found, action }: MendedFile) => ({ action, found })

function fileLines({ action, found }: MendedFile, damaged: string | undefined, isDry: boolean): string[] {
  if (action === 'none') return []
  const what = `the file: ${found[0]}${found.length > 1 ? `, and ${found.length - 1} more` : ''}`
  if (action === 'indexes') return [what, `  its indexes ${isDry ? 'would be' : 'were'} built anew`]
  if (isDry) return [what, '  what can be read of it would be copied into a new file']
  return [
    what,
    `  what can be read of it was copied into a new file; the damaged one is ${damaged}: remove it when you don't need it any more`,
    '  statuses and the names of submitters are kept as far as they could be read: no log vouches for them',
  ]
}

/** Records that are listed by name; of more there is the count. */
const SHOWN = 100

function toLines(report: RepairReport, isDry: boolean): string[] {
  const verb = isDry ? 'would be ' : ''
  const lines = [`${report.origin}: size ${report.size}`]
  const { restored, columns, erased, removed, tiles, entryBundles, heads, lost } = report
  for (const { collection, seq, logIndex, from } of restored.slice(0, SHOWN))
    lines.push(`  record ${seq} of collection ${collection} (entry ${logIndex}) ${verb}brought back from ${from}`)
  for (const { collection, seq, logIndex } of columns.slice(0, SHOWN))
    lines.push(`  record ${seq} of collection ${collection} (entry ${logIndex}): its columns ${verb}written again`)
  for (const { collection, seq, logIndex } of erased.slice(0, SHOWN))
    lines.push(`  record ${seq} of collection ${collection} (entry ${logIndex}): ${verb}erased again, as the log says`)
  const counts: [number, string][] = [
    [Math.max(0, restored.length - SHOWN), 'record more'],
    [Math.max(0, columns.length - SHOWN) + Math.max(0, erased.length - SHOWN), 'row more'],
    [removed.length, 'row that is no part of the log'],
    [tiles, 'tile'],
    [entryBundles, 'entry bundle'],
    [heads, 'head'],
  ]
  for (const [count, noun] of counts)
    if (count > 0)
      lines.push(`  ${counted(count, noun)}: ${verb}${noun.startsWith('row that') ? 'removed' : 'written again'}`)
  for (const { logIndex, collection, seq, reason } of lost.slice(0, SHOWN)) {
    const what = seq === undefined ? '' : ` (record ${seq} of collection ${collection})`
    lines.push(`LOST${logIndex === undefined ? '' : ` entry ${logIndex}`}${what}: ${reason}`)
  }
  if (lost.length > SHOWN)
    lines.push(`LOST: ${counted(lost.length - SHOWN, 'entry').replace('entrys', 'entries')} more`)
  return lines
}
