import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { spreadDates } from './import.ts'

const SEED = 41

test('dates that strictly ascend stay; of equal ones the last stays, and the others go before it', () => {
  assert.deepEqual(spreadDates([]), [])
  assert.deepEqual(spreadDates([1000, 2000, 2001]), [1000, 2000, 2001])
  assert.deepEqual(spreadDates([1000, 2000, 2000, 2000, 3000]), [1000, 1998, 1999, 2000, 3000])
  // no room before: on, as far as it takes
  assert.deepEqual(spreadDates([1999, 2000, 2000, 2000, 2001, 5000]), [1999, 2000, 2001, 2002, 2003, 5000])
})

test('always strictly ascending, and never before what it was by more than the equal ones are many', () => {
  const dates = fc.array(fc.integer({ min: 100, max: 160 }), { maxLength: 60 }).map(a => a.sort((x, y) => x - y))
  fc.assert(
    fc.property(dates, given => {
      const spread = spreadDates(given)
      assert.equal(spread.length, given.length)
      for (const [i, date] of spread.entries()) {
        if (i > 0) assert.ok(date > (spread[i - 1] as number))
        const equal = given.filter(d => d === given[i]).length
        assert.ok(date > (given[i] as number) - equal)
      }
      if (new Set(given).size === given.length) assert.deepEqual(spread, given)
    }),
    { seed: SEED },
  )
})
