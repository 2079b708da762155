import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { startAuditor } from '#notary/auditor.ts'
import { createCosigned } from '#notary/cosigned.ts'
import { formatIntegrity } from '#notary/event.ts'
import { confirmAnchor } from '#notary/confirm.ts'
import { createHub } from '#channel/embedded/hub.ts'
import { createSentLog, type SentLog } from '#channel/sent.ts'
import { createDamage } from '#notary/damage.ts'
import { writeSecret } from '#notary/key.ts'
import type { Notary } from '#notary/notary.ts'
import { createRounds } from '#notary/rounds.ts'
import type { Clock } from '#notary/time.ts'
import { certificateIdentify } from '#taxii/auth/certificate.ts'
import { createPassword, createUser, readUsers, ROLES, writeUsers } from '#taxii/auth/local.ts'
import type { TaxiiContext } from '#taxii/context.ts'
import { createMarkings } from '#taxii/markings.ts'
import { createMemory } from '#taxii/memory.ts'
import { createReadLog, type ReadLog } from '#taxii/reads.ts'
import { createTaxiiServer } from '#taxii/server.ts'
import { DEFAULT_STALLED_MS } from '#taxii/sse.ts'
import { toChannels } from './channel-config.ts'
import { openBroker } from './brokers.ts'
import { openCluster, performRemoval, removeBy } from './cluster.ts'
import type { Config, Paths } from './config.ts'
import { createDuties } from './duties.ts'
import { toSource } from './identity.ts'
import { openAuth } from './open-auth.ts'
import { toEvidence, toPins } from './ledgers.ts'
import { startHttp } from './listen.ts'
import type { Metrics } from './metrics.ts'
import { statusRoutes } from './health.ts'
import { type Fault, type Logger, openLogFolder } from './open-log.ts'
import { openWitness } from './witness.ts'
import { openReads, openSent } from './stores.ts'
import { witnessRoutes } from './witness-routes.ts'

export type { Fault, Logger }

const DAY_MS = 86_400_000
/** How often a server that does not anchor looks what was. */
const LOOK_MS = 250

export type RunningServer = {
  url: string
  notary: Notary
  context: TaxiiContext
  metricsUrl: string | undefined
  close(): Promise<void>
}

/**
 * Puts a server together from a configuration and starts it: the only place where adapters meet.
 *
 * @throws CliError, StoreError, NotaryError, LedgerError when it can't start; nothing is left running then
 */
