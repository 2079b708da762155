import type { Anchoring } from '#notary/anchoring.ts'
import { openLogKey } from '#notary/key.ts'
import { type Notary, openNotary } from '#notary/notary.ts'
import { StoreError } from '#store/store.ts'
import type { ApiRootConfig } from '#taxii/context.ts'
import type { Config, Paths } from './config.ts'
import { CliError } from './errors.ts'
import { defaultOrigin, toApiRoots } from './identity.ts'
import { type Logger, type OpenLog, openLogFolder } from './open-log.ts'
import { openStore } from './stores.ts'

type Run<T> = (notary: Notary, apiRoots: ApiRootConfig[]) => Promise<T>

/**
 * Writes to the log of a server that does not run.
 *
 * @throws CliError where the server runs; NotaryError where the log does not agree with a ledger; StoreError, LedgerError
 */
export async function withNotary<T>(config: Config, paths: Paths, log: Logger, run: Run<T>): Promise<T> {
  const { notary, anchoring, apiRoots, close } = await open(config, paths, log)
  try {
    if (notary.halted) throw notary.halted
    const result = await run(notary, apiRoots)
    await settle(anchoring, notary)
    return result
  } finally {
    await close()
  }
}

/** Reads the log of a data folder, beside a running server too. Nothing can be written: the store was opened to read. */
export async function withReadOnlyNotary<T>(config: Config, paths: Paths, run: Run<T>): Promise<T> {
  const { signer, vkey, keys, first } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  const store = await openStore(config, paths, { readOnly: true })
  try {
    const notary = await openNotary({ store, origin: signer.name, vkey, successions: keys.successions, signer })
    return await run(notary, toApiRoots(config, first))
  } finally {
    await store.close()
  }
}

async function open(config: Config, paths: Paths, log: Logger): Promise<OpenLog> {
  try {
    return await openLogFolder(config, paths, log)
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.code !== 'locked') throw cause
    throw new CliError('no', `a server runs on ${paths.data}: stop it first, and start it again afterwards`, { cause })
  }
}

/** Waits a moment for the ledgers to have what was written. One that is away gets it from the server. */
async function settle(anchoring: Anchoring, notary: Notary): Promise<void> {
  const until = performance.now() + SETTLE_MS
  while (anchoring.states().some(s => s.finalSize < notary.log.size) && performance.now() < until)
    await new Promise(resolve => setTimeout(resolve, 50))
}

const SETTLE_MS = 5000
