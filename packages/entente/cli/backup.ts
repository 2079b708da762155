import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { collectionKey } from '@entente/verify/proof'
import { parseCheckpoint, parseNote } from '@entente/verify/tlog'
import type { AuditReport } from '#notary/audit.ts'
import { openErasedTags } from '#notary/erased.ts'
import { historyOf, type LogKey, oldKeyFile, openLogKey } from '#notary/key.ts'
import { repair, type RepairReport } from '#notary/repair.ts'
import { copySqlite } from '#store/sqlite/copy.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { Store } from '#store/store.ts'
import { auditStore, type Uncompared } from './audit-anchors.ts'
import { type Config, loadConfig, type Paths } from './config.ts'
import { copyPieces, copyStore } from './copy-store.ts'
import { CliError } from './errors.ts'
import { defaultOrigin, toApiRoots } from './identity.ts'
import { ledgerFolder } from './ledgers.ts'
import type { Progress } from './progress.ts'
import type { OpenSource } from './repair-sources.ts'
import { openStore } from './stores.ts'
import { beginNewLog, checkNewLog, type NewLog } from './new-log.ts'
import { sync } from './sync.ts'

/** `backup.json` in a backup. */
export type Manifest = {
  format: 'entente/backup/v1'
  created: string
  origin: string
  vkey: string
  /** Of the log, with its signed checkpoint. */
  size: number
  checkpoint: string
  files: { name: string; bytes: number; sha256: string }[]
}

export const MANIFEST = 'backup.json'
const CONFIG = 'entente.yaml'
const STORE = 'store.db'
/** Where the embedded ledger `id` lies in a backup. */
const ledgerIn = (id: string): string => `ledger-${id}`

/**
 * Copies a data folder beside its running server. The ledgers come first: what is anchored meanwhile is in the store's copy then, and never is a ledger
 * ahead of it. A store in MongoDB is copied into a file, as it is at one moment. The folder appears under its name only once it is whole.
 *
 * @throws CliError `usage` where `to` is there already; StoreError
 */
