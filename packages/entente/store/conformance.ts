// What every adapter of the Store and Journal ports has to do (store/store.ts), as tests: call `storeConformance` in a test file of the adapter.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import {
  type AnchorRow,
  type Batch,
  type CollectionHead,
  emptyBatch,
  type Journal,
  type Lookup,
  type Mending,
  type RecordRow,
  type Sought,
  type StatusRow,
  type Store,
  StoreError,
  type StoreErrorCode,
  type StoredHead,
} from './store.ts'

/** A place that stores can be opened at, one after the other or at once. */
export type StoreSubject = {
  open(options?: {
    /** Called before and after the durable step of a commit; what it throws is the commit's failure. */
    fault?: (point: 'before-commit' | 'after-commit') => void
  }): Promise<Store & Journal>
  /** Every byte that the store keeps, or undefined where it lies on another machine. Called while it is open, and closed. */
  bytes(): Promise<Uint8Array[] | undefined>
  /** Lets another connection write one record's date behind the store's back, or undefined where there is no way. */
  tamper: ((leaf: number) => Promise<void>) | undefined
  dispose(): Promise<void>
}

/** @param create Gives a fresh, empty place for each test, or the reason why there can be none here. */
export function storeConformance(name: string, create: () => Promise<StoreSubject | string>): void {
  const conforms = (title: string, run: (store: Store & Journal, subject: StoreSubject) => Promise<void>) =>
    void test(title, async t => {
      const subject = await create()
      if (typeof subject === 'string') return t.skip(subject)
      const store = await subject.open()
      try {
        await run(store, subject)
      } finally {
        await store.close()
        await subject.dispose()
      }
    })

  describe(`Store: ${name}`, () => {
    conforms('an empty store has nothing', async store => {
      assert.equal(await store.head(), undefined)
      same(await store.collections(), [])
      assert.equal(await store.recordAt(0), undefined)
      same(await store.records(1, { from: 0, limit: 10, text: 'all' }), [])
      same(await store.versions(1, ID), [])
      same(await lookup(store, 1, ID, undefined), { same: [], refused: [] })
      same(await store.equivocations(1, ID), [])
      assert.equal((await store.known(1, [ID])).size, 0)
      assert.equal(await store.hasErased(), false)
      same(await store.wereErased([]), [])
      same(await store.gaps(1, 0), { present: 0, firstMissing: undefined })
      assert.equal(await store.tile(0, 0, 0), undefined)
      assert.equal(await store.entryBundle(0), undefined)
      assert.equal(await store.checkpoint(1), undefined)
      assert.equal(await store.checkpointFrom(0), undefined)
      same(await store.cosignatures(1), [])
      assert.equal(await store.cosignedSize(['w1'], 1), 0)
      assert.equal(await store.status('none'), undefined)
      await store.rewriteStatuses(1, ID, () => assert.fail('there is none'))
      assert.equal(await store.purgeStatuses(Number.MAX_SAFE_INTEGER, new Map([[1, 9]]), 9), 0)
      assert.equal(await store.opening('none'), undefined)
      same(await store.anchors(), [])
      assert.equal(await store.anchorCovering('local', 0), undefined)
    })

    conforms('what commit takes is read back, by this store and by the next', async (store, subject) => {
      const batch = fullBatch()
      await store.commit(undefined, batch)
      await assertHolds(store, batch)
      await store.close()
      const again = await subject.open()
      await assertHolds(again, batch)
      await again.close()
    })

    conforms('what is mended takes the place of what was there, and nothing else changes', async store => {
      const { head } = await commitRecords(store, [{ seq: 0 }, { seq: 1 }, { seq: 2 }])
      const [zero, one, two] = await store.scan(0, 10)
      assert.ok(head && zero && one && two)
      same(await store.scan(1, 1), [one])
      const text = bytes(40, 7)
      await store.mend(head, {
        ...NOTHING_MENDED,
        rows: [{ ...one, text, superseded: 2 }],
        remove: [two.leaf],
        supersede: [{ leaf: zero.leaf, by: 1 }],
        tiles: [{ tree: 0, level: 0, index: 0, data: bytes(64, 3) }],
        entryBundles: [{ index: 0, data: bytes(70, 4) }],
        collections: [{ ...collection(1, 2), apiRoot: '/other/' }],
      })
      same(await store.scan(0, 10), [
        { ...zero, superseded: 1 },
        { ...one, text, superseded: 2 },
      ])
      same(await store.tile(0, 0, 0), bytes(64, 3))
      same(await store.entryBundle(0), bytes(70, 4))
      same(await store.collections(), [{ ...collection(1, 2), apiRoot: '/other/' }])
      same(await store.head(), head)
      // A head that is not the expected one is a conflict, and leaves nothing.
      await rejects(store.mend(headOf(99), { ...NOTHING_MENDED, remove: [zero.leaf] }), 'conflict')
      same(await store.recordAt(zero.leaf), { ...zero, superseded: 1 })
      await store.mend(undefined, { ...NOTHING_MENDED, head: headOf(3) })
      same(await store.head(), headOf(3))
      same(await store.integrity(), [])
      await store.rebuildIndexes()
      same(await store.scan(0, 1), [{ ...zero, superseded: 1 }])
    })

    conforms('a row whose seq is given to another loses the claim, and no text', async store => {
      const { head } = await commitRecords(store, [{ seq: 0 }, { seq: 1 }])
      const [zero, one] = await store.scan(0, 10)
      assert.ok(zero && one)
      await store.mend(head, { ...NOTHING_MENDED, rows: [{ ...zero, seq: 1 }] })
      const kept = await store.recordAt(one.leaf)
      same(kept?.text, one.text)
      assert.notEqual(kept?.seq, 1)
      await store.mend(head, { ...NOTHING_MENDED, rows: [zero, one] })
      same(await store.scan(0, 10), [zero, one])
    })

    conforms('a commit on another head is a conflict and leaves nothing', async store => {
      const first = fullBatch()
      await store.commit(undefined, first)
      const second = { ...emptyBatch(headOf(9)), ...changes() }
      for (const expected of [undefined, headOf(1), { size: 5, note: 'another note of this size' }]) {
        await rejects(store.commit(expected, second), 'conflict')
        await assertHolds(store, first)
        await assertLacks(store, second)
      }
      await store.commit(first.head, second)
      same(await store.head(), second.head)
    })

    conforms('of two commits on one head, one wins', async store => {
      const contenders = [1, 2, 3].map(n => ({ ...emptyBatch(headOf(n)), records: [row({ leaf: n, seq: n })] }))
      const results = await Promise.allSettled(contenders.map(batch => store.commit(undefined, batch)))
      assert.equal(results.filter(r => r.status === 'fulfilled').length, 1)
      const won = results.findIndex(r => r.status === 'fulfilled') + 1
      for (const r of results) if (r.status === 'rejected') assert.equal((r.reason as StoreError).code, 'conflict')
      assert.equal((await store.head())?.size, won)
      for (const n of [1, 2, 3]) assert.equal((await store.recordAt(n)) !== undefined, n === won, `record ${n}`)
    })

    conforms('a commit that fails in the middle leaves nothing', async store => {
      const first = fullBatch()
      await store.commit(undefined, first)
      // The second record has the place of one that is there: whatever came before it in the batch must go with it.
      const [good, taken] = [row({ leaf: 20, seq: 20 }), row({ leaf: first.records[0]?.leaf as number, seq: 21 })]
      const batch = { ...emptyBatch(headOf(9)), ...changes(), records: [good, taken] }
      await assert.rejects(store.commit(first.head, batch), StoreError)
      await assertHolds(store, first)
      await assertLacks(store, batch)
      await store.commit(first.head, { ...batch, records: [good] })
    })

    conforms('a crash before the durable step leaves nothing, after it all', async (store, subject) => {
      await store.close()
      for (const [at, holds] of [
        ['before-commit', false],
        ['after-commit', true],
      ] as const) {
        const faulty = await subject.open({
          fault: point => {
            if (point === at) throw new Error('the process ends here')
          },
        })
        const batch = fullBatch()
        await assert.rejects(faulty.commit(undefined, batch), StoreError)
        await faulty.close()
        const next = await subject.open()
        if (holds) await assertHolds(next, batch)
        else assert.equal(await next.head(), undefined)
        await next.close()
      }
    })

    conforms('a batch on the head itself adds statuses without moving the log', async store => {
      const { head } = await commitRecords(store, [{}])
      const statuses = [statusRow('later')]
      await store.commit(head, { ...emptyBatch(head), statuses })
      same(await store.status('later'), statuses[0])
      same(await store.head(), head)
      assert.equal(await store.checkpoint(head.size), head.note)
    })

    conforms('supersede marks a row, and takes it back', async store => {
      const { head } = await commitRecords(store, [{}, { version: V2 }])
      const next = { ...emptyBatch(headOf(8)), supersede: [{ leaf: 0, by: 1 }] }
      await store.commit(head, next)
      assert.equal((await store.recordAt(0))?.superseded, 1)
      await store.commit(next.head, { ...emptyBatch(headOf(9)), supersede: [{ leaf: 0, by: null }] })
      assert.equal((await store.recordAt(0))?.superseded, null)
    })

    conforms('erase takes text, id and version, and keeps the place', async store => {
      const { head, rows } = await commitRecords(store, [{}, { version: V2 }])
      const deleted = row({ leaf: 2, seq: 2, kind: 'deleted', id: null, version: null, spec: null })
      await store.commit(head, {
        ...emptyBatch(headOf(9)),
        records: [deleted],
        erase: [{ leaf: 1, by: 2 }],
        supersede: [{ leaf: 0, by: null }],
      })
      const expected = { ...(rows[1] as RecordRow), text: null, id: null, version: null, superseded: 2 }
      same(await store.recordAt(1), expected)
      same(seqs(await store.versions(1, ID)), [0])
      same(seqs(await store.records(1, { from: 0, limit: 9, text: 'all' })), [0, 1, 2])
      same(seqs(await store.records(1, { from: 0, limit: 9, text: 'all', types: ['indicator'] })), [0])
      assert.equal((await lookup(store, 1, ID, undefined)).newest?.leaf, 0)
      same((await lookup(store, 1, ID, V2)).same, [])
      same(await store.gaps(1, 3), { present: 3, firstMissing: undefined })
    })

    conforms('an erased equivocation keeps neither its id nor the hash of what was refused', async store => {
      const refused = 'ab'.repeat(32)
      const { head } = await commitRecords(store, [{}, { kind: 'equivocation', refused }, { version: V2 }])
      await store.commit(head, { ...emptyBatch(headOf(9)), erase: [{ leaf: 1, by: 3 }] })
      const left = await store.recordAt(1)
      same([left?.id, left?.version, left?.refused, left?.text, left?.superseded], [null, null, null, null, 3])
      same(await store.equivocations(1, ID), [])
      same((await lookup(store, 1, ID, V1)).refused, [])
    })

    conforms('tags of what was erased are kept with the commit, each once', async (store, subject) => {
      const [one, two, other] = [bytes(32, 1), bytes(32, 2), bytes(32, 3)]
      await store.commit(undefined, { ...emptyBatch(headOf(1)), erasedTags: [one, two] })
      await store.commit(headOf(1), { ...emptyBatch(headOf(2)), erasedTags: [two] })
      await store.close()
      const again = await subject.open()
      same(await again.wereErased([one, other, two, one]), [true, false, true, true])
      assert.equal(await again.hasErased(), true)
      await again.close()
    })

    conforms('erased text is nowhere in the store, open or closed', async (store, subject) => {
      // Small and large, so that it lies in one page and over many.
      const secrets = [3, 300, 30_000].map(n => `secret-of-${n}-${'wipe me '.repeat(n)}`)
      const secretId = `indicator--${'5ec4e7'.padEnd(8, '0')}-17d4-4cbf-938f-98ee46b3cd3f`
      const records = secrets.map((text, i) => row({ leaf: i, seq: i, id: secretId, text: Buffer.from(text) }))
      const kept = row({ leaf: 3, seq: 3, text: Buffer.from('this stays here') })
      const first = { ...emptyBatch(headOf(4)), records: [...records, kept] }
      await store.commit(undefined, first)
      const traces = async () =>
        ((await subject.bytes()) ?? []).flatMap(b =>
          ['wipe me', 'secret-of-', secretId, 'this stays here'].filter(s => Buffer.from(b).includes(s)),
        )
      if ((await subject.bytes()) === undefined) return
      assert.equal(new Set(await traces()).size, 4, 'the search finds what is there')
      await store.commit(first.head, { ...emptyBatch(headOf(9)), erase: [0, 1, 2].map(leaf => ({ leaf, by: 4 })) })
      same([...new Set(await traces())], ['this stays here'], 'while the store is open')
      await store.close()
      same([...new Set(await traces())], ['this stays here'], 'once it is closed')
    })

    conforms('records: from, limit and order', async store => {
      await commitRecords(store, [{}, {}, {}, { collection: 2, seq: 0 }, { seq: 3 }, { seq: 4 }])
      const read = async (from: number, limit: number) => seqs(await store.records(1, { from, limit, text: 'none' }))
      same(await read(0, 10), [0, 1, 2, 3, 4])
      same(await read(1, 2), [1, 2])
      same(await read(4, 1), [4])
      same(await read(5, 1), [])
      same(seqs(await store.records(2, { from: 0, limit: 9, text: 'none' })), [0])
    })

    conforms('records: no more rows than have so many bytes, and one at least', async store => {
      const text = Buffer.alloc(1000, 1)
      await commitRecords(store, [{ text }, { text }, { text: Buffer.alloc(5000, 2) }, { text }, { text }])
      for (const types of [undefined, ['indicator']]) {
        const read = async (from: number, maxBytes: number) =>
          seqs(await store.records(1, { from, limit: 9, maxBytes, types, text: 'all' }))
        same(await read(0, 0), [0])
        same(await read(0, 999), [0])
        same(await read(0, 1000), [0, 1])
        same(await read(0, 2000), [0, 1, 2])
        same(await read(2, 4999), [2])
        same(await read(0, 1e9), [0, 1, 2, 3, 4])
      }
    })

    conforms('records: types, merged in order and cut at the limit', async store => {
      const types = ['malware', 'tool', 'malware', 'note', 'tool', 'malware', 'note']
      await commitRecords(
        store,
        types.map((type, i) => ({ id: `${type}--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3${i}` })),
      )
      const read = async (wanted: string[], from = 0, limit = 10) =>
        seqs(await store.records(1, { from, limit, types: wanted, text: 'all' }))
      same(await read(['malware']), [0, 2, 5])
      same(await read(['tool', 'malware']), [0, 1, 2, 4, 5])
      same(await read(['note', 'tool', 'malware'], 2, 3), [2, 3, 4])
      same(await read(['tool', 'tool']), [1, 4])
      same(await read(['report', 'tool']), [1, 4])
      same(await read(['report']), [])
      same(await read([]), [])
      same(await read(['mal%', "tool' or 1=1 --"]), [])
    })

    conforms(
      'records: types, versions of STIX and versions, each alone and together, against a plain filter',
      async store => {
        const types = ['malware', 'tool', 'note']
        const rows = Array.from({ length: 36 }, (_, i) => ({
          id: `${types[i % 3]}--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd${String(i).padStart(2, '0')}`,
          spec: i % 4 === 0 ? '2.0' : '2.1',
          version: i % 5 < 2 ? V2 : V3,
          ...(i % 9 === 0 ? { kind: 'equivocation' as const, refused: 'ab'.repeat(32) } : {}),
        }))
        await commitRecords(store, rows)
        const wanted = <T>(list: T[] | undefined, value: T) => !list || list.includes(value)
        for (const t of [undefined, ['tool'], ['note', 'malware'], ['report']])
          for (const specs of [undefined, ['2.0'], ['2.1', '2.0'], ['2.2']])
            for (const versions of [undefined, [V2], [V3, V2], ['2001-01-01T00:00:00.000000Z']])
              for (const [from, limit] of [
                [0, 100],
                [7, 5],
              ] as const) {
                if (!t && !specs && !versions) continue
                const expected = rows
                  .map((row, seq) => ({ ...row, seq }))
                  .filter(r => r.seq >= from && !r.refused && wanted(t, r.id.split('--')[0]))
                  .filter(r => wanted(specs, r.spec) && wanted(versions, r.version))
                const found = await store.records(1, { from, limit, types: t, specs, versions, text: 'none' })
                same(
                  seqs(found),
                  expected.slice(0, limit).map(r => r.seq),
                )
              }
      },
    )

    conforms('records: with the text of all rows, of newest rows, or of none', async store => {
      const { head } = await commitRecords(store, [{}, { version: V2 }])
      await store.commit(head, { ...emptyBatch(headOf(9)), supersede: [{ leaf: 0, by: 1 }] })
      for (const types of [undefined, ['indicator'], ['indicator', 'malware']]) {
        const texts = async (text: 'all' | 'last' | 'none') =>
          (await store.records(1, { from: 0, limit: 9, text, types })).map(r => r.text !== null)
        same(await texts('all'), [true, true])
        same(await texts('last'), [false, true])
        same(await texts('none'), [false, false])
      }
    })

    conforms('records: the text is left out only where a newer version of the object vouches for that', async store => {
      const other = 'malware--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'
      await commitRecords(store, [
        { version: V2, superseded: 5 }, // by an older version
        { superseded: 99 }, // by nothing
        { id: other, superseded: 0 }, // by another object
        { superseded: 4 }, // by a refused one
        { kind: 'equivocation', version: V2, refused: 'ab'.repeat(32), superseded: 0 }, // no object itself
        { version: V1, versionDigits: 6, superseded: 0 }, // what the notary writes
        { superseded: 5 }, // by the same instant, added before
        { superseded: 7 }, // by itself
        { superseded: 9 }, // by the same instant, added later: what the notary writes
        { superseded: 8 }, // back to the one before: not both
        { version: V2, superseded: 0, text: null }, // not really, and its text is gone
        { version: V1, superseded: 0, text: null }, // really, and its text is gone
      ])
      const rows = await store.records(1, { from: 0, limit: 19, text: 'last' })
      same(
        rows.map(r => r.text !== null),
        [true, true, true, true, true, false, true, true, false, true, true, false],
      )
      assert.equal(rows[10]?.text?.length, 0)
    })

    conforms('records: the text is left out where another content of the same version came later', async store => {
      const other = 'malware--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'
      await commitRecords(store, [
        { superseded: 1 }, // replaced: the same version, added later
        {},
        { superseded: 3 }, // by a newer version
        { version: V2 },
        { superseded: 5 }, // by the same instant in other digits: another version
        { versionDigits: 6 },
        { id: other, superseded: 1 }, // by another object
        { superseded: 1 }, // by one that was added before
        { superseded: 9 }, // by a refused one
        { kind: 'equivocation', refused: 'ab'.repeat(32) },
        { superseded: 11, text: null }, // not really, and its text is gone
        { version: V2 },
      ])
      const rows = await store.records(1, { from: 0, limit: 19, text: 'versions' })
      same(
        rows.map(r => r.text !== null),
        [false, ...Array<boolean>(11).fill(true)],
      )
      assert.equal(rows[10]?.text?.length, 0)
    })

    conforms('equivocations: rows of one id, in order of seq', async store => {
      const refused = 'ab'.repeat(32)
      const event = { kind: 'equivocation', refused } as const
      await commitRecords(store, [{}, { ...event }, { ...event, version: V2 }, { ...event, collection: 2, seq: 0 }])
      same(seqs(await store.equivocations(1, ID)), [1, 2])
      same((await store.equivocations(1, ID))[0]?.refused, refused)
      same(await store.equivocations(1, 'tool--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'), [])
    })

    conforms('known: which ids the collection has an object of', async store => {
      const [refused, erased, elsewhere, never, odd] = ['1', '2', '3', '4', `5'"\u0000\u{1f600}`].map(n => `tool--${n}`)
      const { head } = await commitRecords(store, [
        {},
        { id: refused as string, kind: 'equivocation', refused: 'ab'.repeat(32) },
        { id: erased as string },
        { id: elsewhere as string, collection: 2, seq: 0 },
        { id: odd as string },
      ])
      await store.commit(head, { ...emptyBatch(headOf(9)), erase: [{ leaf: 2, by: 5 }] })
      const asked = [ID, ID, refused, erased, elsewhere, never, odd] as string[]
      same([...(await store.known(1, asked))].sort(), [ID, odd].sort())
      same([...(await store.known(2, asked))], [elsewhere])
      same([...(await store.known(3, asked))], [])
      same([...(await store.known(1, []))], [])
      const many = Array.from({ length: 5000 }, (_, i) => `tool--many-${i}`)
      same([...(await store.known(1, [...many, ID]))], [ID])
    })

    conforms('versions: object rows of one id, in order of seq', async store => {
      const other = 'malware--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'
      await commitRecords(store, [
        { version: V2 },
        { id: other },
        { version: V1 },
        { kind: 'equivocation', version: V2, refused: 'ab'.repeat(32) },
        { collection: 2, seq: 0 },
      ])
      same(seqs(await store.versions(1, ID)), [0, 2])
      same(seqs(await store.versions(1, other)), [1])
      same(await store.versions(3, ID), [])
      const several = await store.versionsOf(1, [ID, other, ID, 'tool--none'])
      same(several.map(r => [r.seq, r.id, r.text]).sort(), [
        [0, ID, null],
        [1, other, null],
        [2, ID, null],
      ])
      same(await store.versionsOf(1, []), [])
      same(await store.versions(1, ID.toUpperCase()), [], 'ids are compared as they are')
    })

    conforms('lookup: the newest version, the rows of this one, and what was refused for it', async store => {
      const refused = 'cd'.repeat(32)
      const { rows } = await commitRecords(store, [
        { version: V2 },
        { version: V1 },
        { version: V1, versionDigits: 6 },
        { version: V1, kind: 'equivocation', refused },
      ])
      const found = await lookup(store, 1, ID, V1)
      same(found.newest, { leaf: 0, version: V2 })
      same(found.same.sort(bySeq), [rows[1], rows[2]])
      same(found.refused, [refused])
      same((await lookup(store, 1, ID, undefined)).same[0], rows[0])
      same((await lookup(store, 1, ID, V2)).refused, [])
      same((await lookup(store, 1, ID, '2030-01-01T00:00:00.000000Z')).same, [])
      same(await lookup(store, 2, ID, V1), { same: [], refused: [] })
    })

    conforms('lookup: of one version in two rows the later is the newest', async store => {
      await commitRecords(store, [{ version: V1 }, { version: V1, versionDigits: 6 }])
      assert.equal((await lookup(store, 1, ID, undefined)).newest?.leaf, 1)
    })

    conforms('lookups: many at once are answered in their order, each as if it were alone', async store => {
      const ids = Array.from({ length: 1200 }, (_, i) => `tool--${i}`)
      const values = ids.flatMap((id, i) =>
        i % 3 === 0 ? [] : [{ id }, ...(i % 3 === 2 ? [{ id, version: V2 }] : [])],
      )
      await commitRecords(store, [...values, { id: 'tool--1', kind: 'equivocation', refused: 'ab'.repeat(32) }])
      const sought = [...ids, ...ids].map((id, i) => ({ id, version: [V1, V2, undefined][i % 7] }))
      const found = (await Array.fromAsync(store.lookups(1, sought, Number.POSITIVE_INFINITY))).flat()
      assert.equal(found.length, sought.length)
      for (const [i, { newest, same: rows, refused }] of found.entries()) {
        const { id, version } = sought[i] as Sought
        const versions = [[], [V1], [V1, V2]][Number(id.slice(6)) % 3] as string[]
        assert.equal(newest?.version, versions.at(-1))
        const expected = version === undefined ? versions.slice(-1) : versions.filter(v => v === version)
        same(
          rows.map(r => [r.id, r.version, r.text !== null]),
          expected.map(v => [id, v, true]),
        )
        assert.equal(refused.length, id === 'tool--1' && version === V1 ? 1 : 0)
      }
    })

    conforms('lookups: a piece ends once its texts have more than maxBytes', async store => {
      const ids = ['tool--a', 'tool--b', 'tool--c', 'tool--d', 'tool--e']
      await commitRecords(
        store,
        ids.slice(1).map(id => ({ id, text: bytes(100, 1) })),
      )
      const sizes = async (maxBytes: number) => {
        const sought = ids.map(id => ({ id, version: V1 }))
        return (await Array.fromAsync(store.lookups(1, sought, maxBytes))).map(piece => piece.length)
      }
      same(await sizes(0), [2, 1, 1, 1])
      same(await sizes(150), [3, 2])
      same(await sizes(1000), [5])
      same(await Array.fromAsync(store.lookups(1, [], 0)), [])
    })

    conforms('gaps: how many rows are there, and the first that is not', async store => {
      await commitRecords(store, [{ seq: 0 }, { seq: 1 }, { seq: 3 }, { seq: 7 }])
      same(await store.gaps(1, 2), { present: 2, firstMissing: undefined })
      same(await store.gaps(1, 4), { present: 3, firstMissing: 2 })
      same(await store.gaps(1, 9), { present: 4, firstMissing: 2 })
      same(await store.gaps(2, 3), { present: 0, firstMissing: 0 })
    })

    conforms('foreignWrites changes when others write, not when this store does', async (store, subject) => {
      const before = await store.foreignWrites()
      await commitRecords(store, [{}])
      assert.equal(await store.foreignWrites(), before)
      if (!subject.tamper) return
      await subject.tamper(0)
      const after = await store.foreignWrites()
      assert.notEqual(after, before)
      assert.equal(await store.foreignWrites(), after)
      assert.equal((await store.recordAt(0))?.added, 1, 'what others wrote is what is read')
    })

    conforms('tiles, bundles and collection heads are replaced by newer ones', async store => {
      const first = fullBatch()
      await store.commit(undefined, first)
      const grown = { ...emptyBatch(headOf(9)), ...changes() }
      await store.commit(first.head, grown)
      for (const t of grown.tiles) same(await store.tile(t.tree, t.level, t.index), t.data)
      for (const b of grown.entryBundles) same(await store.entryBundle(b.index), b.data)
      same((await store.collections()).sort(byNumber), grown.collections)
      assert.equal(await store.tile(7, 0, 0), undefined)
      assert.equal(await store.tile(1, 1, 0), undefined)
      // What was there and not replaced stays.
      same(await store.tile(0, 1, 300), bytes(32, 3))
    })

    conforms('checkpoints: by size, and the first from a size on', async store => {
      let head: StoredHead | undefined
      for (const size of [3, 5, 9]) {
        await store.commit(head, emptyBatch(headOf(size)))
        head = headOf(size)
      }
      assert.equal(await store.checkpoint(5), headOf(5).note)
      assert.equal(await store.checkpoint(4), undefined)
      same(await store.checkpointFrom(4), headOf(5))
      same(await store.checkpointFrom(5), headOf(5))
      same(await store.checkpointFrom(0), headOf(3))
      assert.equal(await store.checkpointFrom(10), undefined)
    })

    conforms('numbers, texts and bytes come back as they were', async store => {
      const odd = row({
        leaf: Number.MAX_SAFE_INTEGER,
        seq: 2 ** 40,
        added: Number.MAX_SAFE_INTEGER - 1,
        imported: true,
        invalid: true,
        spec: '2.0',
        versionDigits: 0,
        text: Buffer.from([0, 255, 0, 1]),
      })
      const status = {
        ...statusRow('odd'),
        accepted: [{ id: ID, version: V1, message: '"quotes" \u0000 and \u{1f600}' }],
      }
      await store.commit(undefined, {
        ...emptyBatch(headOf(9)),
        records: [odd],
        statuses: [status],
        collections: [{ ...collection(1, 1), lastAdded: Number.MAX_SAFE_INTEGER - 1, root: new Uint8Array(0) }],
      })
      same(await store.recordAt(odd.leaf), odd)
      same(await store.status('odd'), status)
      assert.equal((await store.collections())[0]?.lastAdded, Number.MAX_SAFE_INTEGER - 1)
    })
  })

  describe(`Statuses: ${name}`, () => {
    const named = (id: string, object: string, values: Partial<StatusRow> = {}): StatusRow => ({
      ...statusRow(id),
      accepted: [{ id: object, version: V1 }],
      failed: [],
      ...values,
    })
    const withStatuses = async (store: Store, statuses: StatusRow[]) =>
      store.commit(undefined, { ...emptyBatch(headOf(5)), statuses })
    const other = 'malware--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'

    conforms('rewriteStatuses: those of the collection that name it, in a message too', async store => {
      const rows = [
        named('accepted', ID),
        named('failed', other, { failed: [{ id: ID, version: V1, message: 'no' }] }),
        named('message', other, { accepted: [{ id: other, version: V1, message: `"${ID}" is not known here` }] }),
        named('another', other),
        named('elsewhere', ID, { collection: 2 }),
      ]
      await withStatuses(store, [...rows, ...Array.from({ length: 120 }, (_, i) => named(`many ${i}`, ID))])
      const seen: string[] = []
      const changed = { accepted: [], failed: [], gone: { accepted: 2, failed: 3 } }
      await store.rewriteStatuses(1, ID, row => {
        seen.push(row.id)
        return { ...row, ...changed }
      })
      assert.equal(seen.length, 123)
      for (const row of rows) {
        const isNamed = ['accepted', 'failed', 'message'].includes(row.id)
        assert.equal(seen.includes(row.id), isNamed, row.id)
        same(await store.status(row.id), isNamed ? { ...row, ...changed } : row)
      }
      await store.rewriteStatuses(1, ID, () => assert.fail('none names it any more'))
    })

    conforms('what rewriteStatuses replaced is overwritten by the next commit that erases', async (store, subject) => {
      const message = 'secret-detail-'.repeat(300)
      await withStatuses(store, [named('one', ID, { failed: [{ id: ID, version: V1, message }] })])
      await store.rewriteStatuses(1, ID, row => ({ ...row, failed: [], gone: { accepted: 0, failed: 1 } }))
      await store.commit(headOf(5), { ...emptyBatch(headOf(6)), erase: [{ leaf: 99, by: 100 }] })
      for (const b of (await subject.bytes()) ?? []) assert.equal(Buffer.from(b).includes('secret-detail-'), false)
    })

    conforms('purgeStatuses: the oldest that are complete, in pieces, and overwritten', async (store, subject) => {
      const at = statusRow('x').requested
      const message = 'secret-detail-'.repeat(300)
      const rows = [
        named('old', ID, { accepted: [{ id: ID, version: V1, message }] }),
        named('pending', ID, { size: 6 }),
        named('elsewhere', ID, { collection: 2 }),
        named('unknown', ID, { collection: 3 }),
        named('old too', ID),
        named('young', ID, { requested: at + 1 }),
      ]
      await withStatuses(store, rows)
      const sizes = new Map([
        [1, 5],
        [2, Number.POSITIVE_INFINITY],
      ])
      const left = async () => {
        const found = await Promise.all(rows.map(async r => ((await store.status(r.id)) ? r.id : '')))
        return found.filter(id => id !== '')
      }
      assert.equal(await store.purgeStatuses(at - 1, sizes, 9), 0)
      assert.equal(await store.purgeStatuses(at, sizes, 2), 2)
      same(await left(), ['pending', 'unknown', 'old too', 'young'])
      assert.equal(await store.purgeStatuses(at, sizes, 2), 1)
      assert.equal(await store.purgeStatuses(at, sizes, 2), 0)
      same(await left(), ['pending', 'unknown', 'young'])
      for (const b of (await subject.bytes()) ?? []) assert.equal(Buffer.from(b).includes('secret-detail-'), false)
    })

    conforms(
      'cosignatures: one a witness and size, kept with the checkpoint; a newer one takes its place',
      async (store, subject) => {
        await store.commit(undefined, fullBatch())
        const row = (witness: string, size: number, line = `line of ${witness} at ${size}\n`) => ({
          size,
          witness,
          line,
        })
        for (const r of [row('w2', 5), row('w1', 5), row('w1', 9), row('w3', 12), row('w1', 5, 'newer\n')])
          await store.putCosignature(r)
        const holds = async (s: Store) => {
          same(await s.cosignatures(5), [row('w1', 5, 'newer\n'), row('w2', 5)])
          same(await s.cosignatures(9), [row('w1', 9)])
          same(await s.cosignatures(6), [])
          const sizes = await Promise.all([1, 2, 3].map(quorum => s.cosignedSize(['w1', 'w2'], quorum)))
          same(sizes, [9, 5, 0])
          assert.equal(await s.cosignedSize(['w3'], 1), 12)
          assert.equal(await s.cosignedSize(['w4'], 1), 0)
          assert.equal(await s.cosignedSize([], 1), 0)
        }
        await holds(store)
        await store.close()
        const again = await subject.open()
        await holds(again)
        await again.close()
      },
    )
  })

  describe(`Routes: ${name}`, () => {
    const leaves = (rows: RecordRow[]) => rows.map(r => r.leaf)

    conforms('rows of a channel come in the order of the log, whichever collection they are of', async store => {
      await commitRecords(store, [{ seq: 0 }, { seq: 1, collection: 2 }, { seq: 2 }, { seq: 3 }], {
        routes: [
          { leaf: 3, channel: 'B' },
          { leaf: 1, channel: 'A' },
          { leaf: 0, channel: 'A' },
          { leaf: 3, channel: 'A' },
        ],
      })
      const all = await store.routed('A', { from: 0, limit: 10 })
      same(
        all,
        (await store.scan(0, 10)).filter(r => r.leaf !== 2),
      )
      same(leaves(await store.routed('A', { from: 1, limit: 1 })), [1])
      same(leaves(await store.routed('A', { from: 0, limit: 10, maxBytes: 0 })), [0])
      same(leaves(await store.routed('B', { from: 0, limit: 10 })), [3])
      same(await store.routed('C', { from: 0, limit: 10 }), [])
      assert.equal(await store.countRouted('A', 1, 10), 2)
      assert.equal(await store.countRouted('A', 0, 2), 2)
      same(await store.routedTo(3, ['A', 'B', 'C']), ['A', 'B'])
      same(await store.routedTo(3, ['B']), ['B'])
      same(await store.routedTo(2, ['A', 'B', 'C']), [])
    })

    conforms('an erased row is on no channel any more', async store => {
      const { head } = await commitRecords(store, [{ seq: 0 }, { seq: 1 }], {
        routes: [
          { leaf: 0, channel: 'A' },
          { leaf: 1, channel: 'A' },
        ],
      })
      await store.commit(head, { ...emptyBatch(headOf(9)), erase: [{ leaf: 0, by: 5 }] })
      same(leaves(await store.routed('A', { from: 0, limit: 10 })), [1])
      same(await store.routedTo(0, ['A']), ['A']) // to whom it went can still be told
    })

    conforms(
      'what is forgotten is gone from every channel, and the store says from where on it is whole',
      async store => {
        await commitRecords(store, [{ seq: 0 }, { seq: 1 }], {
          routes: [
            { leaf: 0, channel: 'A' },
            { leaf: 1, channel: 'A' },
            { leaf: 0, channel: 'B' },
          ],
        })
        assert.equal(await store.routesFrom(), 0)
        await store.forgetRoutes(1)
        await store.forgetRoutes(0)
        assert.equal(await store.routesFrom(), 1)
        same(leaves(await store.routed('A', { from: 0, limit: 10 })), [1])
        same(await store.routed('B', { from: 0, limit: 10 }), [])
      },
    )

    conforms('a row is told from the first of its id', async store => {
      await commitRecords(store, [{ seq: 0 }, { seq: 1, version: V2 }, { seq: 2, collection: 2 }])
      same([...(await store.continued(await store.scan(0, 10)))], [1])
    })

    conforms('a cursor is what was put last', async (store, subject) => {
      assert.equal(await store.cursor('a'), undefined)
      await store.putCursor('a', 7)
      await store.putCursor('b', 1)
      await store.putCursor('a', 5)
      await store.close()
      const again = await subject.open()
      assert.equal(await again.cursor('a'), 5)
      await again.close()
    })
  })

  describe(`Copies: ${name}`, () => {
    conforms('all pieces of a store make another that holds the same, also when they are taken twice', async store => {
      const batch = fullBatch()
      await store.commit(undefined, batch)
      await store.commit(batch.head, { ...emptyBatch(headOf(9)), ...changes() })
      await store.putCosignature({ size: 9, witness: 'w', line: 'line\n' })
      await store.putCursor('a', 7)
      await store.putAnchor({ ...anchor('a', 3), final: true })
      const all = await piecesOf(store)
      assert.deepEqual(Object.keys(all).sort(), ALL_PARTS)
      const other = await create()
      assert.ok(typeof other !== 'string')
      const copy = await other.open()
      try {
        for await (const piece of store.pieces()) if (!piece.head) await copy.take(piece)
        assert.equal(await copy.head(), undefined, 'the head is the last')
        for await (const piece of store.pieces()) await copy.take(piece)
        same(await piecesOf(copy), all)
        same(await copy.head(), headOf(9))
        same(await copy.integrity(), [])
        same(await copy.misfiled(1, { from: 0, limit: 9 }), [])
        await copy.commit(headOf(9), emptyBatch(headOf(10)))
      } finally {
        await copy.close()
        await other.dispose()
      }
    })
  })

  describe(`Journal: ${name}`, () => {
    conforms('anchors are kept by ledger and size, the newest entry of one counts', async store => {
      const rows = [anchor('a', 3), anchor('a', 9), anchor('b', 5)]
      for (const a of rows) await store.putAnchor(a)
      const byPlace = (x: AnchorRow, y: AnchorRow) =>
        x.ledger < y.ledger ? -1 : x.ledger > y.ledger ? 1 : x.size - y.size
      same((await store.anchors()).sort(byPlace), rows)
      const final = { ...anchor('a', 3), final: true, transaction: '0xother', block: 12 }
      await store.putAnchor(final)
      assert.equal((await store.anchors()).length, 3)
      same(await store.anchorCovering('a', 2), final)
    })

    conforms('anchors of one ledger: the largest first, only final ones where that is asked', async store => {
      const rows = [
        { ...anchor('a', 3), final: true },
        { ...anchor('a', 5), final: true },
        anchor('a', 9),
        { ...anchor('b', 20), final: true },
      ]
      for (const a of rows) await store.putAnchor(a)
      same(await store.anchors({ ledger: 'a', limit: 2 }), [rows[2], rows[1]])
      same(await store.anchors({ ledger: 'a', final: true, limit: 1 }), [rows[1]])
      same(await store.anchors({ ledger: 'a', final: true, limit: 9 }), [rows[1], rows[0]])
      same(await store.anchors({ ledger: 'c', limit: 1 }), [])
    })

    conforms('anchorCovering: the nearest from a size on, on this ledger', async store => {
      for (const a of [anchor('a', 3), anchor('a', 9), anchor('b', 5)]) await store.putAnchor(a)
      const covering = async (ledger: string, size: number) => (await store.anchorCovering(ledger, size))?.size
      assert.equal(await covering('a', 3), 3)
      assert.equal(await covering('a', 4), 9)
      assert.equal(await covering('a', 10), undefined)
      assert.equal(await covering('b', 1), 5)
      assert.equal(await covering('c', 1), undefined)
      await store.putAnchor({ ...anchor('a', 12), final: true })
      assert.equal((await store.anchorCovering('a', 3, true))?.size, 12)
      assert.equal(await store.anchorCovering('b', 1, true), undefined)
    })

    conforms('finalSizeAt: the largest that was final by then, on this ledger', async store => {
      const rows = [
        { ...anchor('a', 3), final: true, at: 100 },
        { ...anchor('a', 9), final: true, at: 200 },
        { ...anchor('a', 12), at: 150 },
        { ...anchor('b', 20), final: true, at: 100 },
      ]
      for (const a of rows) await store.putAnchor(a)
      const sizes = await Promise.all([99, 100, 199, 200, 999].map(at => store.finalSizeAt('a', at)))
      same(sizes, [0, 3, 3, 9, 9])
      assert.equal(await store.finalSizeAt('c', 999), 0)
    })

    conforms('a label is set and taken away, and changes nothing else', async store => {
      const { rows } = await commitRecords(store, [{}])
      await store.label(0, true)
      same(await store.recordAt(0), { ...rows[0], invalid: true })
      await store.label(0, false)
      same(await store.recordAt(0), rows[0])
      await store.label(99, true) // a row that is gone: nothing to label, nothing to fail
    })
  })
}

