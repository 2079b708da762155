// A clock that the test moves, and connections that are lists of what was told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGrants, GRANT_MS, HELD_MS } from './grants.ts'
import { LEASE_MS, SURE_MS } from './lease.ts'

function open() {
  const clock = { ms: 1000 }
  const grants = createGrants(() => clock.ms)
  const peer = () => {
    const told: unknown[] = []
    return { told, tell: (news: unknown) => void told.push(news) }
  }
  return { clock, grants, peer }
}

test('who relies on a grant stops before who gave it counts on that, and before another can write', () => {
  assert.ok(GRANT_MS * 1.2 <= HELD_MS)
  assert.ok(SURE_MS + HELD_MS < LEASE_MS)
})

test('nothing is shown before each grant was given back', async () => {
  const { grants, peer } = open()
  const [a, b, c] = [peer(), peer(), peer()]
  const [first, second] = [grants.give(a) as number, grants.give(b) as number]
  assert.notEqual(first, second)
  const steps: string[] = []
  const showing = grants.show(async () => {
    steps.push('shown')
    await sleep(1)
    assert.equal(grants.give(c), undefined)
    return 7
  })
  assert.equal(grants.give(c), undefined)
  assert.deepEqual([a.told, b.told, c.told], [[{ revoke: first }], [{ revoke: second }], []])
  grants.takeBack(a, first)
  grants.takeBack(b, second - 1) // an older one
  grants.takeBack(c, second)
  await sleep(5)
  assert.deepEqual(steps, [])
  grants.takeBack(b, second)
  assert.equal(await showing, 7)
  assert.deepEqual(steps, ['shown'])
  assert.ok((grants.give(c) as number) > second)
})

test('who does not answer is waited for until its grant has run out, and who had none is not', async () => {
  const { clock, grants, peer } = open()
  grants.give(peer())
  const steps: string[] = []
  const started = performance.now()
  const showing = grants.show(() => steps.push('shown'))
  await sleep(20)
  assert.deepEqual(steps, [])
  clock.ms += HELD_MS
  await showing
  assert.ok(performance.now() - started < 10 * HELD_MS)
  await grants.show(() => {})
})

test('what fails gives grants again', async () => {
  const { grants, peer } = open()
  await assert.rejects(
    grants.show(() => {
      throw new Error('not shown')
    }),
    /not shown/,
  )
  assert.equal(grants.give(peer()), 1)
})
