import { existsSync, mkdirSync } from 'node:fs'
import type { Anchor } from '#ledger/anchor.ts'
import { type Anchoring, createAnchoring } from '#notary/anchoring.ts'
import { openErasedTags } from '#notary/erased.ts'
import { openLogKey } from '#notary/key.ts'
import type { LedgerState } from '#notary/finality.ts'
import { type Notary, openNotary } from '#notary/notary.ts'
import { createRecording, type Recording, type RecordingOptions } from '#notary/recording.ts'
import { systemRandom } from '#notary/sequence.ts'
import { type Clock, systemClock } from '#notary/time.ts'
import { createWitnessing, type Witnessing } from '#notary/witnessing.ts'
import { openSqliteRecordKeys } from '#store/sqlite/record-keys.ts'
import type { ApiRootConfig, CollectionConfig, TaxiiContext } from '#taxii/context.ts'
import { createHttpWitness } from '#witness/http.ts'
import { toChannels } from './channel-config.ts'
import type { Config, Paths } from './config.ts'
import { defaultOrigin, toApiRoots } from './identity.ts'
import { openAnchors } from './ledgers.ts'
import { isServed, openStore } from './stores.ts'
import { quorumOf } from './witness-config.ts'

export type Logger = TaxiiContext['log']
/** Test hooks: called at the crash points that notary/sequence.ts names. */
export type Fault = (point: string) => void

/** The log of a data folder, for the one process that writes to it. */
export type OpenLog = {
  vkey: string
  /** The log's key, over bytes as they are. */
  sign: (message: Uint8Array) => Uint8Array
  notary: Notary
  anchors: Anchor[]
  /** How far each ledger has come. */
  ledgers: () => LedgerState[]
  anchoring: Anchoring
  /** Where the log has witnesses. */
  witnessing: Witnessing | undefined
  apiRoots: ApiRootConfig[]
  close(): Promise<void>
}

/**
 * Opens store, log and ledgers, and compares them before anything is written: a store that is older than a ledger halts the notary. A folder
 * that is empty gets a key and a store.
 *
 * @throws StoreError (`locked` where another process writes there), NotaryError, LedgerError; nothing is left open then
 */
export async function openLogFolder(
  config: Config,
  paths: Paths,
  log: Logger,
  fault?: Fault,
  clock: Clock = systemClock,
): Promise<OpenLog> {
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const one of closers.splice(0).reverse()) await one()
  }
  try {
    mkdirSync(paths.data, { recursive: true, mode: 0o700 })
    // A key is made for a new folder only: a store without its key is a loss to report, not to paper over.
    const isFolderNew = !isServed(config, paths)
    const store = await openStore(config, paths, { create: true, ...(fault ? { fault } : {}) })
    closers.push(() => store.close())
    const isNew = isFolderNew && (await store.head()) === undefined
    const { signer, vkey } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, isNew)
    const origin = signer.name
    const apiRoots = toApiRoots(config, vkey)
    const alert = (message: string, details: Record<string, unknown>) => log('error', message, details)
    const isRefusing = apiRoots.some(r => r.collections.some(c => c.repost === 'refuse'))
    const erased = isRefusing ? { erased: await openErasedTags(paths.erasedKey, store) } : {}
    const channels = toChannels(config.channels).map(c => c.name)
    const notaryOptions = { store, origin, vkey, signer, clock, clockBounds: config.clock, channels, alert, ...erased }
    const notary = await openNotary(notaryOptions)
    closers.push(() => notary.close())

    const anchors = await openAnchors(config, paths, origin)
    closers.push(() => Promise.allSettled(anchors.map(a => a.close())))
    const collections = apiRoots.flatMap(({ path, collections }) => collections.map(c => ({ apiRoot: path, ...c })))
    const intervals = config.ledgers.flatMap(l => (l.intervalMs === undefined ? [] : [[l.id, l.intervalMs] as const]))
    const schedule = { intervalMs: config.anchoring.intervalMs, ledgers: new Map(intervals), collections }
    const witnessing = openWitnessing(config.log, notary, vkey, log)
    closers.push(async () => witnessing?.close())
    const source = witnessing ? { source: witnessing } : {}
    const anchoring = createAnchoring({ notary, anchors, schedule, log, ...source, ...(fault ? { fault } : {}) })
    closers.push(() => anchoring.close())
    await anchoring.start()
    await witnessing?.start()
    const recording = openRecording(config, paths, { notary, anchors, collections, log })
    closers.push(async () => recording?.close())

    if (!notary.halted) {
      await notary.found(collections.map(({ apiRoot, id }) => ({ apiRoot, id })))
      await recording?.start()
    }
    const ledgers = () => {
      const recorded = recording?.states()
      return anchoring.states().map(state => withRecords(state, recorded?.get(state.ledger)))
    }
    return { vkey, sign: signer.sign, notary, anchors, ledgers, anchoring, witnessing, apiRoots, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A ledger that takes records is behind where either is. */
const withRecords = (
  state: LedgerState,
  recorded: { recordedSize: number; error: string | undefined } | undefined,
): LedgerState =>
  recorded ? { ...state, recordedSize: recorded.recordedSize, error: state.error ?? recorded.error } : state

function openRecording(
  config: Config,
  paths: Paths,
  options: Pick<RecordingOptions, 'notary' | 'anchors' | 'log'> & {
    collections: (CollectionConfig & { apiRoot: string })[]
  },
): Recording | undefined {
  const collections = options.collections.filter(c => c.record === 'full')
  // Keys that are there are followed on: what is erased must lose them, also when nothing new is recorded.
  if (collections.length === 0 && !existsSync(paths.recordKeys)) return undefined
  const keys = openSqliteRecordKeys({ path: paths.recordKeys })
  const { intervalMs } = config.anchoring
  return createRecording({ ...options, collections, keys, intervalMs, random: systemRandom })
}

function openWitnessing(config: Config['log'], notary: Notary, vkey: string, log: Logger): Witnessing | undefined {
  const { witnesses, witnessIntervalMs: intervalMs, witnessTimeoutMs: timeoutMs } = config
  if (witnesses.length === 0) return undefined
  const links = witnesses.map(witness => createHttpWitness({ ...witness, timeoutMs }))
  return createWitnessing({ notary, vkey, witnesses: links, quorum: quorumOf(config), intervalMs, log })
}