const ID = 'indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'
const V1 = '2026-01-01T00:00:00.000000Z'
const V2 = '2026-02-01T00:00:00.123000Z'
const V3 = '2026-03-01T00:00:00.000000Z'

export const headOf = (size: number): StoredHead => ({ size, note: `checkpoint of size ${size}\n` })
const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill)

export function row(values: Partial<RecordRow> & { leaf: number; seq: number }): RecordRow {
  return {
    collection: 1,
    kind: 'object',
    added: 1_767_225_600_000_000 + values.leaf,
    imported: false,
    id: ID,
    version: V1,
    versionDigits: 3,
    spec: '2.1',
    superseded: null,
    refused: null,
    invalid: false,
    text: Buffer.from(`entente/record/v1:{"seq":${values.seq}}`),
    ...values,
  }
}

/** Commits these records to an empty store; leaf, and seq in collection 1, count up where they are not given. */
export async function commitRecords(
  store: Store,
  values: Partial<RecordRow>[],
  more: Partial<Batch> = {},
): Promise<{ head: StoredHead; rows: RecordRow[] }> {
  const rows = values.map((v, leaf) => row({ leaf, seq: leaf, ...v }))
  const head = headOf(5)
  await store.commit(undefined, { ...emptyBatch(head), records: rows, ...more })
  return { head, rows }
}

