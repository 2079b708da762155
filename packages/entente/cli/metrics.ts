import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Member, MemberState } from '#cluster/member.ts'
import type { AuditorState } from '#notary/auditor.ts'
import type { TaxiiContext } from '#taxii/context.ts'
import type { Broker } from './brokers.ts'
import { brokerMetrics, streamMetrics } from './channel-metrics.ts'
import { serveMetrics } from './metrics-server.ts'
import type { WitnessAnswers } from './witness-routes.ts'

export type Metrics = { listen(at: { host: string; port: number }): Promise<string>; close(): Promise<void> }

/** Prometheus metrics of a server, on an address of their own so that they are never public by accident. */
export function createMetrics(
  app: FastifyInstance,
  context: TaxiiContext,
  parts: {
    audit?: AuditorState | undefined
    witnessAnswers?: WitnessAnswers | undefined
    broker?: Broker | undefined
    member?: Pick<Member, 'state'> | undefined
  } = {},
): Metrics {
  const { audit, witnessAnswers, broker, member } = parts
  const registers = [new Registry()]
  const registry = registers[0] as Registry
  collectDefaultMetrics({ register: registry })
  const requests = new Counter({
    name: 'entente_http_requests_total',
    help: 'Requests by method and status',
    labelNames: ['method', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'entente_http_request_seconds',
    help: 'Time to answer',
    labelNames: ['method'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  })
  app.addHook('onResponse', async (request, reply) => {
    requests.inc({ method: request.method, status: reply.statusCode })
    seconds.observe({ method: request.method }, reply.elapsedTime / 1000)
  })
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  gauge('entente_log_size', 'Entries in the log', () => context.notary.log.size)
  gauge('entente_halted', '1 while writing has stopped', () => (context.notary.halted ? 1 : 0))
  gauge('entente_integrity_failures', 'Records that failed verification since the start', () => context.damage.failures)
  if (audit) {
    gauge('entente_audit_rounds', 'Rounds of the continuous audit that were completed', () => audit.rounds)
    gauge('entente_audit_records', 'Records that the continuous audit has looked at', () => audit.records)
    gauge('entente_audit_problems', 'What was wrong in the last round', () => audit.problems)
    gauge(
      'entente_audit_completed_timestamp_seconds',
      'When the last round was completed',
      () => (audit.completed ?? 0) / 1e6,
    )
  }
  const labelled = (name: string, help: string, label: string, values: () => Iterable<readonly [string, number]>) =>
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        for (const [of, value] of values()) this.set({ [label]: of }, value)
      },
    })
  labelled('entente_anchored_size', 'Log size that is final on a ledger', 'ledger', () =>
    context.ledgers().map(l => [l.ledger, l.finalSize]),
  )
  const away = '1 while a ledger is away, refuses, or is not what it should be; /readyz says why'
  labelled('entente_ledger_error', away, 'ledger', () =>
    context.ledgers().map(l => [l.ledger, l.error === undefined ? 0 : 1]),
  )
  const { witnessing } = context
  if (witnessing) {
    const sizeOf = () => witnessing.head()?.size ?? 0
    gauge('entente_witnessed_size', 'Log size that a quorum of witnesses has cosigned', sizeOf)
    labelled('entente_witness_cosigned_size', 'Log size that a witness has cosigned', 'witness', () =>
      witnessing.states().map(s => [s.witness, s.cosignedSize]),
    )
    labelled('entente_witness_failures', 'Tries that got no cosignature of a witness, since the start', 'witness', () =>
      witnessing.states().map(s => [s.witness, s.failures]),
    )
  }
  if (member) {
    const is = (role: MemberState['role']) => () => (member.state().role === role ? 1 : 0)
    gauge('entente_cluster_sequencer', '1 on the server that writes', is('sequencer'))
    gauge('entente_cluster_seeking', '1 while no server is known that writes', is('seeking'))
    gauge('entente_cluster_term', 'Counts up with each takeover by any server', () => member.state().term)
    gauge('entente_cluster_takeovers', 'Takeovers by this server, since the start', () => member.state().takeovers)
    gauge(
      'entente_cluster_forwarded',
      'Requests that another server did, since the start',
      () => member.state().forwarded,
    )
    gauge(
      'entente_cluster_asked',
      'Questions to the server that writes whether anything is new, since the start',
      () => member.state().asked,
    )
  }
  streamMetrics(registry, context.streams)
  if (broker) brokerMetrics(registry, broker)
  if (witnessAnswers)
    labelled('entente_witness_answers', 'Answers of this server as a witness, since the start', 'status', () =>
      [...witnessAnswers].map(([status, count]) => [String(status), count]),
    )

  let server: Awaited<ReturnType<typeof serveMetrics>> | undefined
  return {
    listen: async at => {
      server = await serveMetrics(registry, at)
      return server.url
    },
    close: async () => {
      await server?.close()
    },
  }
}
