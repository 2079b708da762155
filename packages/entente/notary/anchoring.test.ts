import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LedgerError } from '#ledger/error.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import { type Anchoring, type AnchoringOptions, createAnchoring } from './anchoring.ts'
import { isFinal } from './finality.ts'
import { toLogKey } from './key.ts'
import { openNotary } from './notary.ts'
import { createTestLedger } from './test/ledger.ts'
import { testObject, testRequest } from './test/request.ts'

const FIRST = '11111111-1111-4111-8111-111111111111'
const SECOND = '22222222-2222-4222-8222-222222222222'
const key = toLogKey('test.example/log', generateKeyPairSync('ed25519').privateKey)

/** A log of two collections, and what anchors it. */
async function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-anchoring-'))
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  const notary = await openNotary({ store, origin: 'test.example/log', vkey: key.vkey, signer: key.signer })
  const said: string[] = []
  const running: Anchoring[] = []
  t.after(async () => {
    for (const anchoring of running) await anchoring.close()
    await notary.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  await notary.found([FIRST, SECOND].map(id => ({ apiRoot: '/api/', id })))
  const start = async (options: Partial<AnchoringOptions> & Pick<AnchoringOptions, 'anchors'>) => {
    const anchoring = createAnchoring({
      notary,
      schedule: { intervalMs: 5 },
      watchMs: 20,
      log: (level, message) => said.push(`${level}: ${message}`),
      ...options,
    })
    running.push(anchoring)
    await anchoring.start()
    return anchoring
  }
  /** Logs new objects, a thousand a request; the size of the log that covers them. */
  const publishMany = async (count: number, collection = 1): Promise<number> => {
    let covering = 0
    for (let left = count; left > 0; left -= 1000) {
      const values = Array.from({ length: Math.min(left, 1000) }, () => testObject('x:y'))
      covering = (await notary.submit(testRequest(notary, values, { collection }))).size
    }
    return covering
  }
  const publish = (collection = 1): Promise<number> => publishMany(1, collection)
  return { notary, store, said, start, publish, publishMany }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await isSo()) return
    await sleep(10)
  }
  assert.fail(`not so after 10 s: ${isSo.toString()}`)
}
const finalSize = (anchoring: Anchoring, ledger: string) =>
  anchoring.states().find(s => s.ledger === ledger)?.finalSize ?? 0

test('under steady load a ledger of some depth gets final all the same: what waits is not forgotten for what is newer', async t => {
  const { publish, start } = await open(t)
  const ledger = createTestLedger('deep', { depth: 3 })
  const anchoring = await start({ anchors: [ledger.anchor] })
  let size = 0
  for (let i = 0; i < 30; i++) {
    size = await publish()
    await sleep(10)
  }
  assert.ok(finalSize(anchoring, 'deep') > 0)
  for (let i = 0; i < 3; i++) ledger.block()
  await until(() => finalSize(anchoring, 'deep') === size)
})

test('three ledgers, two required: one away holds up nobody, catches up, and nothing is anchored twice', async t => {
  const { publish, start, said } = await open(t)
  const ledgers = ['a', 'b', 'c'].map(id => createTestLedger(id))
  const anchoring = await start({ anchors: ledgers.map(l => l.anchor) })
  const policy = { ledgers: ['a', 'b', 'c'], require: 2 }
  await until(() => ['a', 'b', 'c'].every(id => finalSize(anchoring, id) > 0))
  ledgers[2]?.goAway('test: connection refused')
  const size = await publish()
  await until(() => isFinal(policy, size, anchoring.states()))
  assert.ok(finalSize(anchoring, 'c') < size)
  await until(() => anchoring.states()[2]?.error === 'test: connection refused')
  assert.ok(said.includes('warn: ledger does not take the checkpoint'))
  ledgers[2]?.goAway(undefined)
  await until(() => finalSize(anchoring, 'c') === size)
  assert.ok(said.includes('info: ledger answers again'))
  for (const { appended } of ledgers) assert.equal(new Set(appended).size, appended.length)
})