const collection = (number: number, count: number): CollectionHead => ({
  number,
  apiRoot: '/api/',
  id: `00000000-0000-4000-8000-00000000000${number}`,
  count,
  lastAdded: 1_767_225_600_000_000,
  root: bytes(32, count),
})

export const statusRow = (id: string): StatusRow => ({
  id,
  apiRoot: '/api/',
  collection: 1,
  submitter: 'alice',
  requested: 1_767_225_600_000_000,
  size: 5,
  accepted: [{ id: ID, version: V1 }],
  failed: [{ id: ID, version: V2, message: 'refused' }],
  receipt: 'a note\n',
})

const anchor = (ledger: string, size: number): AnchorRow => ({
  ledger,
  size,
  root: bytes(32, size),
  transaction: `0x${size}`,
  block: size,
  blockHash: '0xabc',
  final: false,
  at: 1_767_225_600_000_000,
})

/** Something of everything. */
function fullBatch(): Batch {
  return {
    ...emptyBatch(headOf(5)),
    records: [row({ leaf: 0, seq: 0 }), row({ leaf: 1, seq: 1, version: V2 })],
    tiles: [
      { tree: 0, level: 0, index: 0, data: bytes(64, 1) },
      { tree: 1, level: 0, index: 0, data: bytes(32, 2) },
      { tree: 0, level: 1, index: 300, data: bytes(32, 3) },
    ],
    entryBundles: [{ index: 0, data: bytes(34, 4) }],
    collections: [collection(1, 2), collection(2, 0)],
    statuses: [statusRow('one')],
    openings: [{ submitter: 'commitment', opening: bytes(32, 5), name: 'alice' }],
  }
}

