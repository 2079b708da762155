import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDisagreements } from '../test/disagreements.ts'
import { createSample, testNoteKey } from '../test/sample.ts'
import { ED25519 } from '../tlog/index.ts'
import { verifyDisagreement } from './index.ts'

const sample = createSample()
const files = createDisagreements(sample) as Record<string, any>
const { trust } = sample
const change = (name: string, changes: object) => ({ ...files[name], ...changes })
const refuses = (file: object, code: string, message?: RegExp) =>
  assert.throws(() => verifyDisagreement(file, trust), { name: 'ProofError', code, ...(message ? { message } : {}) })

test('each kind verifies from its text, and says whether it convinces by itself', () => {
  const found = Object.entries(files).map(([name, file]) => {
    const { kind, isConclusive, shown, remembered, index } = verifyDisagreement(JSON.stringify(file), trust)
    return [name, kind, isConclusive, remembered?.size, shown.size, index]
  })
  assert.deepEqual(found, [
    ['fork_same_size', 'fork', true, 9, 9, undefined],
    ['fork', 'fork', true, 9, 12, undefined],
    ['rollback', 'rollback', false, 9, 5, undefined],
    ['unbacked', 'unbacked', false, 9, 12, undefined],
    ['receipt', 'receipt', true, undefined, 9, 3],
    ['ledger', 'ledger', false, undefined, 9, undefined],
    ['ledger_ahead', 'ledger', false, undefined, 9, undefined],
    ['receipt_beyond', 'receipt', false, undefined, 5, 7],
  ])
})

test('it does not matter which of the two was seen first', () => {
  const { shown, remembered } = files['fork']
  assert.equal(verifyDisagreement(change('fork', { shown: remembered, remembered: shown }), trust).isConclusive, true)
})

test('two that agree are no evidence', () => {
  refuses(change('fork_same_size', { shown: sample.checkpoint }), 'log', /agree/)
  refuses(change('rollback', { shown: files['fork'].shown }), 'log', /no rollback/)
  // The tree under the checkpoint begins with what it does begin with: that root is no other one.
  const { root, consistency } = files['fork']
  refuses(change('fork', { consistency: consistency.slice(1) }), 'log')
  refuses(change('fork', { consistency: [...consistency, root] }), 'log')
  refuses(change('fork', { root: files['fork'].consistency[0] }), 'log')
})

test('a ledger that agrees is no evidence', () => {
  const { anchor, root, consistency } = files['ledger']
  refuses(change('ledger', { anchor: { ...anchor, root } }), 'log', /they agree/)
  refuses(change('ledger', { root: anchor.root }), 'log')
  refuses(change('ledger', { consistency: consistency.slice(1) }), 'log')
  refuses(change('ledger', { root: undefined }), 'malformed')
  refuses(change('ledger_ahead', { root, consistency }), 'malformed')
  refuses(change('ledger_ahead', { anchor: { ...files['ledger_ahead'].anchor, size: 9 } }), 'malformed')
  refuses(change('ledger', { anchor: { ...anchor, more: 1 } }), 'malformed')
  refuses(change('ledger', { anchor: { ...anchor, contract: 7 } }), 'malformed')
})

test('a receipt that the log kept is no evidence', () => {
  const { receipt, inclusion } = files['receipt']
  refuses(change('receipt', { entry: Buffer.from(sample.commitments[0]!).toString('base64') }), 'log', /promises/)
  refuses(change('receipt', { inclusion: inclusion.slice(1) }), 'log')
  refuses(change('receipt', { index: 4 }), 'log', /no entry 4/)
  refuses(change('receipt', { index: 3, entry: undefined }), 'malformed')
  refuses(change('receipt', { receipt: receipt.replace('\n3 ', '\n2 ') }), 'log')
})

test('every signature counts: another key, another log, one flipped bit', () => {
  const stranger = testNoteKey('stranger.example/log', ED25519)
  assert.throws(() => verifyDisagreement(files['fork'], { vkeys: [stranger.vkey] }), { code: 'log' })
  for (const name of Object.keys(files)) {
    for (const member of ['shown', 'remembered', 'receipt']) {
      const note = files[name][member] as string | undefined
      if (note === undefined) continue
      const at = note.lastIndexOf(' ') + 20
      const flipped = note.slice(0, at) + (note[at] === 'A' ? 'B' : 'A') + note.slice(at + 1)
      refuses(change(name, { [member]: flipped }), 'log')
    }
  }
})

test('no member too many, none too few, none of another form', () => {
  for (const [name, file] of Object.entries(files)) {
    refuses({ ...file, extra: 1 }, 'malformed')
    for (const member of Object.keys(file)) {
      const { [member]: _, ...rest } = file
      assert.throws(() => verifyDisagreement(rest, trust), { name: 'ProofError' }, `${name} without ${member}`)
      assert.throws(() => verifyDisagreement({ ...file, [member]: {} }, trust), { name: 'ProofError' })
    }
  }
  const { root, consistency } = files['fork']
  refuses(change('fork_same_size', { root, consistency }), 'malformed')
  refuses(change('receipt_beyond', { entry: root }), 'malformed')
  refuses([], 'malformed')
  assert.throws(() => verifyDisagreement('{"kind":"fork","kind":"fork"}', trust), { code: 'malformed' })
  assert.throws(() => verifyDisagreement('null', trust), { code: 'malformed' })
})