export async function makeBackup(
  config: Config,
  paths: Paths,
  to: string,
  configFile: string | undefined,
  progress: Progress,
): Promise<Manifest> {
  const staging = stage(to)
  try {
    for (const ledger of config.ledgers) {
      if (ledger.kind !== 'embedded') continue
      const from = ledgerFolder(ledger, paths)
      if (!existsSync(join(from, 'ledger.db'))) continue
      const into = join(staging, ledgerIn(ledger.id))
      mkdirSync(into, { mode: 0o700 })
      copySqlite(join(from, 'ledger.db'), join(into, 'ledger.db'))
      for (const name of readdirSync(from)) if (name.endsWith('.key')) copySecret(join(from, name), join(into, name))
    }
    // Older than the store: what is missing is made up for when they are followed on.
    if (existsSync(paths.recordKeys)) copySqlite(paths.recordKeys, join(staging, basename(paths.recordKeys)))
    for (const file of [paths.sent, paths.reads]) if (existsSync(file)) copySqlite(file, join(staging, basename(file)))
    if (config.store.kind === 'sqlite') copySqlite(paths.store, join(staging, STORE))
    else await copyIntoFile(config, paths, join(staging, STORE), progress)
    // Keys last: one that the store's copy needs was there before it.
    copySecret(paths.logKey, join(staging, 'log.key'))
    for (const file of [paths.erasedKey, paths.users, paths.adminPassword])
      if (existsSync(file)) copySecret(file, join(staging, basename(file)))
    if (configFile !== undefined) copySecret(configFile, join(staging, CONFIG))

    const manifest = await describe(staging, config)
    writeFileSync(join(staging, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
    sync(join(staging, MANIFEST))
    publish(staging, to)
    return manifest
  } catch (error) {
    rmSync(staging, { recursive: true, force: true })
    throw error
  }
}

async function copyIntoFile(config: Config, paths: Paths, to: string, progress: Progress): Promise<void> {
  const source = await openStore(config, paths, { readOnly: true })
  try {
    const target = openSqliteStore({ path: to, create: true })
    try {
      await copyPieces(source, target, progress)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
  rmSync(`${to}.lock`, { force: true })
  chmodSync(to, 0o600)
  sync(to)
}

async function describe(folder: string, config: Config): Promise<Manifest> {
  const { vkey, signer } = openLogKey(join(folder, 'log.key'), config.log.origin ?? defaultOrigin, false)
  const store = openSqliteStore({ path: join(folder, STORE), readOnly: true })
  const head = await store.head()
  await store.close()
  if (!head) throw new CliError('no', 'the store has no checkpoint yet: start the server once')
  return {
    format: 'entente/backup/v1',
    created: new Date().toISOString(),
    origin: signer.name,
    vkey,
    size: head.size,
    checkpoint: head.note,
    files: listFiles(folder).map(name => ({ name, ...digest(join(folder, name)) })),
  }
}

/**
 * The manifest of a backup whose files are all there and unchanged.
 *
 * @throws CliError `evidence` that names the file
 */
export function readBackup(folder: string): Manifest {
  const file = join(folder, MANIFEST)
  if (!existsSync(file)) throw new CliError('usage', `${folder} is no backup: it has no ${MANIFEST}`)
  let manifest: Manifest
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest
    if (manifest.format !== 'entente/backup/v1' || !Array.isArray(manifest.files)) throw new Error('another format')
  } catch (cause) {
    throw new CliError('evidence', `${file}: ${(cause as Error).message}`, { cause })
  }
  const listed = new Map(manifest.files.map(f => [f.name, f]))
  const strange = listFiles(folder).find(name => !listed.has(name))
  if (strange !== undefined)
    throw new CliError('evidence', `${join(folder, strange)} is not in ${MANIFEST}: something was added to this backup`)
  for (const { name, bytes, sha256 } of manifest.files) {
    const path = join(folder, name)
    const is = existsSync(path) ? digest(path) : undefined
    if (is?.sha256 !== sha256)
      throw new CliError(
        'evidence',
        is
          ? `${path} is not what was backed up: SHA-256 ${is.sha256} (${is.bytes} bytes), ${MANIFEST} says ${sha256} (${bytes} bytes)`
          : `${path} is missing from this backup`,
      )
  }
  return manifest
}

/** What the configuration and paths of a backup's own folder are, where every store is a file. `file`: another configuration than the backup's. */
export function configOf(folder: string, file?: string): { config: Config; paths: Paths } {
  const own = join(folder, CONFIG)
  const { config, paths } = loadConfig({
    file: file ?? (existsSync(own) ? own : undefined),
    data: folder,
    env: process.env,
  })
  return {
    config: { ...config, store: { kind: 'sqlite', database: config.store.database } },
    paths: { ...paths, logKey: join(folder, 'log.key'), store: join(folder, STORE) },
  }
}

/** The embedded ledgers of a backup where they lie in it. */
export const withLedgersIn = (config: Config, folder: string): Config => ({
  ...config,
  ledgers: config.ledgers.map(l => (l.kind === 'embedded' ? { ...l, path: resolve(folder, ledgerIn(l.id)) } : l)),
})

/** Audits a store and compares it with ledgers; nothing is written. */
export async function auditFolder(
  config: Config,
  paths: Paths,
  progress: Progress,
): Promise<{ report: AuditReport; uncompared: Uncompared[] }> {
  const { vkey } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  const store = await openStore(config, paths, { readOnly: true })
  try {
    return await auditStore(store, vkey, { config, paths }, progress)
  } finally {
    await store.close()
  }
}

/**
 * What {@link restoreBackup} made of a backup. `ledgers`: those that were there already, and were left as they are. `forward`: what newer copies of the log have
 * added and erased, where any were named.
 */
export type Restored = {
  manifest: Manifest
  size: number
  report: AuditReport
  uncompared: Uncompared[]
  ledgers: string[]
  forward: { added: number; erased: number } | undefined
  newLog: NewLog | undefined
}

export type RestoreOptions = {
  from: string
  data: string
  configFile: string | undefined
  newer: OpenSource[]
  /** Origin of the log as which it goes on, where nothing is left of what came after the backup. */
  newLog?: string | undefined
  progress: Progress
  /** For tests. */
  fault?: (point: string) => void
}

/**
 * Puts a backup into an empty folder, and into a database that holds no log where the configuration names one, after it was audited where it will lie, against
 * the ledgers as they are now. Newer copies of the log bring it to where they are: what they have of later records is added, and what they say is
 * erased is erased, before anybody can be served. Where a ledger is ahead all the same, the log has ended, and what there is can go on as another one (`newLog`).
 *
 * @throws CliError `usage` where the folder is not empty, `evidence` where the backup is damaged or a ledger is ahead of it; nothing is left then
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { from, data, configFile, newer, progress, fault } = options
  const manifest = readBackup(from)
  const staging = stage(data)
  try {
    for (const { name } of manifest.files) {
      mkdirSync(dirname(join(staging, name)), { recursive: true, mode: 0o700 })
      copySecret(join(from, name), join(staging, name))
    }
    const { config, paths } = configOf(staging, configFile)
    const { config: own, paths: target } = loadConfig({
      file: configFile ?? existing(join(staging, CONFIG)),
      data,
      env: process.env,
    })
    const isInData = resolve(target.logKey) === resolve(data, 'log.key')
    if (options.newLog !== undefined) checkNewLog(options.newLog, manifest.origin, own, target, isInData)
    const ledgers: string[] = []
    const compared = structuredClone(config)
    compared.log.origin = manifest.origin
    const moves: [string, string][] = []
    for (const [i, ledger] of config.ledgers.entries()) {
      if (ledger.kind !== 'embedded') continue
      const place = ledgerFolder(ledger, { ...target, data: resolve(data) })
      if (existsSync(join(place, 'ledger.db'))) {
        // It outlived the store, on its own disk: the judge of whether the store is new enough.
        compared.ledgers[i] = { ...ledger, path: place }
        ledgers.push(ledger.id)
        rmSync(join(staging, ledgerIn(ledger.id)), { recursive: true, force: true })
      } else {
        compared.ledgers[i] = { ...ledger, path: join(staging, ledgerIn(ledger.id)) }
        moves.push([join(staging, ledgerIn(ledger.id)), place])
      }
    }
    const forward = newer.length > 0 ? await goForward(compared, paths, newer, from, progress) : undefined
    let { report, uncompared } = await auditFolder(compared, paths, progress)
    const ahead = report.ledgers.filter(l => l.size > report.size)
    const isEnding = options.newLog !== undefined && report.ledgers.every(l => l.ok || ahead.includes(l))
    const behind = report.problems.find(p => p.kind === 'ledger')
    if (behind && !isEnding)
      throw new CliError(
        'evidence',
        `${behind.message}. A store that is put back must be at least as new as the newest anchor: restore a newer backup, name what is left of the newer store with --newer, or mend that with this backup ("entente repair --from ${from}"). If nothing newer is left, this log has ended, and what is in the backup goes on as another one: --new-log ORIGIN (docs/operating.md, "A log that ends")`,
      )
    const problem = report.problems.find(p => !isEnding || p.kind !== 'ledger')
    if (problem)
      throw new CliError(
        'evidence',
        `the backup does not pass the audit (${report.problems.length} problems): ${problem.message}. Restore another one, or "entente repair" a copy of this one`,
      )
    const keyFile = `${resolve(data)}.new-log.key`
    let newLog: NewLog | undefined
    if (options.newLog !== undefined) {
      const last = Math.max(...ahead.map(l => l.size), report.size)
      const named = {
        origin: options.newLog,
        old: manifest.origin,
        keyFile,
        last,
        progress,
        ...(fault ? { fault } : {}),
      }
      if (own.store.kind !== 'sqlite') await requireRoom(own, target, options.newLog)
      newLog = await beginNewLog({ config: compared, paths }, named)
      compared.log.origin = newLog.origin
      ;({ report, uncompared } = await auditFolder(compared, paths, progress))
      const [wrong] = report.problems
      if (wrong) throw new CliError('evidence', `the new log does not pass the audit: ${wrong.message}`)
      fault?.('N3')
    }
    for (const [made, place] of moves) {
      if (!existsSync(made)) continue
      const inData = resolve(place).startsWith(`${resolve(data)}/`)
      const to = inData ? join(staging, resolve(place).slice(resolve(data).length + 1)) : place
      mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
      for (const end of ['.lock', '-wal', '-shm']) rmSync(join(made, `ledger.db${end}`), { force: true })
      renameSync(made, to)
    }
    if (own.store.kind !== 'sqlite')
      await moveIntoDatabase(own, target, join(staging, STORE), newLog?.vkey ?? manifest.vkey, progress)
    if (!isInData && !existsSync(target.logKey)) copySecret(join(staging, 'log.key'), target.logKey)
    publish(staging, data)
    if (newLog) rmSync(keyFile)
    return { manifest, size: report.size, report, uncompared, ledgers, forward, newLog }
  } catch (error) {
    rmSync(staging, { recursive: true, force: true })
    throw error
  }
}

/** @throws CliError `evidence` where a record of the newer log is in none of the copies: it may be the deletion of one that is in the backup */
async function goForward(
  config: Config,
  paths: Paths,
  sources: OpenSource[],
  from: string,
  progress: Progress,
): Promise<{ added: number; erased: number }> {
  const { vkey, first: firstKey } = takeNewestKey(paths.logKey, config.log.origin as string, sources)
  const store = openSqliteStore({ path: paths.store })
  try {
    const before = (await store.head())?.size ?? 0
    const { lost, restored, erased, size } = await repair({
      store,
      vkey,
      successions: historyOf(paths.logKey),
      sources,
      progress: (done, total, what) => progress.update(done, total, what),
    })
    const [first] = lost
    if (first)
      throw new CliError(
        'evidence',
        `the log is at size ${size} in what --newer names, the backup at ${before}, and ${lost.length} of its records are in no copy (the first: entry ${first.logIndex ?? 'unknown'}): ${first.reason}. A record that is lost may be a deletion: name more copies with --newer`,
      )
    if (erased.length > 0) await tagErased(config, paths, store, firstKey, erased, from)
    return { added: restored.filter(r => r.logIndex >= before).length, erased: erased.length }
  } finally {
    await store.close()
    rmSync(`${paths.store}.lock`, { force: true })
  }
}

/** The log's key may have been followed by others after the backup: what those have signed is gone on with by them alone. */
function takeNewestKey(file: string, origin: string, sources: OpenSource[]): LogKey {
  let own = openLogKey(file, origin, false)
  for (const { keyFile } of sources) {
    const other = keyFile === undefined ? undefined : attemptKey(keyFile, origin)
    if (keyFile === undefined || !other?.keys.vkeys.slice(0, -1).includes(own.vkey)) continue
    copySecret(keyFile, file)
    if (existsSync(oldKeyFile(keyFile))) copySecret(oldKeyFile(keyFile), oldKeyFile(file))
    own = openLogKey(file, origin, false)
  }
  return own
}

function attemptKey(file: string, origin: string): LogKey | undefined {
  try {
    return openLogKey(file, origin, false)
  } catch {
    return undefined // damaged, or of another log
  }
}

/**
 * Collections that refuse what was erased refuse this too. What it was only the backup knows. Whether all of an object was asked for to be erased nobody knows: it
 * is taken to be so where nothing of it is left.
 */
async function tagErased(
  config: Config,
  paths: Paths,
  store: Store,
  firstKey: string,
  erased: RepairReport['erased'],
  backup: string,
): Promise<void> {
  const refusing = new Map(
    toApiRoots(config, firstKey).flatMap(({ path, collections }) =>
      collections.filter(c => c.repost === 'refuse').map(c => [c.id, collectionKey(path, c.id)]),
    ),
  )
  const tags: Uint8Array[] = []
  const original = openSqliteStore({ path: join(backup, STORE), readOnly: true })
  try {
    for (const { collection, logIndex } of erased) {
      const [key, row] = [refusing.get(collection), await original.recordAt(logIndex)]
      if (!key || !row || row.id === null || row.version === null) continue
      const made = await openErasedTags(paths.erasedKey, store)
      const isWhole = (await store.versions(row.collection, row.id)).length === 0
      tags.push(made.check, isWhole ? made.tag(key, row.id) : made.tag(key, row.id, row.version))
    }
  } finally {
    await original.close()
  }
  if (tags.length > 0) await store.take({ erasedTags: tags })
}

/** Before a log is ended, which can't be taken back: the database holds none, or what an earlier run that was cut off has put there. */
async function requireRoom(config: Config, paths: Paths, origin: string): Promise<void> {
  const target = await openStore(config, paths, { create: true })
  try {
    const head = await target.head()
    if (head && parseCheckpoint(parseNote(head.note).text).origin !== origin)
      throw new CliError(
        'no',
        `the database "${config.store.database}" already holds a log, at size ${head.size}: name another one`,
      )
  } finally {
    await target.close()
  }
}

/** The file goes once the database has all of it. A restore that was cut off after that finds the same log there, and goes on. */
async function moveIntoDatabase(
  config: Config,
  paths: Paths,
  file: string,
  vkey: string,
  progress: Progress,
): Promise<void> {
  const place = `the database "${config.store.database}"`
  const source = openSqliteStore({ path: file })
  try {
    const target = await openStore(config, paths, { create: true })
    try {
      const [head, there] = [await source.head(), await target.head()]
      if (there?.note !== head?.note) {
        const { problems } = await copyStore(source, target, { vkey, place, progress })
        if (problems[0])
          throw new CliError('evidence', `${place} does not hold what was copied: ${problems[0].message}`)
      }
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
  for (const end of ['', '.lock', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
}

const existing = (file: string): string | undefined => (existsSync(file) ? file : undefined)

/** A folder beside `to`, which becomes it. */
function stage(to: string): string {
  if (existsSync(to) && (!statSync(to).isDirectory() || readdirSync(to).length > 0))
    throw new CliError('usage', `${to} is there already and not empty: name a new folder`)
  const staging = `${resolve(to)}.part`
  rmSync(staging, { recursive: true, force: true }) // of one that was cut off
  try {
    mkdirSync(staging, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new CliError('usage', `${staging} can't be made: ${(cause as Error).message}`, { cause })
  }
  return staging
}

function publish(staging: string, to: string): void {
  for (const name of listFolders(staging)) sync(join(staging, name))
  sync(staging)
  renameSync(staging, to)
  sync(dirname(resolve(to)))
}

function copySecret(from: string, to: string): void {
  copyFileSync(from, to)
  chmodSync(to, 0o600)
  sync(to)
}

const isDirectory = (path: string): boolean => statSync(path).isDirectory()
const listFolders = (folder: string): string[] => readdirSync(folder).filter(name => isDirectory(join(folder, name)))

/** Names of all files but the manifest, and what SQLite leaves beside a database that is read. */
function listFiles(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    name => !isDirectory(join(folder, name)),
  )
  return files.filter(name => name !== MANIFEST && !/\.db-(?:wal|shm)$/.test(name)).sort()
}

function digest(path: string): { bytes: number; sha256: string } {
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(1024 * 1024)
  const fd = openSync(path, 'r')
  let bytes = 0
  try {
    for (;;) {
      const read = readSync(fd, buffer, 0, buffer.length, null)
      if (read === 0) break
      hash.update(buffer.subarray(0, read))
      bytes += read
    }
  } finally {
    closeSync(fd)
  }
  return { bytes, sha256: hash.digest('hex') }
}
