import { parseVkey, readCosignature } from '@entente/verify/tlog'
import type { CosignatureRow, Store, StoredHead } from '#store/store.ts'

/** A checkpoint with the lines of the witnesses that cosigned it; `by` are their verifier keys. */
export type CosignedHead = StoredHead & { by: readonly string[] }

/** Adds to a checkpoint of the log what witnesses have cosigned, each line verified. */
export type ReadCosigned = (head: StoredHead) => Promise<CosignedHead>

/** More are not added to a note: C2SP signed-note asks readers for 16 signatures, those of this project take 100. */
const MOST = 50
/** Checkpoints whose cosignatures are not verified again while they are asked for: the newest, and those that ledgers have. */
const KEPT = 16

/** Reads cosignatures from a store, where anybody may have written: a line that does not verify would spoil the whole note for its reader. */
export function createCosigned(store: Pick<Store, 'cosignatures'>): ReadCosigned {
  const verified = new Map<string, CosignedHead>()
  return async head => {
    const rows = await store.cosignatures(head.size)
    if (rows.length === 0) return { ...head, by: [] }
    const found = head.note + rows.map(row => `${row.witness}\n${row.line}`).join('')
    let cosigned = verified.get(found)
    if (cosigned === undefined) {
      cosigned = verify(head, rows)
      verified.set(found, cosigned)
      if (verified.size > KEPT) verified.delete(verified.keys().next().value as string)
    }
    return cosigned
  }
}

function verify({ size, note }: StoredHead, rows: readonly CosignatureRow[]): CosignedHead {
  const by: string[] = []
  let lines = ''
  for (const { witness, line } of rows) {
    if (by.length === MOST) break
    try {
      lines += readCosignature(note, line, parseVkey(witness)).line
      by.push(witness)
    } catch {} // a line that is no cosignature is none
  }
  return { size, note: note + lines, by }
}
