import type { FastifyInstance } from 'fastify'
import type { Member, MemberState } from '#cluster/member.ts'
import type { AuditorState } from '#notary/auditor.ts'
import { formatMicros } from '#notary/time.ts'
import type { TaxiiContext } from '#taxii/context.ts'
import { type Operation, OPERATIONS } from '#taxii/operations.ts'

/** `/healthz`: the process answers. `/readyz`: it can take writes. `/`: where things are. All without credentials, all without content. */
export function statusRoutes(
  app: FastifyInstance,
  context: TaxiiContext,
  audit?: AuditorState,
  member?: Pick<Member, 'state'>,
): void {
  const { notary } = context
  const anyone = { config: { anyone: true, operation: OPERATIONS.overview } }
  const watched = (operation: Operation) => ({ config: { anyone: true, uncounted: true, operation } })

  app.get('/healthz', watched(OPERATIONS.healthz), async () => ({ status: 'ok', time: formatMicros(notary.clock()) }))

  app.get('/readyz', watched(OPERATIONS.readyz), async (_request, reply) => {
    // The last two pass by themselves.
    const halted = notary.halted ?? notary.clockGuard.look() ?? member?.state().refusal
    const ledgers = context.ledgers().map(l => ({
      ledger: l.ledger,
      final_size: l.finalSize,
      ...(l.error === undefined ? {} : { error: l.error }),
    }))
    reply.code(halted ? 503 : 200)
    return {
      status: halted ? 'halted' : 'ready',
      ...(halted ? { code: halted.code, reason: halted.message } : {}),
      log_size: notary.log.size,
      ledgers,
      ...(context.witnessing ? { witnesses: toWitnesses(context.witnessing) } : {}),
      ...(audit ? { audit: toAudit(audit) } : {}),
      ...(member ? { cluster: toCluster(member.state()) } : {}),
    }
  })

  app.get('/', anyone, async (_request, reply) => {
    const roots = context.config.apiRoots.map(r => `  ${r.path}`).join('\n')
    return reply
      .type('text/plain; charset=utf-8')
      .send(
        `${context.config.title}: TAXII 2.1 server with a verifiable log\n\nDiscovery   /taxii2/\nAPI roots\n${roots}\nLog         /log/checkpoint   /log/key\nHealth      /healthz   /readyz\n`,
      )
  })
}

const toWitnesses = ({ quorum, head, states }: NonNullable<TaxiiContext['witnessing']>) => ({
  need: quorum,
  witnessed_size: head()?.size ?? 0,
  witnesses: states().map(({ witness, cosignedSize, error }) => ({
    witness,
    cosigned_size: cosignedSize,
    ...(error === undefined ? {} : { error }),
  })),
})

const toCluster = ({ role, term, sequencer }: MemberState) => ({
  role,
  term,
  ...(sequencer === undefined ? {} : { sequencer }),
})

const toAudit = ({ rounds, records, problems, completed }: AuditorState) => ({
  rounds,
  records,
  problems,
  ...(completed === undefined ? {} : { completed: formatMicros(completed) }),
})
