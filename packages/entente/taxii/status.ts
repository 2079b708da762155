import { type AnchorPolicy, isFinal, isFinalOn, type LedgerState } from '#notary/finality.ts'
import { formatMicros } from '#notary/time.ts'
import type { StatusItem, StatusRow } from '#store/store.ts'
import type { CollectionConfig, TaxiiContext } from './context.ts'

/** Status resource (TAXII 2.1 section 4.3.1; docs/formats.md 11). Whether it is complete follows from the ledgers; nothing is rewritten for it. */
export async function toStatusResource(
  context: TaxiiContext,
  config: CollectionConfig,
  row: StatusRow,
): Promise<Record<string, unknown>> {
  const states = context.ledgers()
  const gone = row.gone ?? { accepted: 0, failed: 0 }
  const accepted = row.accepted.length + gone.accepted
  const failed = row.failed.length + gone.failed
  const final = accepted === 0 || isFinal(config, row.size, states)
  const lists = {
    ...list('success', 'successes', final ? row.accepted : [], final ? accepted : 0),
    ...list('failure', 'failures', row.failed, failed),
    ...list('pending', 'pendings', final ? [] : row.accepted, final ? 0 : accepted),
  }
  const ledgers = []
  for (const ledger of config.ledgers) {
    const state = states.find(s => s.ledger === ledger)
    ledgers.push({ ledger, ...(await onLedger(context, config, row.size, state)) })
  }
  const witnesses = toWitnesses(context, row.size)
  const below = witnesses && (context.witnessing?.head()?.size ?? 0) >= row.size ? 'witnessed' : 'logged'
  return {
    id: row.id,
    status: final ? 'complete' : 'pending',
    request_timestamp: formatMicros(row.requested),
    total_count: accepted + failed,
    ...lists,
    // A status that was taken over from another server has none.
    ...(row.receipt === '' ? {} : { x_entente_receipt: row.receipt }),
    x_entente: {
      size: row.size,
      level: final && ledgers.length > 0 ? 'final' : ledgers.some(l => l.level !== 'logged') ? 'anchored' : below,
      ...(witnesses ? { witnesses } : {}),
      ledgers,
    },
  }
}

/** How many witnesses have cosigned a checkpoint that covers this size, how many must, and how many there are. */
function toWitnesses({ witnessing }: TaxiiContext, size: number) {
  if (!witnessing) return undefined
  const states = witnessing.states()
  return { have: states.filter(s => s.cosignedSize >= size).length, need: witnessing.quorum, of: states.length }
}

/** What one ledger has of a request that a log of `size` covers. */
async function onLedger(context: TaxiiContext, policy: AnchorPolicy, size: number, state: LedgerState | undefined) {
  if (!state) return { level: 'logged', final: false }
  const level = state.finalSize >= size ? 'final' : state.anchoredSize >= size ? 'anchored' : 'logged'
  const anchor = level === 'logged' ? undefined : await context.notary.store.anchorCovering(state.ledger, size)
  const sent = level === 'logged' && (state.sent?.size ?? 0) >= size ? state.sent : undefined
  const isRecorded = policy.record === 'full' && state.recordedSize !== undefined && state.recordedSize >= size
  return {
    level,
    final: isFinalOn(policy, size, state),
    ...(anchor ? { transaction: anchor.transaction, block: anchor.block } : {}),
    ...(sent ? { sent: sent.transaction } : {}),
    ...(policy.record === 'full' && state.recordedSize !== undefined ? { recorded: isRecorded } : {}),
    ...(level !== 'final' && state.error !== undefined ? { error: state.error } : {}),
  }
}

/** Empty lists are left out (TAXII 2.1 section 2, "list"). The count holds what was erased since, the list doesn't. */
function list(noun: string, plural: string, items: StatusItem[], count: number): Record<string, unknown> {
  return { [`${noun}_count`]: count, ...(items.length > 0 ? { [plural]: items } : {}) }
}
