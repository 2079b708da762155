import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createPlan, formatCosts, parseCosts } from '../tools/costs.ts'

const root = join(import.meta.dirname, '..')

test('the table is read as it is written, and names files that are there', () => {
  const text = readFileSync(join(import.meta.dirname, 'costs.txt'), 'utf8')
  const costs = parseCosts(text)
  const missing = costs.filter(({ file }) => !existsSync(join(root, file)))
  assert.deepEqual(missing, [], 'take their lines out of test/costs.txt, or correct the names')
  assert.deepEqual(parseCosts(formatCosts(costs)), costs)
  assert.throws(() => parseCosts('12 packages/a.test.ts'), /is not: seconds/)
})

test('longest first, and beside it what the cores still have time for', () => {
  const costs = parseCosts('100 180 both\n90 9 waits\n80 80 one\n70 70 other\n60 30 half\n')
  const plan = createPlan(['new', 'half', 'other', 'one', 'waits', 'both', 'late'], costs, 2)
  assert.deepEqual(plan.start(), ['both', 'waits'])
  plan.end('waits')
  assert.deepEqual(plan.start(), []) // the cores have no time for any of them
  plan.end('both')
  assert.deepEqual(plan.start(), ['one', 'other'])
  plan.end('one')
  assert.deepEqual(plan.start(), ['half'])
  plan.end('other')
  assert.deepEqual(plan.start(), ['new'])
  plan.end('half')
  assert.deepEqual(plan.start(), ['late'])
  plan.end('new')
  assert.equal(plan.isDone(), false)
  plan.end('late')
  assert.deepEqual([plan.start(), plan.isDone()], [[], true])
})

test('files that wait are no more at once than memory is for, and one core takes whatever comes', () => {
  const files = ['a', 'b', 'c', 'd', 'e']
  const costs = files.map(file => ({ file, seconds: 100, cpu: 1 }))
  assert.deepEqual(createPlan(files, costs, 2).start(), ['a', 'b', 'c', 'd'])
  const heavy = files.map(file => ({ file, seconds: 100, cpu: 190 }))
  const plan = createPlan(files, heavy, 1)
  for (const file of files) {
    assert.deepEqual(plan.start(), [file])
    plan.end(file)
  }
  assert.ok(plan.isDone())
})
