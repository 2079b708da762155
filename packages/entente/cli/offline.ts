import { existsSync, mkdirSync } from 'node:fs'
import { type Anchoring, createAnchoring } from '#notary/anchoring.ts'
import { openErasedTags } from '#notary/erased.ts'
import { openLogKey } from '#notary/key.ts'
import { type Notary, openNotary } from '#notary/notary.ts'
import { StoreError } from '#store/store.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { ApiRootConfig } from '#taxii/context.ts'
import type { Config, Paths } from './config.ts'
import { CliError } from './errors.ts'
import { defaultOrigin, toApiRoots } from './identity.ts'
import { openAnchors } from './ledgers.ts'
import type { Logger } from './serve.ts'

/**
 * Opens the data folder of a server that does not run, as the server would: the log is compared with its ledgers first, and nothing is
 * written where they do not agree. A folder that is empty gets its key and store. To read only, neither lock nor ledger is needed.
 *
 * @throws CliError where the server runs; NotaryError where the log is halted; StoreError, LedgerError
 */
export async function withNotary<T>(
  config: Config,
  paths: Paths,
  log: Logger,
  run: (notary: Notary, apiRoots: ApiRootConfig[]) => Promise<T>,
  readOnly = false,
): Promise<T> {
  const closers: (() => Promise<unknown>)[] = []
  try {
    if (!readOnly) mkdirSync(paths.data, { recursive: true, mode: 0o700 })
    const key = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, !existsSync(paths.store))
    const store = openStore(paths, readOnly)
    closers.push(() => store.close())
    const origin = key.signer.name
    const apiRoots = toApiRoots(config, key.vkey)
    const isRefusing = !readOnly && apiRoots.some(r => r.collections.some(c => c.repost === 'refuse'))
    const erased = isRefusing ? { erased: await openErasedTags(paths.erasedKey, store) } : {}
    const notary = await openNotary({ store, origin, vkey: key.vkey, signer: key.signer, ...erased })
    closers.push(() => notary.close())
    if (readOnly) return await run(notary, apiRoots)
    const anchors = await openAnchors(config, paths, origin)
    closers.push(() => Promise.allSettled(anchors.map(a => a.close())))
    const anchoring = createAnchoring({ notary, anchors, intervalMs: config.anchoring.intervalMs, log })
    closers.push(() => anchoring.close())
    await anchoring.start()
    if (notary.halted) throw notary.halted
    await notary.found(apiRoots.flatMap(r => r.collections.map(c => ({ apiRoot: r.path, id: c.id }))))
    const result = await run(notary, apiRoots)
    await settle(anchoring, notary)
    return result
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** Waits a moment for the ledgers to have what was written. One that is away gets it from the server. */
async function settle(anchoring: Anchoring, notary: Notary): Promise<void> {
  const until = performance.now() + SETTLE_MS
  while (anchoring.states().some(s => s.finalSize < notary.log.size) && performance.now() < until)
    await new Promise(resolve => setTimeout(resolve, 50))
}

const SETTLE_MS = 5000

function openStore(paths: Paths, readOnly: boolean): ReturnType<typeof openSqliteStore> {
  try {
    return openSqliteStore({ path: paths.store, ...(readOnly ? { readOnly } : { create: true }) })
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.code !== 'locked') throw cause
    throw new CliError('no', `a server runs on ${paths.data}: stop it first, and start it again afterwards`, { cause })
  }
}
