import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createClockGuard } from './clock.ts'

const MINUTE = 60e6
const DAY = 86_400e6
const NOW = Date.UTC(2026, 0, 1) * 1000
const BOUNDS = { behindMs: 300_000, aheadMs: 90 * 86_400_000 }

function guarded({ record = 0, accept = false } = {}) {
  const at = { now: NOW, record, running: 0 }
  const guard = createClockGuard(
    () => at.now,
    () => at.record,
    { ...BOUNDS, accept },
    () => at.running,
  )
  return { at, guard }
}

suite('the clock that records are dated by', () => {
  test('is taken as it is where nothing is known', () => {
    const { guard } = guarded()
    assert.equal(guard.check(), undefined)
  })

  test('may be behind the newest record or a ledger within the bound, not beyond it; and is taken again once it is right', () => {
    for (const [what, know] of [
      ['newest record', ({ at }: ReturnType<typeof guarded>, to: number) => (at.record = to)],
      ['ledger "local"', ({ guard }: ReturnType<typeof guarded>, to: number) => guard.witness('local', to)],
    ] as const) {
      const g = guarded()
      know(g, NOW + 5 * MINUTE)
      assert.equal(g.guard.check(), undefined)
      g.at.now = NOW - 1
      const error = g.guard.check()
      assert.equal(error?.code, 'clock')
      assert.match(
        error?.message ?? '',
        new RegExp(`2025-12-31T23:59:59.999999Z, before .*${what}.*2026-01-01T00:05:00.000000Z`),
      )
      g.at.now = NOW + 6 * MINUTE
      assert.equal(g.guard.check(), undefined)
    }
  })

  test('may be ahead of a ledger within the bound, not beyond it', () => {
    const { at, guard } = guarded()
    guard.witness('local', NOW - 90 * DAY)
    guard.witness('older', NOW - 100 * DAY)
    at.now = NOW + 1
    assert.match(guard.check()?.message ?? '', /long after ledger "local".*start with --accept-clock/)
    at.now = NOW
    assert.equal(guard.check(), undefined)
  })

  test('that jumps while the server runs is noticed, both ways', () => {
    const { at, guard } = guarded()
    assert.equal(guard.check(), undefined)
    at.now = NOW + 365 * DAY
    assert.match(guard.check()?.message ?? '', /long after this server when it last stored something/)
    at.now = NOW - 365 * DAY
    assert.match(guard.check()?.message ?? '', /before this server when it last stored something/)
    at.now = NOW + MINUTE
    assert.equal(guard.check(), undefined)
  })

  test('that somebody only looks at teaches nothing: a jump that is over before the next record stops nobody', () => {
    const { at, guard } = guarded()
    assert.equal(guard.check(), undefined)
    at.now = NOW + 80 * DAY
    assert.equal(guard.look(), undefined)
    at.now = NOW + MINUTE
    assert.equal(guard.look(), undefined)
    assert.equal(guard.check(), undefined)
  })

  test('that went on while nothing was stored is not ahead', () => {
    const { at, guard } = guarded()
    assert.equal(guard.check(), undefined)
    at.now = NOW + 200 * DAY
    assert.match(guard.look()?.message ?? '', /long after/)
    at.running = (150 * DAY) / 1000
    assert.equal(guard.check(), undefined)
  })

  test('that imported records are older than is no concern', () => {
    const { guard } = guarded({ record: NOW - 9 * 365 * DAY })
    assert.equal(guard.check(), undefined)
  })

  test('is taken as it is where the operator says so', () => {
    const { guard } = guarded({ record: NOW + 365 * DAY, accept: true })
    guard.witness('local', NOW + 365 * DAY)
    assert.equal(guard.check(), undefined)
  })
})