/** A batch after {@link fullBatch} that touches each part of it. */
function changes(): Omit<Batch, 'head'> {
  return {
    records: [row({ leaf: 6, seq: 6, version: '2026-03-01T00:00:00.000000Z' })],
    supersede: [{ leaf: 0, by: 6 }],
    erase: [{ leaf: 1, by: 7 }],
    erasedTags: [bytes(32, 11)],
    tiles: [
      { tree: 0, level: 0, index: 0, data: bytes(96, 6) },
      { tree: 1, level: 0, index: 0, data: bytes(64, 7) },
    ],
    entryBundles: [{ index: 0, data: bytes(68, 8) }],
    collections: [collection(1, 3), collection(2, 1), collection(3, 0)],
    statuses: [statusRow('two')],
    openings: [{ submitter: 'another', opening: bytes(32, 9), name: 'bob' }],
    routes: [{ leaf: 6, channel: 'EVENTS' }],
  }
}

const ALL_PARTS =
  'anchors checkpoints collections cosignatures cursors entryBundles erasedTags head openings records routes statuses tiles'.split(
    ' ',
  )

/** What all pieces of a store have together, in an order of its own. */
async function lookup(store: Store, collection: number, id: string, version: string | undefined): Promise<Lookup> {
  const [piece] = await Array.fromAsync(store.lookups(collection, [{ id, version }], 0))
  return piece?.[0] as Lookup
}

