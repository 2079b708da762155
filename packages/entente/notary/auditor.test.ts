// The continuous auditor on a real store that somebody writes to behind the server's back.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sampleObjects } from '../../../test/support/server.ts'
import { startTestServer, type TestServer } from '../taxii/test/server.ts'

const AUDIT = { share: 1, pauseMs: 60_000 }
const objects = sampleObjects(150)
const idOf = (i: number) => (objects[i] as { id: string }).id

async function started(t: TestContext): Promise<TestServer> {
  const server = await startTestServer({ audit: AUDIT })
  t.after(() => server.stop())
  await server.add(objects)
  return server
}

type Audit = { rounds: number; records: number; problems: number; completed?: string }
const auditOf = async (server: TestServer): Promise<Audit> =>
  (await server.ask('GET', '/readyz', { user: null })).json.audit

function change(server: TestServer, sql: string, ...values: string[]): void {
  const db = new DatabaseSync(join(server.data, 'store.db'), { timeout: 5000 })
  assert.equal(db.prepare(sql).run(...values).changes, 1)
  db.close()
}

/** Waits for a round that ended with so many problems. */
async function problems(server: TestServer, count: number): Promise<Audit> {
  for (let i = 0; ; i++) {
    const audit = await auditOf(server)
    if (audit.rounds > 0 && audit.problems === count) return audit
    assert.ok(i < 100, `no round ended with ${count} problems: ${JSON.stringify(audit)}`)
    await sleep(100)
  }
}

const DAMAGES: [what: string, sql: string, reason: string][] = [
  ['content', `update record set text = cast(replace(text, '"name"', '"nome"') as blob) where id = ?`, 'hash'],
  ['version', `update record set version = '2031-01-01T00:00:00.000000Z' where id = ?`, 'columns'],
  ['id', `update record set id = 'tool--00000000-0000-4000-8000-000000000000' where id = ?`, 'columns'],
  ['kind', 'update record set kind = 2 where id = ?', 'columns'],
  ['type', `update record set type = 'tool' where id = ?`, 'columns'],
  ['version of STIX', `update record set spec = '2.0' where id = ?`, 'columns'],
  ['text that is gone', 'update record set text = null where id = ?', 'missing'],
  [
    'row erased without a record of it',
    'update record set text = null, id = null, version = null where id = ?',
    'missing',
  ],
]

for (const [what, sql, reason] of DAMAGES)
  test(`a changed ${what} is found and alerted before anybody asks for it, and mended is no alarm any more`, async t => {
    const server = await started(t)
    await problems(server, 0)
    const db = new DatabaseSync(join(server.data, 'store.db'), { timeout: 5000 })
    const before = db.prepare('select * from record where id = ?').get(idOf(70)) as Record<string, any>
    db.close()
    change(server, sql, idOf(70))
    await problems(server, 1)
    const alert = server.logged.find(l => l.message === 'a stored record fails verification and is withheld')
    assert.deepEqual([alert?.details['seq'], alert?.details['reason']], [70, reason])
    // What can't be found by its id may be what is damaged: "not found" is not said.
    if (what === 'id' || what === 'kind' || what.startsWith('row'))
      assert.equal((await server.get(`objects/${idOf(70)}/`)).status, 500)

    const columns = ['id', 'kind', 'type', 'version', 'spec', 'text']
    const again = new DatabaseSync(join(server.data, 'store.db'), { timeout: 5000 })
    again
      .prepare(`update record set ${columns.map(c => `${c} = ?`).join(', ')} where leaf = ?`)
      .run(...columns.map(c => before[c]), before['leaf'])
    again.close()
    await problems(server, 0)
    assert.equal((await server.get(`objects/${idOf(70)}/`)).status, 200)
    assert.equal((await server.get('objects/tool--00000000-0000-4000-8000-000000000001/')).status, 404)
  })

test('a row that is gone is found', async t => {
  const server = await started(t)
  await problems(server, 0)
  change(server, 'delete from record where id = ?', idOf(70))
  await problems(server, 1)
  assert.ok(
    server.logged.some(
      l => l.message === 'records are missing from the store' && l.details['first_missing_seq'] === 70,
    ),
  )
})

test('deleted objects, refused ones and several collections are no problem', async t => {
  const server = await started(t)
  await server.add([{ ...objects[3], name: 'other content in the same version' }])
  await server.add(objects.slice(0, 5), 'strict')
  assert.equal((await server.ask('DELETE', `/api/collections/default/objects/${idOf(9)}/`)).status, 200)
  const before = (await auditOf(server)).rounds
  change(server, 'update record set invalid = 1 where id = ? and coll = 1 and kind = 0', idOf(8)) // only to start a round
  for (let i = 0; (await auditOf(server)).rounds <= before; i++) {
    assert.ok(i < 100)
    await sleep(100)
  }
  const audit = await problems(server, 0)
  assert.ok(audit.completed?.endsWith('Z'))
  assert.ok(audit.records >= 157, `${audit.records}`)
})

test('it takes no more than its share of a core', async t => {
  const server = await startTestServer({ audit: { share: 0.05, pauseMs: 10 } })
  t.after(() => server.stop())
  await server.add(objects)
  await sleep(300)
  const [records, cpu, started] = [(await auditOf(server)).records, process.cpuUsage(), performance.now()]
  await sleep(3000)
  const { user, system } = process.cpuUsage(cpu)
  const share = (user + system) / 1000 / (performance.now() - started)
  const checked = (await auditOf(server)).records - records
  t.diagnostic(`measured: ${checked} records in 3 s with ${(share * 100).toFixed(1)} % of a core`)
  assert.ok(checked > 0)
  assert.ok(share < 0.2, `${share}`) // the whole process, its garbage collection and this test included
})
