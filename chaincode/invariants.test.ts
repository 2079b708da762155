// The invariants of contracts/test/CheckpointAnchor.invariants.t.sol, on the chaincode: what was taken stays, sizes never shrink, one history a log.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TestTree } from '../packages/entente/ledger/conformance/tree.ts'
import { Refusal } from './index.ts'
import { createTestLedger, identity } from './test/ledger.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20261122)
const PEOPLE = ['one', 'two', 'a stranger'].map(identity)
const TREES = [new TestTree('invariant'), new TestTree('attack')] as const
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const step = fc.record({
  log: fc.nat(1),
  caller: fc.nat(2),
  tree: fc.nat(1),
  /** of the tree that the root and the proof are made from, and the size that is claimed for it */
  size: fc.integer({ min: 1, max: 120 }),
  claimed: fc.option(fc.integer({ min: 0, max: 130 })),
  oldSize: fc.option(fc.nat(120)),
  flip: fc.option(fc.nat(20_000)),
})

test('every root that was anchored stays, and no log shrinks or has two histories', async t => {
  let taken = 0
  const property = fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async steps => {
    const ledger = createTestLedger()
    const logs = (await Promise.all(
      [0, 1].map(n => ledger.transact(PEOPLE[n]!, 'register', '01'.repeat(32))),
    )) as string[]
    const highest = [0, 0]
    /** By the first checkpoint, which is taken on trust. */
    const histories: (number | undefined)[] = [undefined, undefined]
    const roots = new Map<string, string>()
    for (const { log, caller, tree, size, claimed, oldSize, flip } of steps) {
      const from = oldSize ?? highest[log]!
      const proof = (from > 0 && from < size ? TREES[tree]!.consistency(from, size) : []).map(Buffer.from)
      const flipped = flip !== null && proof.length > 0 ? proof[flip % proof.length] : undefined
      if (flipped) flipped[(flip! >> 3) % 32]! ^= 1 << (flip! & 7)
      const root = hex(TREES[tree]!.root(size))
      const at = claimed ?? size
      try {
        await ledger.transact(PEOPLE[caller]!, 'anchor', logs[log]!, at, root, ...proof.map(hex))
        assert.equal(caller, log, 'somebody else anchored')
        if (at > highest[log]!) {
          taken++
          histories[log] ??= tree
          // A root does not bind its size: what is proven is that the tree begins with the one before
          assert.equal(tree, histories[log], 'a fork was anchored')
          assert.ok(flipped === undefined || highest[log] === 0, 'a damaged proof was taken')
          highest[log] = at
          roots.set(`${log} ${at}`, root)
        }
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
      }
      for (const n of [0, 1]) {
        const latest = (await ledger.transact(PEOPLE[2]!, 'latest', logs[n]!)) as { size: number; root: string }
        assert.equal(latest.size, highest[n])
        if (latest.size > 0) assert.equal(latest.root, roots.get(`${n} ${latest.size}`))
      }
    }
    for (const [key, root] of roots) {
      const [log, size] = key.split(' ').map(Number)
      const stored = (await ledger.transact(PEOPLE[2]!, 'rootOf', logs[log!]!, size!)) as { root: string }
      assert.equal(stored.root, root)
    }
  })
  await fc.assert(property, { seed: SEED, numRuns: process.env['ENTENTE_TEST_LONG'] ? 2000 : 100 })
  assert.ok(taken > 100, `only ${taken} checkpoints were taken`)
  t.diagnostic(`${taken} checkpoints were taken`)
})