test('an anchor that is reorganised away goes to the ledger again', async t => {
  const { publish, start, said } = await open(t)
  const ledger = createTestLedger('deep', { depth: 2 })
  const anchoring = await start({ anchors: [ledger.anchor] })
  await until(() => ledger.latest() !== undefined)
  ledger.block()
  ledger.block()
  const size = await publish()
  await until(() => ledger.latest() === size)
  ledger.drop(1)
  assert.notEqual(ledger.latest(), size)
  await until(() => ledger.latest() === size)
  assert.ok(said.includes('warn: a ledger reorganised an anchor away'))
  ledger.block()
  ledger.block()
  await until(() => finalSize(anchoring, 'deep') === size)
  assert.deepEqual(ledger.appended.slice(-2), [size, size])
})

test('a ledger that loses what was final is an alert; it is anchored again, and statuses stay complete', async t => {
  const { publish, start, said } = await open(t)
  const ledger = createTestLedger('reset')
  const anchoring = await start({ anchors: [ledger.anchor] })
  const size = await publish()
  await until(() => finalSize(anchoring, 'reset') === size)
  ledger.drop(100)
  await until(() => ledger.latest() === size)
  assert.equal(finalSize(anchoring, 'reset'), size)
  assert.ok(said.includes('error: a ledger lost an anchor that was final'))
})

test('a slow ledger: what was sent is in the state, nothing newer is sent before it is in a block', async t => {
  const { publish, start } = await open(t)
  const ledger = createTestLedger('slow', { isSlow: true })
  const anchoring = await start({ anchors: [ledger.anchor] })
  await until(() => anchoring.states()[0]?.sent !== undefined)
  const [first] = ledger.appended
  assert.deepEqual(anchoring.states()[0]?.sent, { size: first, transaction: 'tx-slow-1' })
  const size = await publish()
  await publish()
  await sleep(50)
  assert.deepEqual(ledger.appended, [first])
  assert.equal(anchoring.states()[0]?.error, undefined)
  ledger.block()
  await until(() => finalSize(anchoring, 'slow') === first)
  await until(() => ledger.appended.length === 2)
  assert.ok((ledger.appended[1] as number) > size)
})

test('a ledger gets a checkpoint when a collection that asks for it has something new, and as soon as that asks', async t => {
  const { publish, start } = await open(t)
  const ledgers = ['fast', 'dear'].map(id => createTestLedger(id))
  const anchoring = await start({
    anchors: ledgers.map(l => l.anchor),
    schedule: {
      intervalMs: 5,
      ledgers: new Map([['dear', 300]]),
      collections: [
        { apiRoot: '/api/', id: FIRST, ledgers: ['fast'] },
        { apiRoot: '/api/', id: SECOND, ledgers: ['fast', 'dear'] },
      ],
    },
  })
  await until(() => finalSize(anchoring, 'dear') > 0) // the first checkpoint goes everywhere
  const began = performance.now()
  let size = await publish(1)
  await until(() => finalSize(anchoring, 'fast') === size)
  await sleep(400)
  assert.equal(ledgers[1]?.appended.length, 1, 'nobody asked for it')
  for (let i = 0; i < 10; i++) size = await publish(2)
  await until(() => finalSize(anchoring, 'dear') === size)
  for (let i = 0; i < 10; i++) size = await publish(2)
  await until(() => finalSize(anchoring, 'dear') === size)
  const most = 2 + Math.ceil((performance.now() - began) / 300)
  assert.ok((ledgers[1]?.appended.length ?? 0) <= most, `${ledgers[1]?.appended.length} anchors, at most ${most}`)
})

test('one transaction covers every object of its interval: 10,000 objects cost as many as 10', async t => {
  const costs: number[] = []
  for (const objects of [10, 10_000]) {
    const { publishMany, start } = await open(t)
    const ledger = createTestLedger('ledger')
    const anchoring = await start({ anchors: [ledger.anchor], schedule: { intervalMs: 5000 } })
    await until(() => finalSize(anchoring, 'ledger') > 0)
    const before = ledger.appended.length
    const began = performance.now()
    const size = await publishMany(objects)
    assert.ok(performance.now() - began < 4500, 'published within the interval')
    await until(() => finalSize(anchoring, 'ledger') === size)
    costs.push(ledger.appended.length - before)
  }
  assert.deepEqual(costs, [1, 1])
})