async function piecesOf(store: Store): Promise<Record<string, unknown>> {
  const all: Record<string, string[]> = {}
  for await (const piece of store.pieces())
    for (const [part, items] of Object.entries(piece))
      for (const item of [items].flat()) (all[part] ??= []).push(JSON.stringify(sorted(plain(item))))
  for (const items of Object.values(all)) items.sort()
  return all
}

const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value

const NOTHING_MENDED: Mending = { rows: [], remove: [], supersede: [], tiles: [], entryBundles: [], collections: [] }

async function assertHolds(store: Store, batch: Batch): Promise<void> {
  same(await store.head(), batch.head)
  assert.equal(await store.checkpoint(batch.head.size), batch.head.note)
  for (const r of batch.records) same(await store.recordAt(r.leaf), r)
  const all = await store.records(1, { from: 0, limit: 100, text: 'all' })
  same(all, batch.records)
  for (const t of batch.tiles) same(await store.tile(t.tree, t.level, t.index), t.data)
  for (const b of batch.entryBundles) same(await store.entryBundle(b.index), b.data)
  same((await store.collections()).sort(byNumber), batch.collections)
  for (const s of batch.statuses) same(await store.status(s.id), s)
  for (const { submitter, opening, name } of batch.openings) same(await store.opening(submitter), { opening, name })
  same(
    await store.wereErased(batch.erasedTags),
    batch.erasedTags.map(() => true),
  )
}

