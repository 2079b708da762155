// A server to compare with, in a process of its own: `node bench/side.ts baseline|unverified DIR`.
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { loadConfig } from '../packages/entente/cli/config.ts'
import { statusRoutes } from '../packages/entente/cli/health.ts'
import { toApiRoots } from '../packages/entente/cli/identity.ts'
import { createLogger } from '../packages/entente/cli/logger.ts'
import { createMetrics } from '../packages/entente/cli/metrics.ts'
import { startServer } from '../packages/entente/cli/serve.ts'
import { createHub } from '../packages/entente/channel/embedded/hub.ts'
import { createDamage } from '../packages/entente/notary/damage.ts'
import { openLogKey } from '../packages/entente/notary/key.ts'
import { openSqliteStore } from '../packages/entente/store/sqlite/sqlite.ts'
import { LOCAL_LOGIN } from '../packages/entente/taxii/auth/auth.ts'
import { createUser, localAuthenticate, ROLES, writeUsers } from '../packages/entente/taxii/auth/local.ts'
import type { TaxiiContext } from '../packages/entente/taxii/context.ts'
import { createMemory } from '../packages/entente/taxii/memory.ts'
import { createTaxiiServer } from '../packages/entente/taxii/server.ts'
import { openBaseline, unverifiedReader } from './baseline.ts'

const [kind, data = ''] = process.argv.slice(2)
const { config, paths } = loadConfig({ data, port: '0', env: {} })
const log = createLogger(process.stderr, 'info')

/** The real server, but that its reader believes the store. */
async function startUnverified(): Promise<{ url: string; close: () => Promise<unknown> }> {
  const server = await startServer(config, paths, log)
  Object.assign(server.notary.reader, unverifiedReader())
  return server
}

/** The real TAXII server and store over a notary without a log; put together as cli/serve.ts does. */
async function startBaseline(): Promise<{ url: string; close: () => Promise<unknown> }> {
  mkdirSync(paths.data, { recursive: true })
  const { vkey } = openLogKey(paths.logKey, 'bench.example/log', true)
  const store = openSqliteStore({ path: paths.store, create: true })
  const apiRoots = toApiRoots(config, vkey).map(r => ({
    ...r,
    collections: r.collections.map(c => ({ ...c, ledgers: [] })),
  }))
  const notary = openBaseline(
    store,
    apiRoots.flatMap(r => r.collections.map(c => ({ apiRoot: r.path, id: c.id }))),
  )
  const password = process.env['ENTENTE_ADMIN_PASSWORD'] as string
  writeUsers(paths.users, { version: 1, users: [await createUser('admin', password, [...ROLES])], tokens: [] })
  const { maxContentLength, page, maxPage } = config.server
  const context: TaxiiContext = {
    config: { ...config.discovery, maxContentLength, page, maxPage, apiRoots },
    notary,
    vkey,
    sign: () => new Uint8Array(64),
    damage: createDamage(notary, () => {}),
    source: { origin: 'bench.example/log', publicUrl: '' },
    channels: { list: [], brokers: () => [], heartbeatMs: 15_000, stalledMs: 900_000, maxSubscribers: 0 },
    streams: createHub({ now: () => performance.now(), log }),
    authenticate: localAuthenticate(paths.users),
    login: LOCAL_LOGIN,
    memory: createMemory(),
    newId: randomUUID,
    ledgers: () => [],
    witnessing: undefined,
    cosigned: async head => ({ ...head, by: [] }),
    evidence: async () => ({}),
    confirm: async ledger => ({ ledger, level: 'unknown', reason: 'the baseline has no ledger' }),
    pins: async () => [],
    log,
  }
  const app = createTaxiiServer(context)
  statusRoutes(app, context)
  createMetrics(app, context)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => app.close().then(() => store.close()) }
}

const server = await (kind === 'baseline' ? startBaseline() : startUnverified())
process.stdout.write(`ready at ${server.url}\n`)
process.once('SIGTERM', () => void server.close())
