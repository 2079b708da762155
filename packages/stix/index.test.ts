import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bad, channels, duplicate, good } from './example.ts'

test('the example does what it says', () => {
  assert.deepEqual(good, { valid: true, findings: [], truncated: false })
  assert.deepEqual(
    bad.findings.map(({ severity, path, rule, section }) => [severity, path, rule, section]),
    [
      ['error', '$.valid_from', 'timestamp', '2.16.1'],
      ['error', '$.confidence', 'range', '2.10'],
      ['warning', '$.x_score', 'custom_property', '11.1'],
    ],
  )
  assert.equal(duplicate, true)
  assert.deepEqual(channels, ['EVENTS'])
})

test('the package depends on nothing', () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')) as object
  assert.ok(!('dependencies' in manifest))
})
