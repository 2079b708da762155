import { existsSync, mkdirSync } from 'node:fs'
import type { LogKeys } from '@entente/verify/proof'
import type { Member } from '#cluster/member.ts'
import type { Anchor } from '#ledger/anchor.ts'
import { type Anchoring, createAnchoring } from '#notary/anchoring.ts'
import { openErasedTags } from '#notary/erased.ts'
import { openLogKey } from '#notary/key.ts'
import { finishRotation } from '#notary/rotate.ts'
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
import { CliError } from './errors.ts'
import { openAnchors, openSharedAnchors } from './ledgers.ts'
import { isServed, openStore } from './stores.ts'
import { quorumOf } from './witness-config.ts'

export type Logger = TaxiiContext['log']
/** Test hooks: called at the crash points that notary/sequence.ts names. */
export type Fault = (point: string) => void

/** The log of a data folder, for the one process that writes to it. */
export type OpenLog = {
  vkey: string
  /** All keys that the log has had. */
  keys: LogKeys
  /** The statements by which it went on from logs that had ended, the oldest first. */
  continuations: readonly string[]
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
  /** Beside others: anchors and witnesses go on as it is this server's turn or not. */
  turn(): Promise<void>
  /** Beside others: reads what another has anchored, and got of the witnesses. */
  look(): Promise<void>
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
  options: { fault?: Fault | undefined; clock?: Clock | undefined; member?: Member | undefined } = {},
): Promise<OpenLog> {
  const { fault, clock = systemClock, member } = options
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const one of closers.splice(0).reverse()) await one()
  }
  try {
    mkdirSync(paths.data, { recursive: true, mode: 0o700 })
    // A key is made for a new folder only: a store without its key is a loss to report, not to paper over.
    const isFolderNew = !member && !isServed(config, paths)
    const isShared = member !== undefined
    const store = await openStore(config, paths, { create: true, isShared, ...(fault ? { fault } : {}) })
    closers.push(() => store.close())
    const isNew = isFolderNew && (await store.head()) === undefined
    if (finishRotation(paths.logKey, config.log.origin ?? defaultOrigin, await store.head()))
      log('warn', "a rotation of the log's key was cut off and is complete now", { key: paths.logKey })
    const { signer, vkey, keys, first, continuations } = openLogKey(
      paths.logKey,
      config.log.origin ?? defaultOrigin,
      isNew,
    )
    const { successions } = keys
    const origin = signer.name
    const apiRoots = toApiRoots(config, first)
    const alert = (message: string, details: Record<string, unknown>) => log('error', message, details)
    const isRefusing = apiRoots.some(r => r.collections.some(c => c.repost === 'refuse'))
    if (isRefusing && member && !existsSync(paths.erasedKey))
      throw new CliError(
        'usage',
        `${paths.erasedKey} is missing, by which erased objects are known again: all servers of a log have the same. Copy it from another one; for a new log make it once: openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' > erased.key`,
      )
    const erased = isRefusing ? { erased: await openErasedTags(paths.erasedKey, store) } : {}
    const channels = toChannels(config.channels).map(c => c.name)
    const notaryOptions = {
      store,
      origin,
      vkey,
      successions,
      signer,
      clock,
      clockBounds: config.clock,
      channels,
      alert,
      ...erased,
    }
    const notary = await openNotary({ ...notaryOptions, ...(member ? { others: member } : {}) })
    closers.push(() => notary.close())

    const leads = () => !member || member.state().role === 'sequencer'
    const shared = member && (await openSharedAnchors(config, paths, origin, leads))
    const anchors = shared?.anchors ?? (await openAnchors(config, paths, origin))
    closers.push(() => Promise.allSettled(anchors.map(a => a.close())))
    const collections = apiRoots.flatMap(({ path, collections }) => collections.map(c => ({ apiRoot: path, ...c })))
    const intervals = config.ledgers.flatMap(l => (l.intervalMs === undefined ? [] : [[l.id, l.intervalMs] as const]))
    const schedule = { intervalMs: config.anchoring.intervalMs, ledgers: new Map(intervals), collections }
    const witnessing = openWitnessing(config.log, notary, keys, log, leads)
    closers.push(async () => witnessing?.close())
    const source = witnessing ? { source: witnessing } : {}
    const anchoring = createAnchoring({ notary, anchors, schedule, log, leads, ...source, ...(fault ? { fault } : {}) })
    closers.push(() => anchoring.close())
    await anchoring.start()
    await witnessing?.start()
    const recording = member ? undefined : openRecording(config, paths, { notary, anchors, collections, log })
    closers.push(async () => recording?.close())

    if (!notary.halted && !member) {
      await notary.found(collections.map(({ apiRoot, id }) => ({ apiRoot, id })))
      await recording?.start()
    }
    const ledgers = () => {
      const recorded = recording?.states()
      return anchoring.states().map(state => withRecords(state, recorded?.get(state.ledger)))
    }
    const turn = async () => {
      await shared?.turn()
      anchoring.turn()
      if (leads()) await witnessing?.turn()
    }
    const look = async () => {
      if (leads()) return
      await anchoring.look()
      await witnessing?.look()
    }
    const parts = { notary, anchors, ledgers, anchoring, witnessing, apiRoots }
    return { vkey, keys, continuations, sign: signer.sign, ...parts, turn, look, close }
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

function openWitnessing(
  config: Config['log'],
  notary: Notary,
  keys: LogKeys,
  log: Logger,
  leads: () => boolean,
): Witnessing | undefined {
  const { witnesses, witnessIntervalMs: intervalMs, witnessTimeoutMs: timeoutMs } = config
  if (witnesses.length === 0) return undefined
  const links = witnesses.map(witness => createHttpWitness({ ...witness, timeoutMs }))
  const [vkey, { successions }] = [keys.vkeys.at(-1) as string, keys]
  return createWitnessing({
    notary,
    vkey,
    successions,
    witnesses: links,
    quorum: quorumOf(config),
    intervalMs,
    log,
    leads,
  })
}
