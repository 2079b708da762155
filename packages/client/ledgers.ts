import type { Disagreement, LedgerClaim } from '@entente/verify/proof'
import { encodeBase64, formatTilePath, type TilePath } from '@entente/verify/tlog'
import { compareCheckpoints } from './consistency.ts'
import { type LogSource, readTile, type SeenCheckpoint } from './watch.ts'

/**
 * Holds what a ledger has of a log against the log as its server shows it: the tree that was anchored must be the beginning of the one that is shown.
 * The ledger is to be asked before the server, or it may be ahead for the moment between.
 *
 * @returns evidence where they do not agree
 * @throws what the source throws
 */
export async function compareWithLedger(
  source: LogSource,
  shown: SeenCheckpoint,
  ledger: Omit<LedgerClaim, 'size' | 'root'>,
  anchored: { size: number; root: Uint8Array },
  now: () => number = Date.now,
): Promise<Disagreement | undefined> {
  const asked = ['/log/checkpoint']
  const common = {
    format: 'entente/evidence/v1' as const,
    found: new Date(now()).toISOString(),
    server: source.name,
    asked,
    vkey: shown.vkey,
    ...(shown.successions.length > 0 ? { successions: shown.successions } : {}),
    shown: shown.note,
  }
  const anchor: LedgerClaim = { ...ledger, size: anchored.size, root: encodeBase64(anchored.root) }
  if (anchored.size > shown.size) return { ...common, kind: 'ledger', anchor }
  const at = { origin: shown.origin, extensions: [], ...anchored }
  const result = await compareCheckpoints(at, shown, async (level, index, width) => {
    const path: TilePath = { level, index, width }
    asked.push(`/log/${formatTilePath(path)}`)
    return readTile(source, path)
  })
  if (result.is === 'consistent') return undefined
  if (result.is === 'fork' && result.root === undefined)
    return { ...common, kind: 'ledger', anchor, root: encodeBase64(shown.root), consistency: [] }
  if (result.is === 'fork') {
    const { is: _, ...proof } = result
    return { ...common, kind: 'ledger', anchor, ...proof }
  }
  const { answer } = result
  return { ...common, kind: 'unbacked', remembered: shown.note, seen: common.found, answer }
}
