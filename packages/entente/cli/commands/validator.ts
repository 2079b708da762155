import { setTimeout as sleep } from 'node:timers/promises'
import { LedgerError } from '#ledger/error.ts'
import { guardProvider } from '#ledger/evm/writers.ts'
import type { Args } from '../commands.ts'
import { loadConfig } from '../config.ts'
import { CliError, EXIT } from '../errors.ts'
import { startRpcServer } from '../federation/rpc-server.ts'
import { createLogger } from '../logger.ts'
import { dataFolder } from '../options.ts'
import { print } from '../print.ts'
import { untilAsked } from '../signals.ts'
import { follow as followRegistry, REASONS, type Round, runRound } from '../validator/follow.ts'
import { createValidatorMetrics } from '../validator/metrics.ts'
import { openNode, openRegistry, validatorOf } from '../validator/open.ts'
import type { Change } from '../validator/plan.ts'
import { followWriters } from '../validator/writers.ts'
import { isSet, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
const USAGE = 'validator follow | guard'

/** For whoever operates a validator of a chain of the federation: the registry decides who validates and who writes. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  const actions: Record<string, (values: Values) => Promise<number>> = { follow, guard }
  const chosen = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (!chosen) throw new CliError('usage', `"${action}" is nothing to do with validators\nUsage: entente ${USAGE}`)
  positionals(rest, [], `validator ${action}`)
  return chosen(values)
}

function open(values: Values, readOnly = false) {
  const { config, paths } = loadConfig({ file: textOf(values, 'config'), data: dataFolder(values), env: process.env })
  const settings = validatorOf(config)
  const registry = openRegistry(settings, paths, { readOnly, now: () => performance.now() })
  const node = openNode(settings)
  const close = async () => void (await Promise.all([registry.close(), node.close()]))
  const log = createLogger(process.stderr, isSet(values, 'quiet') ? 'warn' : 'info')
  return { settings, registry, node, log, close }
}

/** Resolves with true once the process is asked to end, with false when the time is up. */
function createWait(): (milliseconds: number) => Promise<boolean> {
  const ending = new AbortController()
  void untilAsked().then(() => ending.abort())
  return milliseconds => sleep(milliseconds, false, { signal: ending.signal }).catch(() => true)
}

async function follow(values: Values): Promise<number> {
  const isDryRun = isSet(values, 'dry-run')
  const { settings, registry, node, log, close } = open(values, isDryRun)
  const round = async (): Promise<Round> => runRound({ read: registry.read, voting: await node.voting(), isDryRun })
  try {
    if (isDryRun || isSet(values, 'once')) {
      const found = await round().catch(asEvidence)
      print(isSet(values, 'json'), toJson(found), () => toLines(found, isDryRun))
      return found.isSame ? EXIT.yes : EXIT.no
    }
    const metrics = createValidatorMetrics(Date.now)
    const listening = settings.metrics === undefined ? undefined : await metrics.listen(settings.metrics)
    log('info', 'following the registry', { chain: settings.chain, metrics: listening?.url ?? null })
    try {
      const { intervalMs } = settings
      await followRegistry({ round, log, intervalMs, told: metrics.round, wait: createWait() })
    } finally {
      await listening?.close()
    }
    return EXIT.yes
  } finally {
    await close()
  }
}

/** A registry or node that is not what it should be is more than a no. */
function asEvidence(error: unknown): never {
  const isEvidence = error instanceof LedgerError && (error.code === 'mismatch' || error.code === 'corrupt')
  throw isEvidence ? new CliError('evidence', error.message, { cause: error }) : error
}

async function guard(values: Values): Promise<number> {
  const { settings, registry, node, log, close } = open(values)
  if (settings.guard === undefined)
    throw new CliError('usage', 'where is the guard to listen? Give validator.guard a port (docs/federation.md)')
  const metrics = createValidatorMetrics(Date.now)
  const ended = untilAsked()
  const closers: (() => Promise<unknown>)[] = [close]
  try {
    const { read, memory } = registry
    const writers = await followWriters({ read, memory, log, intervalMs: settings.intervalMs })
    closers.push(writers.close)
    const guarded = guardProvider({ provider: node, writers: writers.now })
    const counted = {
      async request(call: { method: string; params?: readonly unknown[] }) {
        let isPassed = false
        try {
          const result = await guarded.request(call)
          isPassed = true
          return result
        } finally {
          metrics.call(call.method, isPassed)
        }
      },
    }
    const serving = await startRpcServer(settings.guard, new Map([['', counted]]), { guards: settings.chain })
    closers.push(serving.close)
    if (settings.metrics !== undefined) closers.push((await metrics.listen(settings.metrics)).close)
    process.stdout.write(`Entente guards ${settings.node} at ${serving.url}\n`)
    await ended
  } finally {
    for (const end of closers.reverse()) await end()
  }
  return EXIT.yes
}

const toJson = (round: Round) => ({
  same: round.isSame,
  registry: {
    block: round.registry.block,
    block_hash: round.registry.blockHash,
    time: new Date(round.registry.time * 1000).toISOString(),
    evidence: round.registry.level,
    minimum: round.registry.minimum,
    validators: round.registry.validators,
    strangers: round.registry.strangers,
  },
  chain: { validators: round.validators, self: round.self ?? null, is_validator: round.isValidator },
  proposed: round.proposed.map(named),
  withdrawn: round.withdrawn.map(named),
  vote: round.vote === undefined ? null : named(round.vote),
  waiting: round.waiting.map(({ reason, ...change }) => ({ ...named(change), reason })),
})
const named = ({ address, isValidator }: Change) => ({ validator: address, vote: isValidator ? 'add' : 'remove' })

function toLines(round: Round, isDryRun: boolean): string[] {
  const { registry, validators, vote } = round
  const did = isDryRun ? 'would ' : ''
  const says = ({ address, isValidator }: Change) => `${isValidator ? 'add' : 'remove'} ${address}`
  return [
    `the registry at block ${registry.block} (${registry.level}) says ${registry.validators.length} validators, ${registry.minimum} at least; the chain has ${validators.length}`,
    ...(round.isSame ? ['they are the same'] : []),
    ...round.withdrawn.map(change => `${did}withdraw: ${says(change)}`),
    ...round.proposed.map(change => `${did}propose: ${says(change)}`),
    ...(vote !== undefined && round.proposed.length === 0 ? [`proposed before: ${says(vote)}`] : []),
    ...round.waiting.map(({ reason, ...change }) => `waits: ${says(change)} (${REASONS[reason]})`),
    ...(round.isValidator ? [] : ['this node is no validator: its votes count for nothing']),
  ]
}
