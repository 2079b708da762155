// Evidence of each kind (docs/formats.md 12), from the log of sample.ts and a second history that the same key signs. TEST KEYS.
import { type Disagreement, signReceipt } from '../proof/index.ts'
import {
  consistencyProof,
  encodeBase64,
  formatCheckpoint,
  hashLeaf,
  inclusionProof,
  signNote,
  tileHashReader,
  TreeEdge,
  treeRoot,
} from '../tlog/index.ts'
import { type createSample, testSeed } from './sample.ts'

const SHOWN = '2026-05-03T08:00:00.000Z'
const COMMON = { format: 'entente/evidence/v1', server: 'https://taxii.example/' } as const

const LEDGER = {
  kind: 'evm',
  chain_id: 6100,
  contract: `0x${'c0'.repeat(20)}`,
  log_id: `0x${'01'.repeat(32)}`,
}

/** The second history: as many entries as asked for, all of them others. */
function createOther({ log }: ReturnType<typeof createSample>, size: number) {
  const entries = Array.from({ length: size }, (_, i) => testSeed(`other entry ${i}`))
  const edge = TreeEdge.empty()
  for (const entry of entries) edge.append(hashLeaf(entry))
  const leaves = new Uint8Array(entries.flatMap(entry => [...hashLeaf(entry)]))
  const reader = tileHashReader(size, () => leaves)
  const text = formatCheckpoint({ origin: log.signer.name, size, root: edge.root(), extensions: [] })
  return { entries, reader, note: signNote(text, log.signer) }
}

export function createDisagreements(sample: ReturnType<typeof createSample>): Record<string, Disagreement> {
  const remembered = { remembered: sample.checkpoint, seen: '2026-05-02T08:00:00.000Z' }
  const asked = ['/log/checkpoint']
  const common = { ...COMMON, found: SHOWN, vkey: sample.log.vkey, asked }
  const [same, smaller, larger] = [sample.size, 5, 12].map(size => createOther(sample, size))
  const { size, commitments, firstIndex } = sample
  const index = firstIndex
  const sampleReader = tileHashReader(size, sample.readTile)
  const receiptAt = (at: number) =>
    signReceipt(
      {
        origin: sample.log.signer.name,
        status: '2d086da7-4bdc-4f91-900e-d77486753710',
        entries: [{ index: at, commitment: commitments[0]! }],
      },
      sample.log.signer,
    )
  return {
    fork_same_size: { ...common, kind: 'fork', shown: same!.note, ...remembered },
    fork: {
      ...common,
      kind: 'fork',
      asked: [...asked, '/log/tile/0/000.p/12'],
      shown: larger!.note,
      ...remembered,
      root: encodeBase64(treeRoot(size, larger!.reader)),
      consistency: consistencyProof(size, 12, larger!.reader).map(encodeBase64),
    },
    rollback: { ...common, kind: 'rollback', shown: smaller!.note, ...remembered },
    unbacked: {
      ...common,
      kind: 'unbacked',
      shown: larger!.note,
      ...remembered,
      answer: 'tile/0/000.p/12 is not there',
    },
    receipt: {
      ...common,
      kind: 'receipt',
      shown: same!.note,
      receipt: receiptAt(index),
      index,
      entry: encodeBase64(same!.entries[index]!),
      inclusion: inclusionProof(index, size, same!.reader).map(encodeBase64),
    },
    ledger: {
      ...common,
      kind: 'ledger',
      shown: sample.checkpoint,
      anchor: { ...LEDGER, size: 5, root: encodeBase64(treeRoot(5, smaller!.reader)) },
      root: encodeBase64(treeRoot(5, sampleReader)),
      consistency: consistencyProof(5, size, sampleReader).map(encodeBase64),
    },
    ledger_ahead: {
      ...common,
      kind: 'ledger',
      shown: sample.checkpoint,
      anchor: { ...LEDGER, size: 12, root: encodeBase64(treeRoot(12, larger!.reader)) },
    },
    receipt_beyond: { ...common, kind: 'receipt', shown: smaller!.note, receipt: receiptAt(7), index: 7 },
  }
}