export async function startServer(
  config: Config,
  paths: Paths,
  log: Logger,
  fault?: Fault,
  clock?: Clock,
): Promise<RunningServer> {
  const closers: (() => Promise<unknown>)[] = []
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const member = await openCluster(config, paths, log)
    closers.push(async () => member?.close())
    const opened = await openLogFolder(config, paths, log, { fault, clock, member })
    const { vkey, keys, continuations, sign, notary, anchors, ledgers, witnessing, apiRoots, close } = opened
    closers.push(close)
    const witness = config.witness && openWitness(config, paths, log, { fault })
    closers.push(async () => witness?.close())
    if (config.auth.kind === 'local') await ensureAdmin(paths)
    const { clients } = config.server.tls ?? {}
    const auth = await openAuth(config.auth, paths, process.env, log)

    const alert = (message: string, details: Record<string, unknown>) => log('error', message, details)
    const source = toSource(config, notary.log.origin)
    const markings = config.markings && createMarkings(config.markings)
    const sent = await openSentLog(config, paths, notary.clock, log)
    closers.push(async () => sent?.close())
    const reads = await openReadLog(config, paths, notary.clock, log)
    closers.push(async () => reads?.close())
    const broker = await openBroker(config, paths, { notary, apiRoots, log, markings, sent, fault })
    closers.push(async () => broker?.close())
    const { heartbeatMs, maxSubscribers } = config.channels
    const duties = createDuties(config, { notary, apiRoots, broker, log, ...(member ? { turn: opened.turn } : {}) })
    closers.push(() => duties.stop())
    if (!member) await duties.start()
    const streams = createHub({ now: () => performance.now(), log, sent })
    notary.onCheckpoint(streams.wake)
    const erased = () => {
      streams.forget()
      sent?.cut()
    }
    notary.onErased(erased)
    const damage = createDamage(notary, alert, ({ collection, reason, ...at }) =>
      streams.alert('feed', collection.id, formatIntegrity(source, collection, at, reason)),
    )
    for (const c of notary.log.collections.values()) await damage.count(c)
    const auditor = config.audit.share > 0 ? startAuditor({ notary, damage, alert, ...config.audit }) : undefined
    closers.push(async () => auditor?.close())
    const { memory: limits, maxContentLength } = config.server
    const context: TaxiiContext = {
      config: {
        ...config.discovery,
        maxContentLength,
        page: config.server.page,
        maxPage: config.server.maxPage,
        apiRoots,
      },
      notary,
      vkey,
      successions: keys.successions,
      continuations,
      sign,
      damage,
      source,
      channels: {
        list: toChannels(config.channels),
        brokers: broker?.addresses ?? (() => []),
        heartbeatMs,
        stalledMs: DEFAULT_STALLED_MS,
        maxSubscribers,
      },
      streams,
      ...auth,
      identify: clients && certificateIdentify(clients, Date.now),
      markings,
      reads,
      // Or a body that is allowed would find no room.
      memory: createMemory({ ...limits, bodies: Math.max(limits.bodies, 2 * maxContentLength) }, maxContentLength),
      newId: randomUUID,
      ledgers,
      witnessing,
      cosigned: createCosigned(notary.store),
      evidence: anchor =>
        toEvidence(
          anchors.find(a => a.ledger === anchor.ledger),
          anchor,
        ),
      confirm: async (ledger, size) => {
        const anchor = anchors.find(a => a.ledger === ledger)
        return anchor
          ? confirmAnchor(notary, anchor, size)
          : { ledger, level: 'unknown', reason: 'this server does not have it' }
      },
      pins: () => toPins(anchors),
      ...(member ? { fresh: member.fresh, remove: removeBy(member) } : {}),
      log,
    }
    if (member) {
      const collections = apiRoots.flatMap(r => r.collections.map(({ id }) => ({ apiRoot: r.path, id })))
      const perform = (data: Record<string, unknown>) => performRemoval(context, data)
      await member.start({ notary, collections, duties, perform, isListening: () => streams.count > 0, erased })
      // Before what it uses is closed, and after the last request was answered.
      closers.push(() => member.close())
      const looking = createRounds(opened.look, LOOK_MS, error =>
        log('warn', 'what another server has anchored could not be read', { error: error.message }),
      )
      looking.start()
      closers.push(() => looking.close())
    }
    // Much to load, and to count with each request: only for those who ask for it.
    const counting = config.server.metrics && (await import('./metrics.ts'))
    let metrics: Metrics | undefined
    const http = await startHttp(
      options => {
        const app = createTaxiiServer(context, options)
        statusRoutes(app, context, auditor?.state, member)
        const answers = witness && witnessRoutes(app, witness)
        metrics = counting?.createMetrics(app, context, {
          audit: auditor?.state,
          witnessAnswers: answers,
          broker,
          member,
        })
        return app
      },
      config.server,
      paths,
      log,
    )
    closers.push(http.close)
    const metricsUrl = config.server.metrics && (await metrics?.listen(config.server.metrics))
    closers.push(async () => metrics?.close())
    return { url: http.url, notary, context, metricsUrl, close: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}

async function openSentLog(config: Config, paths: Paths, clock: Clock, log: Logger): Promise<SentLog | undefined> {
  const { sentDays } = config.channels
  const store = sentDays === 0 ? undefined : await openSent({ config, paths, readOnly: false })
  return store && createSentLog({ store, keepMs: sentDays * DAY_MS, clock, log })
}

async function openReadLog(config: Config, paths: Paths, clock: Clock, log: Logger): Promise<ReadLog | undefined> {
  const { readDays } = config.server
  const store = readDays === 0 ? undefined : await openReads({ config, paths, readOnly: false })
  return store && createReadLog({ store, keepMs: readDays * DAY_MS, clock, log })
}

/** The first user: `admin`, with a password from ENTENTE_ADMIN_PASSWORD, or a random one that only the owner of the folder can read. */
async function ensureAdmin(paths: Paths): Promise<void> {
  const given = process.env['ENTENTE_ADMIN_PASSWORD']
  const users = readUsers(paths.users)
  const admin = users.users.find(u => u.name === 'admin')
  if (admin && given === undefined) return
  if (!given && users.users.length > 0) return // an operator who removed `admin` doesn't get it back
  const password = given ?? createPassword()
  if (given === undefined) {
    if (existsSync(paths.adminPassword)) chmodSync(paths.adminPassword, 0o600)
    else writeSecret(paths.adminPassword, `${password}\n`)
  }
  const chosen = given ?? readFileSync(paths.adminPassword, 'utf8').trim()
  const user = await createUser('admin', chosen, [...ROLES])
  writeUsers(paths.users, { ...users, users: [...users.users.filter(u => u.name !== 'admin'), user] })
}