test('a collection that can wait: its records go along with others, or when its own time has come', async t => {
  const { publish, start } = await open(t)
  const ledger = createTestLedger('ledger')
  const anchoring = await start({
    anchors: [ledger.anchor],
    schedule: {
      intervalMs: 5,
      collections: [
        { apiRoot: '/api/', id: FIRST, ledgers: ['ledger'], intervalMs: 600 },
        { apiRoot: '/api/', id: SECOND, ledgers: ['ledger'] },
      ],
    },
  })
  await until(() => finalSize(anchoring, 'ledger') > 0)
  const patient = await publish(1)
  await sleep(200)
  assert.ok(finalSize(anchoring, 'ledger') < patient)
  const size = await publish(2)
  await until(() => finalSize(anchoring, 'ledger') === size)
  const alone = await publish(1)
  await until(() => finalSize(anchoring, 'ledger') === alone)
})

test('the next start reads the last anchor by its transaction: what the ledger has no more is said and anchored again', async t => {
  const { publish, start, said } = await open(t)
  const ledger = createTestLedger('ledger')
  const first = await start({ anchors: [ledger.anchor] })
  const size = await publish()
  await until(() => finalSize(first, 'ledger') === size)
  await first.close()
  ledger.drop(1)
  await start({ anchors: [ledger.anchor] })
  assert.ok(said.includes('error: a ledger does not have an anchor that was final'))
  await until(() => ledger.latest() === size)
})

test('a ledger that takes its time does not hold up the start; once it answers it is compared', async t => {
  const { notary, publish, start } = await open(t)
  const [quick, slow] = [createTestLedger('quick'), createTestLedger('slow')]
  const { promise, resolve } = Promise.withResolvers<void>()
  const size = await publish()
  const told = { size: 1_000_000, root: notary.log.root }
  const latest = async () => {
    await promise
    return told
  }
  const anchoring = await start({ anchors: [quick.anchor, { ...slow.anchor, latest }], startMs: 50 })
  await until(() => finalSize(anchoring, 'quick') === size)
  assert.equal(anchoring.states()[1]?.error, 'it has not answered yet')
  assert.equal(notary.halted, undefined)
  resolve()
  await until(() => notary.halted?.code === 'rolled-back')
})

test('a ledger that has another root, or more than the store, halts all writing', async t => {
  for (const [change, code] of [
    [{ root: new Uint8Array(32) }, 'forked'],
    [{ size: 1_000_000 }, 'rolled-back'],
  ] as const) {
    const { notary, publish, start } = await open(t)
    const ledger = createTestLedger('ledger')
    const size = await publish()
    const { anchor } = ledger
    const told = { size, root: notary.log.root, ...change }
    await start({ anchors: [{ ...anchor, latest: async () => told }] })
    assert.equal(notary.halted?.code, code)
    assert.deepEqual(ledger.appended, [])
  }
})

test('an anchor that another process overtook is late, and nothing is wrong, also where that is known before the ledger answers', async t => {
  const { notary, publish, start } = await open(t)
  const ledger = createTestLedger('ledger')
  const { append } = ledger.anchor
  let isOvertaken = false
  const anchor: typeof ledger.anchor = {
    ...ledger.anchor,
    append: async (checkpoint, prove) => {
      if (isOvertaken) return append(checkpoint, prove)
      isOvertaken = true
      await publish()
      const { head, root } = notary.log
      await append({ size: notary.log.size, root, note: head?.note ?? '' }, prove)
      throw new LedgerError('stale', 'a newer checkpoint was anchored')
    },
  }
  await publish()
  const anchoring = await start({ anchors: [anchor] })
  await until(() => isOvertaken && finalSize(anchoring, 'ledger') === notary.log.size)
  assert.equal(notary.halted, undefined)
  const size = await publish()
  await until(() => finalSize(anchoring, 'ledger') === size)
})
