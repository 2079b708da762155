import type { AnchorRow, RecordKind, RecordRow, StatusItem, StatusRow } from '#store/store.ts'

/** Columns of `record` in the order in which {@link toRecordRow} reads them, but for the last, the text. */
export const RECORD_COLUMNS =
  'leaf, coll, seq, kind, added, imported, id, version, digits, spec, superseded, refused, invalid'

const KINDS: RecordKind[] = ['object', 'deleted', 'equivocation']

export function toRecordRow(row: unknown): RecordRow {
  const r = row as [
    number,
    number,
    number,
    number,
    number,
    number,
    string | null,
    string | null,
    number,
    string | null,
    number | null,
    string | null,
    number,
    Uint8Array | null,
  ]
  return {
    leaf: r[0],
    collection: r[1],
    seq: r[2],
    kind: KINDS[r[3]] ?? 'object',
    added: r[4],
    imported: r[5] === 1,
    id: r[6],
    version: r[7],
    versionDigits: r[8],
    spec: r[9],
    superseded: r[10],
    refused: r[11],
    invalid: r[12] === 1,
    text: r[13],
  }
}

export function fromRecordRow(r: RecordRow): (number | string | null | Uint8Array)[] {
  const end = r.id === null ? -1 : r.id.indexOf('--')
  return [
    r.leaf,
    r.collection,
    r.seq,
    KINDS.indexOf(r.kind),
    r.added,
    r.imported ? 1 : 0,
    r.id,
    r.id === null || r.kind !== 'object' ? null : r.id.slice(0, end),
    r.version,
    r.versionDigits,
    r.spec,
    r.superseded,
    r.refused,
    r.invalid ? 1 : 0,
    r.text,
  ]
}

/** Columns of `status` in the order in which {@link fromStatusRow} gives them. */
export const STATUS_COLUMNS =
  'id, api_root, coll, submitter, requested, size, accepted, failed, receipt, gone_accepted, gone_failed'

export const fromStatusRow = (s: StatusRow): (number | string)[] => [
  s.id,
  s.apiRoot,
  s.collection,
  s.submitter,
  s.requested,
  s.size,
  JSON.stringify(s.accepted),
  JSON.stringify(s.failed),
  s.receipt,
  s.gone?.accepted ?? 0,
  s.gone?.failed ?? 0,
]

export function toStatusRow(row: Record<string, unknown>): StatusRow {
  const gone = { accepted: row['gone_accepted'] as number, failed: row['gone_failed'] as number }
  return {
    id: row['id'] as string,
    apiRoot: row['api_root'] as string,
    collection: row['coll'] as number,
    submitter: row['submitter'] as string,
    requested: row['requested'] as number,
    size: row['size'] as number,
    accepted: JSON.parse(row['accepted'] as string) as StatusItem[],
    failed: JSON.parse(row['failed'] as string) as StatusItem[],
    receipt: row['receipt'] as string,
    ...(gone.accepted + gone.failed > 0 ? { gone } : {}),
  }
}

export function toAnchorRow(row: Record<string, unknown>): AnchorRow {
  return {
    ledger: row['ledger'] as string,
    size: row['size'] as number,
    root: row['root'] as Uint8Array,
    transaction: row['tx'] as string,
    block: row['block'] as number,
    blockHash: row['block_hash'] as string,
    final: row['final'] === 1,
    at: row['at'] as number,
  }
}
