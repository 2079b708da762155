// What every adapter of the Anchor port has to do, as tests: call `anchorConformance` in a test file of the adapter.
import { onLedger } from './again.ts'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Anchor, AnchorReceipt, Checkpoint } from '../anchor.ts'
import { LedgerError, type LedgerErrorCode } from '../error.ts'
import { TestTree } from './tree.ts'

export interface AnchorSubject {
  /** On a log that has no checkpoint yet. */
  readonly anchor: Anchor
  /** Opens the log again; the anchor before was closed. */
  reopen(): Promise<Anchor>
  /** Anchors of a size on the ledger, counted without the anchor under test. */
  countAnchors(size: number): Promise<number>
  /**
   * Breaks the next write: `dropped` before it reaches the ledger, `answer-lost` after. With `outage`, nothing else answers either until
   * `heal`. Absent where the adapter's connection cannot be broken.
   */
  fault?(kind: 'dropped' | 'answer-lost', outage: boolean): void
  heal?(): void
  dispose(): Promise<void>
}

/**
 * @param create Gives a fresh subject for each test, or the reason why there can be none here.
 * @param concurrency Tests at once, for a ledger on which each waits for blocks.
 */
export function anchorConformance(name: string, create: () => Promise<AnchorSubject | string>, concurrency = 1): void {
  const conforms = (title: string, run: (subject: AnchorSubject, tree: TestTree) => Promise<void>) =>
    test(title, t =>
      onLedger(
        t,
        create,
        async ({ anchor }) => (await anchor.describe()).finality,
        subject => run(subject, new TestTree(title)),
      ),
    )

  describe(`Anchor: ${name}`, { concurrency }, () => {
    conforms('a log without checkpoints', async ({ anchor }) => {
      assert.equal(await anchor.latest(), undefined)
      assert.equal(await anchor.find(1), undefined)
      assert.equal(await anchor.read(`0x${'ab'.repeat(32)}`), undefined)
      assert.equal(await anchor.prove?.(1), undefined)
      const identity = await anchor.describe()
      assert.equal(identity.ledger, anchor.ledger)
      assert.equal(identity.kind, anchor.kind)
      assert.notEqual(identity.genesis, '')
      assert.deepEqual(await anchor.describe(), identity)
    })

    conforms('the time of the newest block', async ({ anchor }, tree) => {
      const started = Math.floor(Date.now() / 1000)
      await append(anchor, tree, 1)
      const time = await anchor.time()
      if (time === undefined) return
      assert.ok(Number.isSafeInteger(time), `${time}`)
      assert.ok(Math.abs(time - started) < 60, `${time} is not near ${started}`)
    })

    conforms('append, then latest, find, read, finality, prove', async ({ anchor, countAnchors }, tree) => {
      const sizes = [1, 2, 7, 8, 300]
      const receipts: AnchorReceipt[] = []
      for (const size of sizes) {
        const receipt = await append(anchor, tree, size)
        assertCheckpoint(receipt, tree, size)
        assert.equal(receipt.ledger, anchor.ledger)
        assertCheckpoint(await anchor.latest(), tree, size)
        receipts.push(receipt)
      }
      for (const receipt of receipts) {
        assert.deepEqual(await anchor.find(receipt.size), receipt)
        assert.deepEqual(await anchor.read(receipt.transaction), receipt)
        assert.equal(await countAnchors(receipt.size), 1)
        const { final, confirmations } = await anchor.finality(receipt)
        assert.equal(typeof final, 'boolean')
        assert.ok(confirmations >= 0)
        assert.deepEqual(await anchor.finality({ ...receipt, blockHash: `0x${'00'.repeat(32)}` }), {
          final: false,
          confirmations: 0,
        })
      }
      assert.equal(await anchor.find(299), undefined)
      // Undefined for what is anchored: the ledger has no headers, or no proofs of state, that can be checked.
      if (anchor.prove === undefined || (await anchor.prove(sizes[0] ?? 1)) === undefined) return
      for (const size of sizes) assertCheckpoint(await proven(anchor, size), tree, size)
      assert.equal(await anchor.prove(299), undefined)
    })

    conforms(
      'the latest checkpoint again resolves with the anchor that is there',
      async ({ anchor, reopen, countAnchors }, tree) => {
        const first = await append(anchor, tree, 5)
        assert.deepEqual(await append(anchor, tree, 5), first)
        const both = await Promise.all([append(anchor, tree, 9), append(anchor, tree, 9)])
        assert.deepEqual(both[0], both[1])
        await anchor.close()
        const again = await reopen()
        assertCheckpoint(await again.latest(), tree, 9)
        assert.deepEqual(await append(again, tree, 9), both[0])
        assert.equal(await countAnchors(5), 1)
        assert.equal(await countAnchors(9), 1)
        await append(again, tree, 12)
        await again.close()
      },
    )

    conforms('calls reach the ledger in their order', async ({ anchor }, tree) => {
      const receipts = await Promise.all([3, 4, 8, 20].map(size => append(anchor, tree, size)))
      assert.deepEqual(
        receipts.map(({ size }) => size),
        [3, 4, 8, 20],
      )
      const blocks = receipts.map(({ block }) => block)
      assert.deepEqual(
        blocks,
        [...blocks].sort((a, b) => a - b),
      )
    })

    conforms('stale and forked checkpoints change nothing', async ({ anchor }, tree) => {
      const other = new TestTree('another history')
      await append(anchor, tree, 6)
      await rejects(append(anchor, tree, 5), 'stale')
      await rejects(append(anchor, other, 6), 'fork')
      await rejects(append(anchor, other, 9), 'fork')
      await rejects(
        anchor.append({ size: 9, root: tree.root(9), note: '' }, () => []),
        'fork',
      )
      await rejects(
        anchor.append({ size: 9, root: tree.root(9), note: '' }, old => tree.consistency(old, 10)),
        'fork',
      )
      assertCheckpoint(await anchor.latest(), tree, 6)
      assert.equal(await anchor.find(9), undefined)
      await append(anchor, tree, 9)
    })

    conforms('what is no checkpoint is refused', async ({ anchor }, tree) => {
      for (const size of [0, -1, 1.5, 2 ** 53, Number.NaN]) {
        await rejects(async () => anchor.append({ size, root: tree.root(1), note: '' }, () => []), 'invalid')
      }
      await rejects(async () => anchor.append({ size: 1, root: new Uint8Array(31), note: '' }, () => []), 'invalid')
      assert.equal(await anchor.latest(), undefined)
    })

    conforms('an error of the consistency proof comes back as it is', async ({ anchor }, tree) => {
      await append(anchor, tree, 3)
      const reason = new Error('a tile is missing')
      const failing = () => {
        throw reason
      }
      await assert.rejects(anchor.append({ size: 4, root: tree.root(4), note: '' }, failing), error => error === reason)
      assertCheckpoint(await anchor.latest(), tree, 3)
      await append(anchor, tree, 4)
    })

    conforms('after close nothing answers', async ({ anchor }, tree) => {
      const receipt = await append(anchor, tree, 3)
      await anchor.close()
      await anchor.close()
      await rejects(anchor.latest(), 'unreachable')
      await rejects(append(anchor, tree, 4), 'unreachable')
      await rejects(anchor.read(receipt.transaction), 'unreachable')
    })

    for (const kind of ['dropped', 'answer-lost'] as const) {
      for (const outage of [false, true]) {
        conforms(
          `a write that is ${kind}${outage ? ', then an outage' : ''}: one anchor, no error in the end`,
          async (subject, tree) => {
            const { anchor, fault, heal, countAnchors } = subject
            if (fault === undefined || heal === undefined) return
            await append(anchor, tree, 3)
            fault(kind, outage)
            const appended = append(anchor, tree, 7)
            if (outage) {
              await rejects(appended, 'unreachable')
              heal()
            }
            const receipt = outage ? await append(anchor, tree, 7) : await appended
            assertCheckpoint(receipt, tree, 7)
            assertCheckpoint(await anchor.latest(), tree, 7)
            assert.equal(await countAnchors(7), 1)
            assert.deepEqual(await append(anchor, tree, 7), receipt)
            await append(anchor, tree, 8)
            assert.equal(await countAnchors(7), 1)
          },
        )
      }
    }
  })
}

/** Where evidence needs blocks on top of the anchor's, it comes with them. */
async function proven(anchor: Anchor, size: number): Promise<Checkpoint | undefined> {
  for (let tries = 0; tries < 40; tries++) {
    const evidence = await anchor.prove?.(size)
    if (evidence !== undefined) return evidence
    await sleep(250)
  }
  return undefined
}

/** Anchors a checkpoint of a test tree with its own proof. */
export const append = (anchor: Anchor, tree: TestTree, size: number): Promise<AnchorReceipt> =>
  anchor.append({ size, root: tree.root(size), note: '' }, oldSize => tree.consistency(oldSize, size))

export function assertCheckpoint(found: Checkpoint | undefined, tree: TestTree, size: number): void {
  assert.equal(found?.size, size)
  assert.deepEqual(Buffer.from(found.root), Buffer.from(tree.root(size)))
}

export async function rejects(
  promise: Promise<unknown> | (() => Promise<unknown>),
  code: LedgerErrorCode,
): Promise<void> {
  await assert.rejects(promise, error => {
    assert.ok(error instanceof LedgerError, String(error))
    assert.equal(error.code, code, error.message)
    return true
  })
}
