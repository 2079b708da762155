import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { JsonError, parseStrict } from '@entente/verify/json'
import type { Notary } from '#notary/notary.ts'
import { systemClock } from '#notary/time.ts'
import type { ApiRootConfig, CollectionConfig } from '#taxii/context.ts'
import type { Args } from '../commands.ts'
import { type Config, loadConfig, type Paths } from '../config.ts'
import { CliError, EXIT } from '../errors.ts'
import { configure } from '../medallion-config.ts'
import { readMedallionDatabases } from '../medallion-mongodb.ts'
import { type MedallionData, readMedallion, type Refused } from '../medallion.ts'
import { findMongoUrl } from '../mongodb-url.ts'
import { isServed } from '../stores.ts'
import { withNotary, withReadOnlyNotary } from '../offline.ts'
import { dataFolder } from '../options.ts'
import { openOutput } from '../output.ts'
import { counted, note, print } from '../print.ts'
import { createProgress } from '../progress.ts'
import { type Taken, takeCollection, takeStatuses } from '../take-medallion.ts'
import { isSet, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
const USAGE = 'import medallion FILE|URL [--data DIR] [--config FILE] [--dry-run]'
const POLICIES = ['strict', 'standard', 'permissive'] as const
type Policy = (typeof POLICIES)[number]
/** A data file is read as a whole, as medallion does. */
const MAX_FILE_BYTES = 402_653_184
/** Levels of a data file around an object, and those that an object may have. */
const MAX_DEPTH = 72
/** Refusals that text shows; JSON has all. */
const SHOWN = 50
const USERS =
  'users are not in it: medallion keeps them in its configuration, and their passwords can\'t be taken over. Make them anew: "entente user add NAME"'

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
  const [kind, from = ''] = positionals(given, ['medallion', 'FILE|URL'], USAGE)
  if (kind !== 'medallion') throw new CliError('usage', `"${kind}": medallion is known\nUsage: entente ${USAGE}`)
  const policy = (textOf(values, 'validation') ?? 'permissive') as Policy
  if (!POLICIES.includes(policy))
    throw new CliError('usage', `--validation is "${policy}": ${POLICIES.join(', ')} are known`)
  const isDry = isSet(values, 'dry-run')
  const url = findMongoUrl(from)
  if (url === undefined) return take(readMedallion(parseFile(from), from), policy, isDry, values)
  // Only who has such a database loads its driver.
  const { openForeignDatabases } = await import('#store/mongodb/foreign.ts')
  const databases = await openForeignDatabases(url)
  try {
    const { config } = loadConfig({ file: existing(configFile(values)), data: dataFolder(values), env: process.env })
    const since = systemClock() - config.server.statusHours * 3600e6
    return await take(await readMedallionDatabases(databases, since), policy, isDry, values)
  } finally {
    await databases.close()
  }
}

const configFile = (values: Values): string => textOf(values, 'config') ?? join(dataFolder(values), 'entente.yaml')
const existing = (file: string): string | undefined => (existsSync(file) ? file : undefined)

async function take(data: MedallionData, policy: Policy, isDry: boolean, values: Values): Promise<number> {
  const out = configFile(values)
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
      const taking = { notary, policy, isDry, refused: summary.refused, progress }
      for (const root of data.roots) {
        const rules = apiRoots.find(r => r.path === root.path) as ApiRootConfig
        for (const collection of root.collections) {
          const own = rules.collections.find(c => c.id === collection.id) as CollectionConfig
          summary.collections.push(await takeCollection(taking, root, collection, own))
        }
        const { imported, present } = await takeStatuses(taking, root)
        summary.statuses.imported += imported
        summary.statuses.present += present
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
  if (isServed(config, paths)) return withReadOnlyNotary(config, paths, run)
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
