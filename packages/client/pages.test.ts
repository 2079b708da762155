import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { ClientError } from './error.ts'
import type { Http } from './http.ts'
import { readPages } from './pages.ts'
import { formatMicros, parseMicros } from './timestamp.ts'

const SEED = { seed: 20261122 }
const URL_OF_LIST = 'http://fake/api1/collections/1/objects/'
type Item = { id: string }
const KIND = { member: 'objects', keyOf: (item: Item) => item.id } as const

/** A server with objects at these dates (microseconds), pages of `size`, `more` and no `next`; `digits` of added_after count. */
function serverWithoutNext(dates: number[], size: number, digits = 6): Http {
  return async url => {
    const text = new URL(url).searchParams.get('added_after')
    const unit = 10 ** (6 - digits)
    const after = text === null ? -1 : Math.floor((parseMicros(text) as number) / unit) * unit
    const rest = dates.map((date, i) => ({ date, id: String(i) })).filter(item => item.date > after)
    const page = rest.slice(0, size)
    const headers = new Headers()
    const last = page.at(-1)
    if (last) headers.set('x-taxii-date-added-last', formatMicros(last.date))
    return { status: 200, headers, json: { more: rest.length > size, objects: page.map(({ id }) => ({ id })) } }
  }
}

async function readAll(http: Http, most = 1000): Promise<string[]> {
  const ids: string[] = []
  let pages = 0
  for await (const { items } of readPages<Item>(http, URL_OF_LIST, {}, KIND)) {
    ids.push(...items.map(item => item.id))
    assert.ok(++pages <= most, 'it does not end')
  }
  return ids
}

const someDates = fc
  .array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 40 })
  .map(list => list.map(n => 1_767_225_600_000_000 + n).sort((a, b) => a - b))

test('without next: everything once and in order, or an error; never a loss, never without end', async () => {
  let stuck = 0
  const property = fc.asyncProperty(someDates, fc.integer({ min: 1, max: 12 }), async (dates, size) => {
    const all = dates.map((_, i) => String(i))
    try {
      assert.deepEqual(await readAll(serverWithoutNext(dates, size)), all)
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'stuck') throw error
      stuck++
      const largest = Math.max(...dates.map(d => dates.filter(other => other === d || other === d - 1).length))
      assert.ok(largest >= size, 'only where objects that share a date fill a page')
    }
  })
  await fc.assert(property, { ...SEED, numRuns: 500 })
  assert.ok(stuck > 20 && stuck < 400, `${stuck} of 500`)
})

test('… also of a server that cuts added_after to milliseconds: repeated perhaps, lost never', async () => {
  const property = fc.asyncProperty(someDates, fc.integer({ min: 3, max: 12 }), async (dates, size) => {
    try {
      const spread = dates.map((d, i) => d + i * 300)
      const found = new Set(await readAll(serverWithoutNext(spread, size, 3)))
      assert.equal(found.size, dates.length)
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'stuck') throw error
    }
  })
  await fc.assert(property, { ...SEED, numRuns: 300 })
})

test('timestamps: microseconds, there and back, whatever the number of digits', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000_000 }), micros => {
      assert.equal(parseMicros(formatMicros(micros)), micros)
    }),
    SEED,
  )
  assert.equal(parseMicros('2026-01-01T00:00:00Z'), 1_767_225_600_000_000)
  assert.equal(parseMicros('2026-01-01T00:00:00.1Z'), 1_767_225_600_100_000)
  assert.equal(parseMicros('2026-01-01T00:00:00.123456789Z'), 1_767_225_600_123_456)
  for (const text of ['', 'yesterday', '2026-13-01T00:00:00Z', '2026-01-01T00:00:00+01:00', '2026-01-01'])
    assert.equal(parseMicros(text), undefined, text)
})

test('the package runs in browsers: nothing of Node is imported, but by the memory in files, which nothing else imports', () => {
  const files = readdirSync(import.meta.dirname).filter(
    name => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'memory-files.ts',
  )
  assert.ok(files.length > 10)
  for (const name of files) {
    const text = readFileSync(join(import.meta.dirname, name), 'utf8')
    for (const [, from] of text.matchAll(/from '([^']+)'/g))
      assert.match(from as string, /^(?:\.\/[a-z]+\.ts|@entente\/(?:client|verify\/(?:json|tlog|proof)))$/, name)
    assert.doesNotMatch(text, /\b(?:Buffer|process)\b/, name)
  }
})
