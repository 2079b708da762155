// Somebody else's verifier checks our log over HTTP: `fsck` of transparency-dev/tessera, as published.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { installFsck, runFsck, SUCCESS } from '../support/fsck.ts'
import { OBJECTS, sampleObjects, startEntente, type TestServer } from '../support/server.ts'

describe('fsck', () => {
  let server: TestServer | undefined
  let skip: string | undefined
  let folder = ''
  let fsck = ''

  before(async () => {
    const tool = installFsck()
    if ('reason' in tool) {
      skip = tool.reason
      return
    }
    fsck = tool.fsck
    folder = mkdtempSync(join(tmpdir(), 'entente-test-'))
    server = await startEntente(folder)
    // More than two full tiles and a partial one, with checkpoints in between.
    for (const [from, count] of [
      [0, 1],
      [1, 254],
      [255, 300],
      [555, 45],
    ] as const) {
      const { status, text } = await server.request('POST', OBJECTS, { objects: sampleObjects(count, from) })
      assert.equal(status, 202, text)
    }
  })
  after(async () => {
    await server?.stop()
    if (folder !== '') rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const check = (vkey: string) => runFsck(fsck, (server as TestServer).url, vkey, folder)
  const key = async () => (await (server as TestServer).request('GET', '/log/key')).text.trim()

  test('verifies the log of a running server over HTTP', async t => {
    if (skip !== undefined) return t.skip(skip)
    const output = await check(await key())
    assert.ok(output.includes(SUCCESS), output)
  })

  test('does not under another key', async t => {
    if (skip !== undefined) return t.skip(skip)
    const right = await key()
    const bytes = Buffer.from(right.split('+').at(-1) as string, 'base64')
    bytes[5] = (bytes[5] as number) ^ 1
    const output = await check([...right.split('+').slice(0, -1), bytes.toString('base64')].join('+'))
    assert.ok(!output.includes(SUCCESS), output)
  })

  for (const [what, table, where] of [
    ['a tile', 'tile', 'tree = 0 and level = 0 and idx = 1'],
    ['a tile above', 'tile', 'tree = 0 and level = 1 and idx = 0'],
    ['an entry bundle', 'bundle', 'idx = 0'],
  ] as const) {
    test(`does not after one byte of ${what} was changed in the store, and does again once it is back`, async t => {
      if (skip !== undefined) return t.skip(skip)
      const db = new DatabaseSync(join(folder, 'store.db'), { timeout: 5000 })
      const flip = () => {
        const data = Buffer.from(db.prepare(`select data from ${table} where ${where}`).get()?.['data'] as Uint8Array)
        data[40] = (data[40] as number) ^ 1
        assert.equal(db.prepare(`update ${table} set data = ? where ${where}`).run(data).changes, 1)
      }
      flip()
      const broken = await check(await key())
      flip()
      db.close()
      assert.ok(!broken.includes(SUCCESS), broken)
      const whole = await check(await key())
      assert.ok(whole.includes(SUCCESS), whole)
    })
  }
})