async function assertLacks(store: Store, batch: Batch): Promise<void> {
  assert.equal(await store.checkpoint(batch.head.size), undefined)
  for (const s of batch.statuses) assert.equal(await store.status(s.id), undefined)
  for (const o of batch.openings) assert.equal(await store.opening(o.submitter), undefined)
  same(
    await store.wereErased(batch.erasedTags),
    batch.erasedTags.map(() => false),
  )
}

/** Equal by value: a driver may give rows without a prototype, and Buffers for Uint8Arrays. */
function same(actual: unknown, expected: unknown, message?: string): void {
  assert.deepEqual(plain(actual), plain(expected), message)
}

/** Buffers, Uint8Arrays and objects of any prototype, as something that compares by value. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
}

const seqs = (rows: RecordRow[]): number[] => rows.map(r => r.seq)
const bySeq = (a: unknown, b: unknown) => (a as RecordRow).seq - (b as RecordRow).seq
const byNumber = (a: CollectionHead, b: CollectionHead) => a.number - b.number

export async function rejects(promise: Promise<unknown>, code: StoreErrorCode): Promise<StoreError> {
  const error = await promise.then(
    () => assert.fail(`expected a StoreError "${code}"`),
    (e: unknown) => e as StoreError,
  )
  assert.ok(error instanceof StoreError, String(error))
  assert.equal(error.code, code, error.message)
  return error
}

/** A text of `length` bytes that no compression and no page sharing makes smaller. */
export function noise(length: number, seed: string): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i * 32 < length; i++) parts.push(createHash('sha256').update(`${seed} ${i}`).digest())
  return Buffer.concat(parts).subarray(0, length)
}
