import assert from 'node:assert/strict'
import { generateKeyPairSync, hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { canonicalize } from '@entente/verify/json'
import { RECORD_PREFIX } from '@entente/verify/proof'
import type { Message, Publisher } from '#channel/channel.ts'
import { ChannelError } from '#channel/error.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import { toLogKey } from './key.ts'
import { openNotary } from './notary.ts'
import { createOutbox, type Outbox, type OutboxOptions } from './outbox.ts'
import { testObject, testRequest } from './test/request.ts'

const ORIGIN = 'test.example/log'
const IDS = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']
const key = toLogKey(ORIGIN, generateKeyPairSync('ed25519').privateKey)

type Sent = { channel: string; message: Message; json: any }
type Faults = {
  /** Nothing arrives. */
  away?: boolean
  /** It arrives, and nobody is told. */
  loseAnswers?: number
  /** Larger bodies are refused. */
  most?: number
  deny?: boolean
  tries?: number
}

function fakePublisher(sent: Sent[], faults: Faults): Publisher {
  return {
    kind: 'fake',
    address: channel => channel,
    state: () => ({ connected: !faults.away, error: undefined, since: 0 }),
    close: async () => {},
    publish: async (channel, messages) => {
      faults.tries = (faults.tries ?? 0) + 1
      await sleep(1)
      if (faults.away) throw new ChannelError('unreachable', 'test: the broker is away')
      if (faults.deny) throw new ChannelError('refused', 'test: not allowed')
      if (messages.some(m => m.body.length > (faults.most ?? Number.POSITIVE_INFINITY)))
        throw new ChannelError('too-large', 'test: too large')
      for (const message of messages)
        sent.push({ channel, message: { ...message }, json: JSON.parse(Buffer.from(message.body).toString()) })
      if (faults.loseAnswers) {
        faults.loseAnswers--
        throw new ChannelError('unreachable', 'test: the answer was lost')
      }
    },
  }
}

async function open(t: TestContext, options: Partial<Pick<OutboxOptions, 'channels'>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-outbox-'))
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  const channels = ['A', 'B']
  const notary = await openNotary({ store, origin: ORIGIN, vkey: key.vkey, signer: key.signer, channels })
  await notary.found(IDS.map(id => ({ apiRoot: '/api/', id })))
  const sent: Sent[] = []
  const faults: Faults = {}
  const logged: string[] = []
  const running: Outbox[] = []
  const start = async (): Promise<Outbox> => {
    const outbox = createOutbox({
      notary,
      publisher: fakePublisher(sent, faults),
      source: { origin: ORIGIN, publicUrl: 'https://taxii.example' },
      channels: channels.map(name => ({ name, isWhole: () => true })),
      log: (_level, message) => logged.push(message),
      retryMs: 2,
      ...options,
    })
    await outbox.start()
    running.push(outbox)
    return outbox
  }
  t.after(async () => {
    for (const outbox of running) await outbox.close()
    await notary.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  /** @returns the ids, in order */
  const add = async (count: number, named = ['A'], collection = 1): Promise<string[]> => {
    const objects = Array.from({ length: count }, () => testObject())
    await notary.submit(testRequest(notary, objects, { channels: named, collection }))
    return objects.map(o => o.id)
  }
  const until = async (isTrue: () => boolean) => {
    for (let i = 0; i < 2000 && !isTrue(); i++) await sleep(5)
    assert.ok(isTrue(), `waited in vain: ${sent.length} sent, ${logged.join('; ')}`)
  }
  const idsOn = (channel: string) => sent.filter(s => s.channel === channel).map(s => s.json.record.object.id)
  return { notary, store, sent, faults, logged, start, add, until, idsOn }
}

/** First sendings must be in order and whole; whatever else there is must be marked. */
function assertDelivered(sent: Sent[], channel: string, ids: string[]): void {
  const seen = new Set<number>()
  const first: string[] = []
  for (const { message } of sent.filter(s => s.channel === channel)) {
    if (seen.has(message.position)) assert.equal(message.redelivered, true, `an unmarked repetition of ${message.key}`)
    else first.push(message.key)
    seen.add(message.position)
  }
  assert.deepEqual(first, ids)
}

test('what is routed goes out in order, each message verifiable, and nothing else does', async t => {
  const s = await open(t)
  await s.start()
  const a = await s.add(3)
  await s.add(2, [])
  const ab = await s.add(2, ['A', 'B'])
  await s.until(() => s.sent.length === 7)
  assertDelivered(s.sent, 'A', [...a, ...ab])
  assertDelivered(s.sent, 'B', ab)
  for (const { message, json } of s.sent) {
    assert.equal(message.redelivered, false)
    assert.equal(message.event, 'added')
    assert.equal(json.origin, ORIGIN)
    assert.equal(json.log_index, message.position)
    assert.equal(json.proof, `https://taxii.example/api/collections/${IDS[0]}/records/${json.seq}/proof/`)
    assert.equal(hash('sha256', RECORD_PREFIX + canonicalize(json.record), 'base64'), json.commitment)
  }
})

test('a broker that is away: publishing goes on, then everything arrives, in order', async t => {
  const s = await open(t)
  const outbox = await s.start()
  s.faults.away = true
  const ids = (await Promise.all(Array.from({ length: 30 }, () => s.add(40)))).flat()
  await s.until(() => s.logged.some(m => /took nothing/.test(m)))
  const [state] = await outbox.states()
  assert.equal(state?.pending, 1200)
  assert.match(state?.error ?? '', /away/)
  s.faults.away = false
  await s.until(() => s.sent.length >= 1200)
  const stored = (await s.store.scan(0, 5000)).filter(r => r.kind === 'object').map(r => r.id as string)
  assert.deepEqual(stored.toSorted(), ids.toSorted())
  assertDelivered(s.sent, 'A', stored)
  assert.equal(s.logged.filter(m => /took nothing/.test(m)).length, 1, 'said once')
  const [after] = await outbox.states()
  assert.deepEqual([after?.pending, after?.error, after?.delivered], [0, undefined, 1200])
})

test('an answer that is lost: the same again, marked', async t => {
  const s = await open(t)
  await s.start()
  s.faults.loseAnswers = 2
  const ids = [...(await s.add(5)), ...(await s.add(5))]
  await s.until(() => s.sent.at(-1)?.message.key === ids.at(-1) && s.faults.loseAnswers === 0)
  assert.ok(s.sent.length > 10)
  assertDelivered(s.sent, 'A', ids)
})

test('the next process goes on behind what was confirmed; what may have been sent is marked', async t => {
  const s = await open(t)
  const before = await s.start()
  const first = await s.add(3)
  await s.until(() => s.sent.length === 3)
  await before.close()
  const second = await s.add(3)
  await s.start()
  const third = await s.add(2)
  await s.until(() => s.sent.length === 8)
  assertDelivered(s.sent, 'A', [...first, ...second, ...third])
  assert.deepEqual(
    s.sent.map(m => m.message.redelivered),
    [false, false, false, true, true, true, false, false],
  )
})

test('a process that dies before it wrote its cursor sends again, marked', async t => {
  const s = await open(t)
  const outbox = await s.start()
  const cursor = (await s.store.cursor('outbox:fake:A')) as number
  const ids = await s.add(4)
  await s.until(() => s.sent.length === 4)
  await outbox.close()
  await s.store.putCursor('outbox:fake:A', cursor)
  await s.start()
  await s.until(() => s.sent.length === 8)
  assertDelivered(s.sent, 'A', ids)
})

test('a broker that is new here gets what comes from now on', async t => {
  const s = await open(t)
  await s.add(3)
  await s.start()
  const ids = await s.add(1)
  await s.until(() => s.sent.length === 1)
  assert.deepEqual(s.idsOn('A'), ids)
})

test('what not all of the audience may read goes out as a reference, which names no object', async t => {
  const s = await open(t, { channels: [{ name: 'A', isWhole: collection => collection === 1 }] })
  await s.start()
  const [open1] = await s.add(1, ['A'], 1)
  const [closed] = await s.add(1, ['A'], 2)
  await s.until(() => s.sent.length === 2)
  assert.equal(s.sent[0]?.json.record.object.id, open1)
  const { message, json } = s.sent[1] as Sent
  assert.equal(message.event, 'reference')
  assert.equal(message.key, json.commitment)
  assert.deepEqual(Object.keys(json).toSorted(), [
    'api_root',
    'collection',
    'commitment',
    'event',
    'log_index',
    'origin',
    'proof',
    'seq',
  ])
  assert.ok(!Buffer.from(message.body).includes(closed as string))
})

test('an object that is too large for the broker becomes a reference, and what follows gets through', async t => {
  const s = await open(t)
  await s.start()
  s.faults.most = 2000
  const large = testObject(`https://example.org/${'x'.repeat(3000)}`)
  const [one, two] = [testObject(), testObject()]
  await s.notary.submit(testRequest(s.notary, [one, large, two], { channels: ['A'] }))
  await s.until(() => s.sent.length === 3)
  assert.deepEqual(
    s.sent.map(m => m.json.event),
    ['added', 'reference', 'added'],
  )
  assert.equal(s.sent[2]?.message.key, two.id)
  assert.ok(s.logged.some(m => /reference to it instead/.test(m)))
})

test('a broker that refuses everything is asked again and again, and loses nothing', async t => {
  const s = await open(t)
  await s.start()
  s.faults.deny = true
  const ids = await s.add(3)
  await s.until(() => s.logged.some(m => /took nothing/.test(m)))
  s.faults.deny = false
  await s.until(() => s.sent.length === 3)
  assertDelivered(s.sent, 'A', ids)
})

test('what was erased before it could be sent is not sent', async t => {
  const s = await open(t)
  await s.start()
  s.faults.away = true
  const [kept, gone] = await s.add(2)
  const erase = { id: gone as string, whole: true, versions: async (rows: any) => rows }
  await s.notary.submit({ ...testRequest(s.notary, []), erase })
  const tries = s.faults.tries ?? 0
  await s.until(() => (s.faults.tries ?? 0) >= tries + 2)
  s.faults.away = false
  await s.until(() => s.sent.length > 0)
  const [last] = await s.add(1)
  await s.until(() => s.idsOn('A').at(-1) === last)
  assert.deepEqual(s.idsOn('A'), [kept, last])
})

test('a damaged row goes out as what it is, and not as good', async t => {
  const s = await open(t)
  await s.start()
  s.faults.away = true
  await s.add(1)
  const [row] = (await s.store.scan(0, 100)).filter(r => r.kind === 'object')
  assert.ok(row?.text)
  const text = Buffer.from(row.text)
  text[text.length - 3] = (text.at(-3) as number) ^ 1
  await s.store.mend(s.notary.log.head, {
    rows: [{ ...row, text }],
    remove: [],
    supersede: [],
    tiles: [],
    entryBundles: [],
    collections: [],
  })
  const tries = s.faults.tries ?? 0
  await s.until(() => (s.faults.tries ?? 0) >= tries + 2) // what was read before is gone
  s.faults.away = false
  await s.until(() => s.sent.length === 1)
  assert.equal(s.sent[0]?.json.event, 'integrity')
  assert.equal(s.sent[0]?.json.reason, 'hash')
  assert.equal(s.sent[0]?.json.record, undefined)
})
