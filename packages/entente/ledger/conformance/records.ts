// What every ledger that takes records has to do.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import type { RecordKeeper, StoredRecord } from '../records.ts'

/** One ledger, opened as often as a test wants. */
export interface RecordsSubject {
  open(): Promise<RecordKeeper>
  /** How many pieces are on the ledger under an id. */
  count(id: Uint8Array): Promise<number>
}

const recordOf = (name: string, length: number): StoredRecord => {
  const id = createHash('sha256').update(`entente test record ${name}`).digest()
  return { id, bytes: Buffer.alloc(length, id) }
}

export function recordsConformance(
  name: string,
  subject: (t: TestContext) => Promise<RecordsSubject | undefined>,
): void {
  const conforms = (title: string, run: (s: RecordsSubject) => Promise<void>) =>
    test(`RecordKeeper ${name}: ${title}`, async t => {
      const opened = await subject(t)
      if (opened) await run(opened)
    })

  conforms(
    'what was put comes back as it was: nothing, little, and more than a transaction takes',
    async ({ open }) => {
      const keeper = await open()
      const records = [0, 1, 31, 32_768, 32_769, 300_000].map(length => recordOf(`of ${length}`, length))
      await keeper.put(records)
      for (const { id, bytes } of records) {
        const found = await keeper.get(id)
        assert.equal(found.length, 1)
        assert.ok(Buffer.from(found[0] as Uint8Array).equals(bytes), `${bytes.length} bytes`)
      }
      assert.deepEqual(await keeper.get(recordOf('never put', 1).id), [])
      await keeper.put([])
    },
  )

  conforms('a new process finds what the last one put, and puts nothing twice', async ({ open, count }) => {
    const records = [recordOf('first', 10), recordOf('second', 100_000)]
    await (await open()).put(records)
    const again = await open()
    const third = recordOf('third', 5)
    await again.put([...records, third])
    for (const { id, bytes } of [...records, third]) {
      assert.equal((await again.get(id)).length, 1)
      assert.equal(await count(id), Math.max(1, Math.ceil(bytes.length / 32_768)))
    }
  })

  conforms('calls at once', async ({ open }) => {
    const keeper = await open()
    const records = Array.from({ length: 6 }, (_, i) => recordOf(`at once ${i}`, 20_000))
    await Promise.all(records.map(record => keeper.put([record])))
    for (const { id, bytes } of records)
      assert.deepEqual(
        (await keeper.get(id)).map(b => b.length),
        [bytes.length],
      )
  })
}
