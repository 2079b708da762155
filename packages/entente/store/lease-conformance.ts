import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { LeaseStore } from './lease.ts'

/** What every {@link LeaseStore} must do. `open` gives two servers that share one; a returned text is why it can't here. */
export function leaseConformance(
  name: string,
  open: (t: TestContext) => Promise<[LeaseStore, LeaseStore] | string>,
): void {
  const subject = (what: string, run: (a: LeaseStore, b: LeaseStore) => Promise<void>): void =>
    void test(`${name}: ${what}`, async t => {
      const opened = await open(t)
      if (typeof opened === 'string') t.skip(opened)
      else await run(...opened)
    })

  subject('nothing is there at first; what one puts there the other reads', async (a, b) => {
    assert.equal(await a.read(), undefined)
    assert.equal(await a.swap('something', 'else'), false)
    assert.equal(await a.swap(undefined, 'one\nüñ "\\'), true)
    assert.equal(await b.read(), 'one\nüñ "\\')
  })

  subject('a text is put in the place of the one that was expected, and of no other', async (a, b) => {
    assert.equal(await a.swap(undefined, 'one'), true)
    assert.equal(await b.swap(undefined, 'two'), false)
    assert.equal(await b.swap('on', 'two'), false)
    assert.equal(await b.swap('one', 'two'), true)
    assert.equal(await a.swap('one', 'three'), false)
    assert.equal(await a.read(), 'two')
  })

  subject('of many at once one puts its text there', async (a, b) => {
    for (const expected of [undefined, 'x']) {
      if (expected !== undefined) assert.equal(await a.swap(await a.read(), expected), true)
      const swapped = await Promise.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 ? a : b).swap(expected, `text ${i}`)),
      )
      assert.equal(swapped.filter(Boolean).length, 1)
      assert.equal(await b.read(), `text ${swapped.indexOf(true)}`)
    }
  })

  subject('settling and asking what is stored change no text', async (a, b) => {
    assert.equal(await a.swap(undefined, 'one'), true)
    await Promise.all([a.settle(), b.barrier(), b.settle(), a.barrier()])
    assert.equal(await b.read(), 'one')
  })
}
