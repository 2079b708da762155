import type { Args } from '../commands.ts'
import { issuerOf } from '../auth-config.ts'
import { loadConfig } from '../config.ts'
import { boundHeap } from '../heap.ts'
import { createLogger } from '../logger.ts'
import { dataFolder } from '../options.ts'
import { startServer } from '../serve.ts'
import { untilAsked } from '../signals.ts'
import { isSet } from '../values.ts'
import { toChannels } from '../channel-config.ts'
import { quorumOf } from '../witness-config.ts'

/** Runs until SIGINT or SIGTERM; what is under way is finished then. */
export async function run({ values }: Args): Promise<number> {
  boundHeap()
  const { config, paths } = loadConfig({
    file: values['config'] as string | undefined,
    data: dataFolder(values),
    host: values['host'] as string | undefined,
    port: values['port'] as string | undefined,
    env: process.env,
  })
  if (isSet(values, 'accept-clock')) config.clock.accept = true
  const logger = createLogger(process.stderr, isSet(values, 'quiet') ? 'warn' : 'info')
  const server = await startServer(config, paths, logger)
  const asked = untilAsked()
  const say = (text: string) => process.stdout.write(`${text}\n`)
  say(`Entente is ready at ${server.url}`)
  for (const root of server.context.config.apiRoots) {
    for (const c of root.collections) say(`  ${c.title}: ${server.url}${root.path}collections/${c.alias ?? c.id}/`)
  }
  if (config.auth.kind === 'oidc') say(`  users are those of ${issuerOf(config.auth)}`)
  else
    say(
      `  user "admin", password ${process.env['ENTENTE_ADMIN_PASSWORD'] === undefined ? `in ${paths.adminPassword}` : 'from ENTENTE_ADMIN_PASSWORD'}`,
    )
  say(`  log ${server.notary.log.origin} at size ${server.notary.log.size}, key ${server.url}/log/key`)
  if (config.log.witnesses.length > 0)
    say(`  ${quorumOf(config.log)} of ${config.log.witnesses.length} witnesses cosign it before it is anchored`)
  if (config.witness) say(`  witness ${config.witness.name} at ${server.url}/witness/, key ${server.url}/witness/key`)
  const { names, kind } = config.channels
  if (names.length > 0)
    say(
      `  channels ${toChannels(config.channels)
        .map(c => c.name)
        .join(', ')} by server-sent events${kind === 'embedded' ? '' : ` and ${kind}`}, below …/channels/`,
    )
  if (server.metricsUrl !== undefined) say(`  metrics at ${server.metricsUrl}`)
  if (config.ledgers.some(l => l.kind === 'embedded')) {
    say(
      '  The embedded ledger is kept by this operator alone: it proves order and catches tampering with the store, but who runs',
    )
    say('  this server could rewrite what no client, witness or other ledger has seen (docs/security.md).')
  }
  const stopped = server.notary.halted ?? server.notary.clockGuard.look()
  if (stopped) process.stderr.write(`WRITING HAS STOPPED: ${stopped.message}\n`)
  await asked
  await server.close()
  return 0
}
