import { Counter, Gauge, type Registry } from 'prom-client'
import { MOST_BEHIND, type Streams } from '#channel/stream.ts'
import { MOST_COUNTED, type OutboxState } from '#notary/outbox.ts'
import type { Broker } from './brokers.ts'

/** Metrics whose values, and labels, are only what they are at the moment somebody asks. */
function createFamily(registry: Registry) {
  const kept = <M extends { reset(): void }>(
    name: string,
    help: string,
    labelNames: string[],
    collect: (metric: M) => void | Promise<void>,
  ) => ({
    name,
    help,
    labelNames,
    registers: [],
    collect(this: M) {
      this.reset()
      return collect(this)
    },
  })
  return {
    gauge: (...of: Parameters<typeof kept<Gauge>>) => registry.registerMetric(new Gauge(kept(...of))),
    counter: (...of: Parameters<typeof kept<Counter>>) => registry.registerMetric(new Counter(kept(...of))),
  }
}

/** Subscribers by server-sent events. A subscriber's lag is there for as long as it is. */
export function streamMetrics(registry: Registry, streams: Streams): void {
  const { gauge, counter } = createFamily(registry)
  gauge('entente_subscribers', 'Subscribers that are connected', ['kind', 'topic'], all => {
    for (const { kind, topic } of streams.states()) all.inc({ kind, topic })
  })
  const lag = `Events of its channel or feed that a subscriber has not been sent yet, up to ${MOST_BEHIND}`
  gauge('entente_subscriber_lag_events', lag, ['kind', 'topic', 'user', 'connection'], async all => {
    for (const { behind, ...labels } of streams.states()) all.set(labels, await behind())
  })
  const { totals } = streams
  counter('entente_stream_deliveries_total', 'Events that were handed to connections of subscribers', [], all =>
    all.inc(totals.deliveries),
  )
  counter('entente_stream_drops_total', 'Events that a subscriber should have been sent and was not', [], all =>
    all.inc(totals.drops),
  )
  counter('entente_stream_gaps_total', 'Subscribers that were told that what they missed is no longer kept', [], all =>
    all.inc(totals.gaps),
  )
  counter('entente_stream_catch_ups_total', 'Reads for subscribers that were behind what is held in memory', [], all =>
    all.inc(totals.catchUps),
  )
}

/** The broker of the channels, and how far each is. */
export function brokerMetrics(registry: Registry, { publisher, outbox }: Broker): void {
  const { gauge, counter } = createFamily(registry)
  const { kind } = publisher
  // All of them are asked for at once, and counting what waits is work.
  let asked: Promise<OutboxState[]> | undefined
  const states = () => {
    asked ??= outbox.states().finally(() => {
      asked = undefined
    })
    return asked
  }
  gauge('entente_broker_connected', 'Whether the broker of the channels can be reached', ['kind'], all =>
    all.set({ kind }, publisher.state().connected ? 1 : 0),
  )
  const pending = `Events of a channel that the broker has not confirmed yet, up to ${MOST_COUNTED}`
  gauge('entente_broker_pending_events', pending, ['channel'], async all => {
    for (const { channel, pending: n } of await states()) all.set({ channel }, n)
  })
  gauge('entente_broker_failing', '1 while the broker takes nothing of a channel', ['channel'], async all => {
    for (const { channel, error } of await states()) all.set({ channel }, error === undefined ? 0 : 1)
  })
  counter('entente_broker_deliveries_total', 'Events that the broker has confirmed', ['channel'], async all => {
    for (const { channel, delivered } of await states()) all.inc({ channel }, delivered)
  })
  const again = 'Events among them that may have been sent before, and are marked so'
  counter('entente_broker_redeliveries_total', again, ['channel'], async all => {
    for (const { channel, redelivered } of await states()) all.inc({ channel }, redelivered)
  })
}
