import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { loadConfig, parseHold } from './config.ts'

const DAY = 86_400_000_000

function load(t: TestContext, collection: string, env: NodeJS.ProcessEnv = {}) {
  const data = mkdtempSync(join(tmpdir(), 'entente-config-'))
  t.after(() => rmSync(data, { recursive: true, force: true }))
  const file = join(data, 'entente.yaml')
  writeFileSync(file, `apiRoots: [{ path: /api/, title: T, collections: [{ alias: a, title: A${collection} }] }]`)
  const { config } = loadConfig({ file, data, env })
  return { ...config.apiRoots[0]?.collections[0], statusHours: config.server.statusHours }
}

test('what a collection does with what it takes in and gives up: the defaults, and every value', t => {
  const { validation, onConflict, hold, repost, statusHours } = load(t, '')
  assert.deepEqual([validation, onConflict, hold, repost, statusHours], ['standard', 'fail', undefined, 'allow', 48])
  const set = load(t, ', validation: strict, onConflict: keepBoth, hold: 30d, repost: refuse', {
    ENTENTE_SERVER_STATUS_HOURS: '72',
  })
  assert.deepEqual(
    [set.validation, set.onConflict, set.hold, set.repost, set.statusHours],
    ['strict', 'keepBoth', '30d', 'refuse', 72],
  )
  assert.equal(load(t, ', validation: permissive').validation, 'permissive')
})

test('a value that makes no sense is refused, with its key', t => {
  for (const [collection, message] of [
    [', validation: lax', /validation/],
    [', onConflict: keep', /onConflict/],
    [', repost: no', /repost/],
    [', hold: tomorrow', /hold of the collection "A" is "tomorrow": a timestamp such as .*, or days such as 30d/],
    [', hold: 2026-02-30T00:00:00Z', /hold of the collection/],
    [', hold: 30', /hold/],
  ] as const)
    assert.throws(() => load(t, collection), { code: 'usage', message })
  assert.throws(() => load(t, '', { ENTENTE_SERVER_STATUS_HOURS: '23' }), /statusHours/)
})

test('hold: days from date_added, or a date', () => {
  assert.deepEqual(parseHold('30d'), { for: 30 * DAY })
  assert.deepEqual(parseHold('0d'), { for: 0 })
  assert.deepEqual(parseHold('1970-01-02T00:00:00Z'), { until: DAY })
  for (const text of ['', 'd', '-1d', '1.5d', '123456d', '30 d', '30D', '30h']) assert.equal(parseHold(text), undefined)
})
