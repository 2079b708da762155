import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { formatMicros } from '#notary/time.ts'
import { LOCAL_LOGIN } from '#taxii/auth/auth.ts'
import { createHttpServer } from '#taxii/http.ts'
import { createMemory } from '#taxii/memory.ts'
import { OPERATIONS } from '#taxii/operations.ts'
import { readLogKey } from '#witness/witness.ts'
import { parseVkey } from '@entente/verify/tlog'
import type { Args } from '../commands.ts'
import { type Config, loadConfig, type Paths } from '../config.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { startHttp } from '../listen.ts'
import { createLogger } from '../logger.ts'
import { dataFolder } from '../options.ts'
import { openStore } from '../stores.ts'
import { print, table } from '../print.ts'
import { untilAsked } from '../signals.ts'
import { isSet, positionals, textOf } from '../values.ts'
import { openWitness, type OpenWitness } from '../witness.ts'
import { quorumOf } from '../witness-config.ts'
import { MAX_ADD_CHECKPOINT, witnessRoutes } from '../witness-routes.ts'

type Values = Record<string, unknown>
const USAGE = 'witness serve | key | add-log VKEY|FILE | list | status'

/** A witness of other people's logs (C2SP tlog-witness), and what the witnesses of one's own log have cosigned. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  const actions: Record<string, (values: Values, rest: string[]) => number | Promise<number>> = {
    serve,
    key,
    'add-log': addLog,
    list,
    status,
  }
  const chosen = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (!chosen) throw new CliError('usage', `"${action}" is nothing to do with witnesses\nUsage: entente ${USAGE}`)
  return chosen(values, rest)
}

const load = (values: Values): { config: Config; paths: Paths } =>
  loadConfig({
    file: textOf(values, 'config'),
    data: dataFolder(values),
    host: textOf(values, 'host'),
    port: textOf(values, 'port'),
    env: process.env,
  })

/** Opens the witness of the configuration for as long as `use` takes. */
function withWitness<T>(values: Values, use: (witness: OpenWitness) => T, isNewState = false): T {
  const { config, paths } = load(values)
  const witness = openWitness(config, paths, createLogger(process.stderr, 'warn'), { isNewState })
  try {
    return use(witness)
  } finally {
    witness.close()
  }
}

/** A server that is a witness and nothing else. */
async function serve(values: Values, rest: string[]): Promise<number> {
  positionals(rest, [], 'witness serve')
  const { config, paths } = load(values)
  const log = createLogger(process.stderr, isSet(values, 'quiet') ? 'warn' : 'info')
  const witness = openWitness(config, paths, log)
  try {
    const maxContentLength = MAX_ADD_CHECKPOINT
    const bounds = { bodies: 64 * maxContentLength, answers: 64 * maxContentLength }
    const context = {
      title: `Witness ${witness.name}`,
      maxContentLength,
      authenticate: async () => undefined,
      login: LOCAL_LOGIN,
      memory: createMemory(bounds, maxContentLength),
      newId: randomUUID,
      log,
    }
    const http = await startHttp(
      options => {
        const app = createHttpServer(context, options)
        witnessRoutes(app, witness)
        const watched = { anyone: true, uncounted: true, operation: OPERATIONS.healthz }
        app.get('/healthz', { config: watched }, async () => ({ status: 'ok', time: formatMicros(Date.now() * 1000) }))
        return app
      },
      config.server,
      paths,
      log,
    )
    try {
      process.stdout.write(`Entente witness ${witness.name} is ready at ${http.url}/witness/\n  key ${witness.vkey}\n`)
      process.stdout.write(`  ${witness.logs().length} logs: "entente witness add-log" adds one while it runs\n`)
      await untilAsked()
    } finally {
      await http.close()
    }
  } finally {
    witness.close()
  }
  return EXIT.yes
}

function key(values: Values, rest: string[]): number {
  positionals(rest, [], 'witness key')
  const show = ({ name, vkey }: OpenWitness) => {
    print(isSet(values, 'json'), { name, vkey }, () => [vkey])
    return EXIT.yes
  }
  return withWitness(values, show, isSet(values, 'new-state'))
}

function addLog(values: Values, rest: string[]): number {
  const [given = ''] = positionals(rest, ['VKEY|FILE'], 'witness add-log VKEY|FILE')
  const vkey = existsSync(given) ? readFileSync(given, 'utf8').trim() : given
  const { name } = readLogKey(vkey)
  const origin = textOf(values, 'origin') ?? name
  return withWitness(values, witness => {
    witness.addLog({ origin, vkey })
    const keys = witness.logs().filter(log => log.origin === origin).length
    print(isSet(values, 'json'), { origin, vkey, keys }, () => [
      `${origin} is witnessed, under ${keys === 1 ? 'its key' : `any of ${keys} keys`}`,
      `its operator adds to log.witnesses: { vkey: "${witness.vkey}", url: <address of this server>/witness }`,
    ])
    return EXIT.yes
  })
}

function list(values: Values, rest: string[]): number {
  positionals(rest, [], 'witness list')
  return withWitness(values, witness => {
    const logs = witness.logs().map(({ origin, vkey, size, at }) => ({
      origin,
      vkey,
      size: size ?? null,
      cosigned: at === undefined ? null : new Date(at).toISOString(),
    }))
    print(isSet(values, 'json'), { witness: witness.name, vkey: witness.vkey, logs }, () =>
      table([
        ['LOG', 'SIZE', 'COSIGNED', 'KEY'],
        ...logs.map(l => [l.origin, l.size === null ? '-' : String(l.size), l.cosigned ?? 'never', l.vkey]),
      ]),
    )
    return EXIT.yes
  })
}

/** What the witnesses of one's own log have cosigned, beside a running server too. */
async function status(values: Values, rest: string[]): Promise<number> {
  positionals(rest, [], 'witness status')
  const { config, paths } = openData(values)
  const { witnesses } = config.log
  if (witnesses.length === 0) throw new CliError('usage', 'log.witnesses of the configuration names none')
  const need = quorumOf(config.log)
  const store = await openStore(config, paths, { readOnly: true })
  try {
    const size = (await store.head())?.size ?? 0
    const vkeys = witnesses.map(w => w.vkey)
    const witnessed = await store.cosignedSize(vkeys, need)
    const rows = await Promise.all(
      witnesses.map(async ({ vkey, url }) => {
        return { witness: parseVkey(vkey).name, url, size: await store.cosignedSize([vkey], 1) }
      }),
    )
    const json = { log_size: size, witnessed_size: witnessed, need, of: witnesses.length, witnesses: rows }
    print(isSet(values, 'json'), json, () => [
      `the log is at size ${size}; ${need} of ${witnesses.length} witnesses have cosigned size ${witnessed}`,
      ...table([['WITNESS', 'SIZE', 'URL'], ...rows.map(r => [r.witness, String(r.size), r.url])]),
    ])
    return witnessed === size ? EXIT.yes : EXIT.no
  } finally {
    await store.close()
  }
}
