import { Gauge, Registry } from 'prom-client'
import { CLOCKS, type Clock, clocksAt, readClocks } from '#registry/due.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { createRounds } from '#notary/rounds.ts'
import { serveMetrics } from '../metrics-server.ts'
import { type ChainName, formatChainName } from './layout.ts'

/** To look for new events, which costs little. */
const LOOK_MS = 5000
/** Reading all clocks of a chain takes at most this part of the time. */
const SHARE = 1 / 20
/** What time alone changes is in the clocks; read again all the same. */
const AGAIN_MS = 3_600_000

export type DueMetricsOptions = {
  chains: readonly { name: ChainName; chain: RuleChain }[]
  /** Milliseconds since 1970. */
  now(): number
  failed(chain: string, error: Error): void
  /** Default: 5 s. */
  lookMs?: number
}

type Known = { clocks: Clock[]; block: number; read: number; next: number; error: boolean }

/**
 * `entente due` as metrics: of each chain and kind of clock how many run, how many are past due, and how long until the next. Clocks are read where a chain
 * has new events; how much time is left is told at each scrape.
 */
export function createDueMetrics({ chains, now, failed, lookMs = LOOK_MS }: DueMetricsOptions): {
  listen(at: { host: string; port: number }): Promise<{ url: string; close(): Promise<void> }>
} {
  const registry = new Registry()
  const known = new Map<string, Known>()
  const seconds = () => Math.floor(now() / 1000)

  async function look(name: string, chain: RuleChain): Promise<void> {
    const before = known.get(name)
    if (before && now() < before.next) return
    const { block } = await chain.head()
    const isStale = before === undefined || now() - before.read > AGAIN_MS
    if (
      !isStale &&
      (block === before.block || (await chain.history({ fromBlock: before.block + 1, toBlock: block })).length === 0)
    ) {
      known.set(name, { ...before, block, error: false })
      return
    }
    const began = now()
    const clocks = await readClocks(name, chain, seconds())
    // What was entered meanwhile is after this block, and found by the next look.
    known.set(name, { clocks, block, read: began, next: now() + (now() - began) / SHARE, error: false })
  }

  async function round(): Promise<void> {
    for (const { name, chain } of chains) {
      const shown = formatChainName(name)
      try {
        await look(shown, chain)
      } catch (error) {
        const before = known.get(shown)
        if (before) known.set(shown, { ...before, error: true })
        failed(shown, error as Error)
      }
    }
  }

  const gauge = (name: string, help: string, value: (clocks: Clock[]) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ['chain', 'clock'],
      registers: [registry],
      collect() {
        this.reset()
        for (const { name: of } of chains) {
          const chain = formatChainName(of)
          const found = known.get(chain)
          if (found === undefined) continue
          const clocks = clocksAt(found.clocks, seconds())
          for (const clock of CLOCKS[of.kind]) {
            const is = value(clocks.filter(one => one.what === clock))
            if (is !== undefined) this.set({ chain, clock }, is)
          }
        }
      },
    })
  const next = (clocks: Clock[]) => {
    const running = clocks.filter(clock => !clock.isOverdue).map(clock => clock.at)
    return running.length === 0 ? undefined : Math.min(...running) - seconds()
  }
  gauge(
    'entente_due_clocks',
    'Clocks of a chain that run, by kind (entente due)',
    clocks => clocks.filter(clock => !clock.isOverdue).length,
  )
  gauge(
    'entente_due_overdue',
    'What had to be done by a time that has passed, at most 30 days ago',
    clocks => clocks.filter(clock => clock.isOverdue).length,
  )
  gauge('entente_due_next_seconds', 'Time until the next of a kind ends or falls due', next)
  const ofChain = (name: string, help: string, value: (known: Known | undefined) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ['chain'],
      registers: [registry],
      collect() {
        for (const { name: of } of chains) {
          const is = value(known.get(formatChainName(of)))
          if (is !== undefined) this.set({ chain: formatChainName(of) }, is)
        }
      },
    })
  ofChain(
    'entente_due_read_timestamp_seconds',
    'When the clocks of a chain were last read',
    found => found && found.read / 1000,
  )
  ofChain('entente_due_error', '1 while the clocks of a chain can not be read', found =>
    found && !found.error ? 0 : 1,
  )

  return {
    async listen(at) {
      const rounds = createRounds(round, lookMs, () => {})
      await round()
      rounds.start()
      const server = await serveMetrics(registry, at)
      return {
        url: server.url,
        close: async () => {
          await server.close()
          await rounds.close()
        },
      }
    },
  }
}
