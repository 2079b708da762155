import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { installMongod, startMongod } from './mongod.ts'
import { temporaryFolder } from './server.ts'

test('a replica set of one starts, survives kill -9 with its data, and stops', async t => {
  const installed = installMongod()
  if ('reason' in installed) return t.skip(installed.reason)
  const folder = temporaryFolder(t)
  const first = await startMongod(installed.path, folder)
  await first.kill()
  const second = await startMongod(installed.path, folder, first.port)
  t.after(() => second.stop())
  assert.equal(second.url, first.url)
  assert.notEqual(second.pid, first.pid)
  await second.stop()
  assert.ok(existsSync(join(folder, 'data', 'WiredTiger')))
  await assert.rejects(startMongod(installed.path, join(folder, 'data', 'WiredTiger')))
})
