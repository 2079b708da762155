import type { FastifyReply } from 'fastify'
import { required } from '#notary/finality.ts'
import type { Target, TaxiiContext } from './context.ts'
import { TaxiiError } from './errors.ts'
import type { Page } from './pages.ts'

/**
 * `verify=ledger`: the ledgers are asked, now, for the anchor that covers the newest object of the page, by its transaction. As many as the
 * collection requires must have it final, or nothing is served. `X-Entente-Ledger` names each that has.
 *
 * @throws TaxiiError 500 `integrity` where a ledger contradicts the log; 503 `unconfirmed` where too few stand for the page
 */
export async function confirmPage(
  context: TaxiiContext,
  { config }: Target,
  reply: FastifyReply,
  page: Page,
): Promise<void> {
  const size = page.items.reduce((most, { row }) => Math.max(most, row.leaf + 1), 0)
  if (size === 0) return
  if (config.ledgers.length === 0)
    throw new TaxiiError(400, 'query', 'this collection is anchored on no ledger: leave verify=ledger out')
  const answers = await Promise.all(config.ledgers.map(ledger => context.confirm(ledger, size)))
  for (const answer of answers) {
    if (answer.level !== 'contradicted') continue
    const { ledger, reason } = answer
    context.log('error', 'a ledger contradicts the log', { ledger, error: reason })
    throw new TaxiiError(
      500,
      'integrity',
      `ledger "${ledger}" does not stand for these objects: ${reason}. The operator has been alerted`,
    )
  }
  const final = answers.filter(answer => answer.level === 'final')
  if (final.length < required(config)) {
    const said = answers.map(a => `${a.ledger}: ${'reason' in a ? a.reason : a.level}`)
    throw new TaxiiError(
      503,
      'unconfirmed',
      `${final.length} of the ${required(config)} ledgers that this collection needs have these objects final (${said.join('; ')}). Try again in a moment, or leave verify=ledger out`,
      { headers: { 'retry-after': '2' } },
    )
  }
  reply.header(
    'X-Entente-Ledger',
    final.map(a => `${a.ledger};size=${a.size};transaction=${a.transaction};block=${a.block}`).join(', '),
  )
}
