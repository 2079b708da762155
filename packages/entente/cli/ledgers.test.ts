import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Anchor, AnchorIdentity, SealedEvidence } from '#ledger/anchor.ts'
import { toEvidence, toPins } from './ledgers.ts'

const identity: AnchorIdentity = {
  ledger: 'clique',
  kind: 'evm',
  finality: { depth: 3 },
  enforces: true,
  chainId: '5',
  genesis: '0x00',
  contract: '0x12',
  logId: '0x34',
  owner: '0x56',
  validators: ['0x01', '0x02'],
  consensus: 'clique',
}
const evidence: SealedEvidence = {
  size: 7,
  root: new Uint8Array(32),
  block: 9,
  blockHash: '0x99',
  header: Uint8Array.of(1),
  accountProof: [Uint8Array.of(2)],
  storageProof: [Uint8Array.of(3)],
}
/** An anchor as far as it is asked here. */
const anchorOf = (of: AnchorIdentity, sealed: SealedEvidence): Anchor =>
  ({ ledger: of.ledger, kind: of.kind, describe: async () => of, prove: async () => sealed }) as unknown as Anchor
const row = {
  ledger: 'clique',
  size: 7,
  root: new Uint8Array(32),
  transaction: '0xaa',
  block: 8,
  blockHash: '0x88',
  final: true,
  at: 0,
}

test('what is to pin says how the validators seal, and sealed evidence has the headers on top where there are any', async () => {
  const following = [Uint8Array.of(4), Uint8Array.of(5)]
  const clique = anchorOf(identity, { ...evidence, following })
  const { consensus: _, ...bft } = identity
  const qbft = anchorOf({ ...bft, consensus: 'qbft' }, evidence)
  const pins = await toPins([clique, qbft])
  assert.deepEqual(
    pins.map(pin => pin['consensus']),
    ['clique', undefined],
  )
  const sealed = { header: '0x01', account_proof: ['0x02'], storage_proof: ['0x03'] }
  assert.deepEqual((await toEvidence(clique, row))?.['sealed'], { ...sealed, following: ['0x04', '0x05'] })
  assert.deepEqual((await toEvidence(qbft, row))?.['sealed'], sealed)
})
