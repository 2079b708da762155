// What every adapter of the Chain port has to do, as tests: call `chainConformance` in a test file of the adapter.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Chain, ContractRefusal } from '../chain.ts'
import { onLedger } from './again.ts'
import { LedgerError } from '../error.ts'
import { rejects } from './anchor.ts'

export interface ChainSubject {
  readonly chain: Chain
  /** A contract whose `write(n)` emits one event that has `topic(n)` among its topics. */
  readonly contract: string
  write(n: number): Uint8Array
  topics(n: number): (string | undefined)[]
  /** A call whose answer is not empty, and says whether `write(n)` took effect. */
  ask(n: number): Uint8Array
  isWritten(answer: Uint8Array): boolean
  /** A call that the contract refuses with data. */
  readonly refused: Uint8Array
  dispose(): Promise<void>
}

/**
 * @param create Gives a fresh subject for each test, or the reason why there can be none here.
 * @param concurrency Tests at once, for a ledger on which each waits for blocks.
 */
export function chainConformance(name: string, create: () => Promise<ChainSubject | string>, concurrency = 1): void {
  const conforms = (title: string, run: (subject: ChainSubject) => Promise<void>) =>
    test(title, t => onLedger(t, create, async ({ chain }) => chain.finality, run))

  describe(`Chain: ${name}`, { concurrency }, () => {
    conforms('submit, call, receipt, events', async ({ chain, contract, write, topics, ask, isWritten }) => {
      assert.equal(isWritten(await chain.call({ contract, data: ask(1) })), false)
      await chain.call({ contract, data: write(1) }) // leaves no trace
      assert.equal(isWritten(await chain.call({ contract, data: ask(1) })), false)
      const receipt = await chain.submit({ contract, data: write(1) })
      assert.equal(isWritten(await chain.call({ contract, data: ask(1) })), true)
      assert.deepEqual(await chain.receipt(receipt.transaction), receipt)
      assert.deepEqual(await chain.events({ contract, topics: topics(1), fromBlock: 0 }), receipt.events)
      assert.equal(receipt.events.length, 1)
      assert.equal(receipt.events[0]?.transaction, receipt.transaction)
      assert.deepEqual(await chain.events({ contract, topics: topics(2), fromBlock: 0 }), [])
      assert.deepEqual(await chain.events({ contract, topics: topics(1), fromBlock: receipt.block + 1 }), [])
    })

    conforms('calls take effect in order, events come in order', async ({ chain, contract, write, topics }) => {
      const receipts = await Promise.all([1, 2, 3, 4, 5].map(n => chain.submit({ contract, data: write(n) })))
      const events = await chain.events({ contract, topics: [topics(1)[0]], fromBlock: 0 })
      assert.deepEqual(
        events.map(({ transaction }) => transaction),
        receipts.map(({ transaction }) => transaction),
      )
      const [from, to] = [receipts[1]?.block ?? 0, receipts[3]?.block ?? 0]
      const part = await chain.events({ contract, topics: [], fromBlock: from, toBlock: to })
      assert.ok(part.length >= 3 && part.every(({ block }) => block >= from && block <= to))
    })

    conforms(
      "a refusal has the contract's own words and leaves the chain usable",
      async ({ chain, contract, refused, write, ask, isWritten }) => {
        for (const refuse of [
          () => chain.call({ contract, data: refused }),
          () => chain.submit({ contract, data: refused }),
        ]) {
          await assert.rejects(refuse, error => {
            assert.ok(error instanceof LedgerError && error.code === 'refused', String(error))
            assert.ok(error.cause instanceof ContractRefusal && error.cause.data.length > 0)
            return true
          })
        }
        await chain.submit({ contract, data: write(7) })
        assert.ok(isWritten(await chain.call({ contract, data: ask(7) })))
      },
    )

    conforms('identity, headers, proofs of state', async ({ chain, contract, write }) => {
      const identity = await chain.identity()
      const { block, blockHash } = await chain.submit({ contract, data: write(1) })
      assert.deepEqual(await chain.identity(), identity)
      const header = await chain.header(block)
      assert.equal(header.number, block)
      assert.equal(header.hash, blockHash)
      assert.equal(header.parent, (await chain.header(block - 1)).hash)
      assert.equal((await chain.header(0)).hash, identity.genesis)
      assert.ok((await chain.header()).number >= block)
      assert.ok(header.time > 1_000_000_000 && header.time < 100_000_000_000)
      assert.ok(header.bytes === undefined || header.bytes.length > 300)
      const proof = await chain.prove(contract, [new Uint8Array(32), new Uint8Array(32).fill(7)], block)
      if (proof === undefined) return
      assert.equal(proof.header.hash, blockHash)
      assert.ok(proof.account.length > 0)
      assert.equal(proof.slots.length, 2)
      assert.ok(proof.slots.every(({ value }) => value.length === 32))
    })

    conforms('after close nothing answers', async ({ chain, contract, ask, write }) => {
      await chain.close()
      await chain.close()
      await rejects(chain.call({ contract, data: ask(1) }), 'unreachable')
      await rejects(chain.submit({ contract, data: write(1) }), 'unreachable')
    })
  })
}
