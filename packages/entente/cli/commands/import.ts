import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { canonicalize, JsonError, parseStrict } from '@entente/verify/json'
import { type ImportedObject, importObjects, importStatuses, planImport, spreadDates } from '#notary/import.ts'
import type { Notary } from '#notary/notary.ts'
import type { StatusRow } from '#store/store.ts'
import type { ApiRootConfig, CollectionConfig } from '#taxii/context.ts'
import { readEnvelope } from '#taxii/intake.ts'
import type { Args } from '../commands.ts'
import { type Config, loadConfig, type Paths } from '../config.ts'
import { CliError, EXIT } from '../errors.ts'
import { configure } from '../medallion-config.ts'
import { type MedallionCollection, type MedallionRoot, readMedallion, type Refused } from '../medallion.ts'
import { withNotary, withReadOnlyNotary } from '../offline.ts'
import { dataFolder } from '../options.ts'
import { openOutput } from '../output.ts'
import { counted, note, print } from '../print.ts'
import { createProgress, type Progress } from '../progress.ts'
import { isSet, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
const USAGE = 'import medallion FILE [--data DIR] [--config FILE] [--dry-run]'
const POLICIES = ['strict', 'standard', 'permissive'] as const
type Policy = (typeof POLICIES)[number]
/** A data file is read as a whole, as medallion does. */
const MAX_FILE_BYTES = 402_653_184
/** Levels of a data file around an object, and those that an object may have. */
const MAX_DEPTH = 72
const MAX_OBJECT_BYTES = 104_857_600
/** Who submitted the records, as far as this log knows. */
const SUBMITTER = 'import'
/** Refusals that text shows; JSON has all. */
const SHOWN = 50
const USERS =
  'users are not in this file: medallion keeps them in its configuration, and their passwords can\'t be taken over. Make them anew: "entente user add NAME"'

type Taken = {
  api_root: string
  id: string
  title: string
  objects: number
  imported: number
  present: number
  refused: number
}
type Summary = {
  ok: boolean
  dry_run: boolean
  config: { file: string; changed: boolean }
  api_roots: number
  collections: Taken[]
  statuses: { imported: number; present: number }
  refused: Refused[]
  remarks: string[]
}

/** Takes over what another TAXII server holds, while this one stands: its configuration first, then its objects with their dates. */
export async function run({ values, positionals: given }: Args): Promise<number> {
  const [kind, file = ''] = positionals(given, ['medallion', 'FILE'], USAGE)
  if (kind !== 'medallion') throw new CliError('usage', `"${kind}": medallion is known\nUsage: entente ${USAGE}`)
  const policy = (textOf(values, 'validation') ?? 'permissive') as Policy
  if (!POLICIES.includes(policy))
    throw new CliError('usage', `--validation is "${policy}": ${POLICIES.join(', ')} are known`)
  const isDry = isSet(values, 'dry-run')
  const data = readMedallion(parseFile(file), file)
  const out = textOf(values, 'config') ?? join(dataFolder(values), 'entente.yaml')
  const before = existsSync(out) ? readFileSync(out, 'utf8') : undefined
  const { text, isChanged } = configure(data, before)
  const { config, paths } = checkConfig(text, out, dataFolder(values))
  const progress = createProgress(isSet(values, 'json'))
  try {
    const summary: Summary = {
      ok: true,
      dry_run: isDry,
      config: { file: out, changed: isChanged },
      api_roots: data.roots.length,
      collections: [],
      statuses: { imported: 0, present: 0 },
      refused: data.refused,
      remarks: [...data.remarks, USERS],
    }
    if (!isDry && isChanged) await save(out, text)
    await within(isDry, config, paths, async (notary, apiRoots) => {
      for (const root of data.roots) {
        const known = apiRoots.find(r => r.path === root.path) as ApiRootConfig
        for (const collection of root.collections) {
          const target = {
            root,
            known,
            collection,
            config: known.collections.find(c => c.id === collection.id) as CollectionConfig,
          }
          summary.collections.push(await takeCollection(notary, target, policy, isDry, summary.refused, progress))
        }
        await takeStatuses(notary, root, isDry, summary)
      }
    })
    progress.end()
    summary.ok = summary.refused.length === 0
    print(isSet(values, 'json'), summary, () => toLines(summary, values))
    return summary.ok ? EXIT.yes : EXIT.no
  } finally {
    progress.end()
  }
}

function parseFile(file: string): unknown {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (cause) {
    throw new CliError('usage', (cause as Error).message, { cause })
  }
  try {
    return parseStrict(bytes, { maxBytes: MAX_FILE_BYTES, maxDepth: MAX_DEPTH })
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new CliError('usage', `${file}: ${cause.message}`, { cause })
  }
}

/** What is written must be a configuration that a server starts with. */
function checkConfig(text: string, out: string, data: string): { config: Config; paths: Paths } {
  const folder = mkdtempSync(join(tmpdir(), 'entente-import-'))
  try {
    const file = join(folder, 'entente.yaml')
    writeFileSync(file, text)
    const { config, paths } = loadConfig({ file, data, env: process.env })
    // Relative paths in it are relative to where it will lie.
    return {
      config,
      paths: existsSync(out)
        ? loadConfig({ file: out, data, env: process.env }).paths
        : { ...paths, base: dirname(out) },
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function save(file: string, text: string): Promise<void> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const output = openOutput(file)
  await output.write(text)
  output.commit()
}

/** A dry run into a folder that holds nothing yet is one into a folder that is thrown away. */
async function within(
  isDry: boolean,
  config: Config,
  paths: Paths,
  run: (notary: Notary, apiRoots: ApiRootConfig[]) => Promise<void>,
): Promise<void> {
  if (!isDry) return withNotary(config, paths, log, run)
  if (existsSync(paths.store)) return withReadOnlyNotary(config, paths, run)
  const folder = mkdtempSync(join(tmpdir(), 'entente-import-'))
  try {
    const { paths: thrownAway } = loadConfig({ data: folder, env: {} })
    await withNotary({ ...config, ledgers: [] }, thrownAway, log, run)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const log = (level: string, message: string): void => {
  if (level === 'error') note(`entente import: ${message}`)
}

type CollectionTarget = {
  root: MedallionRoot
  known: ApiRootConfig
  collection: MedallionCollection
  config: CollectionConfig
}

async function takeCollection(
  notary: Notary,
  { root, collection, config }: CollectionTarget,
  policy: Policy,
  isDry: boolean,
  refused: Refused[],
  progress: Progress,
): Promise<Taken> {
  const where = `${root.path}collections/${collection.id}/`
  const before = refused.length
  const found = notary.collection(root.path, collection.id)
  const objects = await judge(notary, found?.number, collection, policy, where, refused, progress)
  const plan = await planImport(notary, found?.number, objects)
  refused.push(
    ...plan.refused.map(({ object, reason }) => ({ where, id: object.id, version: object.version ?? 'none', reason })),
  )
  if (!isDry && found) {
    const { onConflict, repost } = config
    const target = { collection: found.number, apiRoot: root.path, submitter: SUBMITTER, onConflict, repost }
    const failed = await importObjects(notary, target, plan.store, done =>
      progress.update(done, plan.store.length, `objects of ${collection.title}`),
    )
    refused.push(...failed.map(({ id, version, message = 'refused' }) => ({ where, id, version, reason: message })))
  }
  const counts = { objects: collection.objects.length, present: plan.present, refused: refused.length - before }
  const imported = counts.objects - counts.present - counts.refused
  return { api_root: root.path, id: collection.id, title: collection.title, ...counts, imported }
}

/** Holds every object against STIX as an envelope of one; what it refers to may be anything in the file or the store. */
async function judge(
  notary: Notary,
  number: number | undefined,
  collection: MedallionCollection,
  policy: Policy,
  where: string,
  refused: Refused[],
  progress: Progress,
): Promise<ImportedObject[]> {
  const own = new Set(collection.objects.map(({ object }) => object['id']))
  const known = async (ids: string[]) => {
    const there = new Set<string>()
    for (const id of ids) {
      const isThere = own.has(id) || (number !== undefined && (await notary.store.versions(number, id)).length > 0)
      if (isThere) there.add(id)
    }
    return there
  }
  const dates = spreadDates(collection.objects.map(o => o.added))
  const objects: ImportedObject[] = []
  for (const [i, { object }] of collection.objects.entries()) {
    progress.update(i, collection.objects.length, `objects of ${collection.title} checked`)
    const body = Buffer.from(`{"objects":[${canonicalize(object)}]}`)
    const {
      objects: [one],
      failed,
    } = await readEnvelope(body, { maxBytes: MAX_OBJECT_BYTES, policy, isStix: false, known })
    if (one) objects.push({ ...one, imported: dates[i] as number })
    else
      refused.push(...failed.map(({ id, version, message = 'refused' }) => ({ where, id, version, reason: message })))
  }
  return objects
}

/** A status is of an API root there, and of a collection here: of the one that has what it names. */
async function takeStatuses(notary: Notary, root: MedallionRoot, isDry: boolean, summary: Summary): Promise<void> {
  const rows: Omit<StatusRow, 'size' | 'receipt'>[] = []
  for (const { id, requested, successes, failures, pendings } of root.statuses) {
    const details = [...successes, ...pendings]
    const collection = await findCollection(
      notary,
      root,
      details.map(d => d.id),
    )
    if (!collection) {
      summary.refused.push({ where: `${root.path}status/`, id, reason: 'its API root has no collection to keep it in' })
      continue
    }
    const accepted = [...successes]
    const failed = [...failures]
    for (const pending of pendings) {
      const isThere = (await notary.store.versions(collection, pending.id)).length > 0
      if (isThere) accepted.push(pending)
      else failed.push({ ...pending, message: 'it was pending on the server that it came from, and was not there' })
    }
    rows.push({ id, apiRoot: root.path, collection, submitter: SUBMITTER, requested, accepted, failed })
  }
  const present = []
  for (const row of rows) if (await notary.store.status(row.id)) present.push(row)
  const imported = isDry ? rows.length - present.length : await importStatuses(notary, rows)
  summary.statuses.imported += imported
  summary.statuses.present += present.length
}

async function findCollection(notary: Notary, root: MedallionRoot, ids: string[]): Promise<number | undefined> {
  const numbers = root.collections.flatMap(c => notary.collection(root.path, c.id)?.number ?? [])
  for (const id of ids) {
    for (const number of numbers) if ((await notary.store.versions(number, id)).length > 0) return number
  }
  return numbers[0]
}

function toLines(s: Summary, values: Values): string[] {
  const would = s.dry_run ? 'would be ' : ''
  return [
    `${counted(s.api_roots, 'API root')}, ${counted(s.collections.length, 'collection')}`,
    ...s.collections.map(
      c =>
        `  ${c.api_root}collections/${c.id}/ "${c.title}": ${counted(c.objects, 'object')}: ${c.imported.toLocaleString('en-US')} ${would}imported, ${c.present.toLocaleString('en-US')} there before, ${c.refused.toLocaleString('en-US')} refused`,
    ),
    `  statuses: ${s.statuses.imported} ${would}imported, ${s.statuses.present} there before`,
    ...s.refused
      .slice(0, SHOWN)
      .map(r => `  refused: ${r.where} ${r.id}${r.version === undefined ? '' : ` ${r.version}`}: ${r.reason}`),
    ...(s.refused.length > SHOWN ? [`  … and ${s.refused.length - SHOWN} more (--json shows all)`] : []),
    ...s.remarks.map(r => `  remark: ${r}`),
    s.dry_run
      ? `nothing was written; the configuration ${s.config.changed ? 'would be written to' : 'would stay as it is in'} ${s.config.file}`
      : `configuration ${s.config.changed ? 'in' : 'unchanged in'} ${s.config.file}; start the server with: entente serve --data ${dataFolder(values)} --config ${s.config.file}`,
  ]
}
