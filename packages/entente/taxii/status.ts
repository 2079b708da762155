import { isFinal } from '#notary/finality.ts'
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
  const final = row.accepted.length === 0 || isFinal(config, row.size, states)
  const lists = {
    ...list('success', 'successes', final ? row.accepted : []),
    ...list('failure', 'failures', row.failed),
    ...list('pending', 'pendings', final ? [] : row.accepted),
  }
  const ledgers = []
  for (const ledger of config.ledgers) {
    const state = states.find(s => s.ledger === ledger)
    const isCovered = state !== undefined && state.finalSize >= row.size
    const anchor = isCovered ? await context.notary.store.anchorCovering(ledger, row.size) : undefined
    ledgers.push({
      ledger,
      final: isCovered,
      ...(anchor ? { transaction: anchor.transaction, block: anchor.block } : {}),
      ...(!isCovered && state?.error !== undefined ? { error: state.error } : {}),
    })
  }
  return {
    id: row.id,
    status: final ? 'complete' : 'pending',
    request_timestamp: formatMicros(row.requested),
    total_count: row.accepted.length + row.failed.length,
    ...lists,
    x_entente_receipt: row.receipt,
    x_entente: {
      size: row.size,
      level: ledgers.some(l => l.final) ? (final ? 'final' : 'anchored') : 'logged',
      ledgers,
    },
  }
}

/** Empty lists are left out (TAXII 2.1 section 2, "list"). */
function list(noun: string, plural: string, items: StatusItem[]): Record<string, unknown> {
  return { [`${noun}_count`]: items.length, ...(items.length > 0 ? { [plural]: items } : {}) }
}
