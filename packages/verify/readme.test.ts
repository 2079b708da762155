import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

test('the example of the README runs, and prints what it says', t => {
  const [, code, printed] = /```ts\n(.*?)```.*?```\n(.*?)```/s.exec(
    readFileSync(path.join(import.meta.dirname, 'README.md'), 'utf8'),
  ) as unknown as [string, string, string]
  const file = path.join(import.meta.dirname, `.readme-example-${process.pid}.ts`)
  t.after(() => rmSync(file, { force: true }))
  writeFileSync(file, code)
  const cwd = path.join(import.meta.dirname, '../..')
  assert.equal(execFileSync(process.execPath, [file], { cwd, encoding: 'utf8' }), printed)
})
