// Subscriptions to the real server; what changes events on the way stands between it and the client.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { ProofError } from '@entente/verify/proof'
import { ClientError, createMemory, createTaxiiClient, type Delivery, type SubscribeOptions } from './index.ts'
import { forgeEvent } from './test/events.ts'
import { indicators } from './test/fake.ts'
import { startReal } from './test/real.ts'

const FEED = '/api/collections/default/'
const MARKING = {
  type: 'marking-definition',
  spec_version: '2.1',
  id: 'marking-definition--00000000-0000-4000-8000-0000000000aa',
  created: '2026-01-01T00:00:00.000Z',
  definition_type: 'statement',
  definition: { statement: 'pubsub:EVENTS' },
}
const marked = (objects: ReturnType<typeof indicators>) =>
  objects.map(o => ({ ...o, object_marking_refs: [MARKING.id] }))

async function open(t: TestContext, configuration?: string) {
  const real = await startReal(t, configuration)
  const auth = { kind: 'basic', user: 'admin', password: real.password } as const
  const client = createTaxiiClient({ url: real.server.url, auth })
  /** A client whose events pass through `change`, message by message. */
  const through = (change: (message: string) => string) => {
    const passing: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (!response.headers.get('content-type')?.includes('event-stream')) return response
      let rest = ''
      const text = new TransformStream<string, string>({
        transform(chunk, controller) {
          const messages = (rest + chunk).split('\n\n')
          rest = messages.pop() as string
          for (const message of messages) controller.enqueue(`${change(message)}\n\n`)
        },
      })
      const body = response.body
        ?.pipeThrough(new TextDecoderStream())
        .pipeThrough(text)
        .pipeThrough(new TextEncoderStream())
      return new Response(body ?? null, { headers: response.headers })
    }
    return createTaxiiClient({ url: real.server.url, auth, fetch: passing })
  }
  return { ...real, client, through, collection: client.collection(FEED), trust: { vkeys: [real.server.context.vkey] } }
}

async function take(deliveries: AsyncIterable<Delivery>, until: (given: Delivery[]) => boolean): Promise<Delivery[]> {
  const given: Delivery[] = []
  for await (const delivery of deliveries) {
    given.push(delivery)
    if (until(given)) break
  }
  return given
}
const eventsOf = (given: Delivery[]) => given.filter(d => d.kind === 'event')
const events = (count: number) => (given: Delivery[]) => eventsOf(given).length === count

test('a feed gives everything that happens, as it happens, each when the log was found to have it', async t => {
  const { client, collection, trust } = await open(t)
  const [first, second] = indicators(2) as [ReturnType<typeof indicators>[0], ReturnType<typeof indicators>[0]]
  await collection.add([first])
  const newer = { ...first, modified: '2026-02-01T00:00:00.000Z', name: 'renamed' }
  const revoked = { ...first, modified: '2026-03-01T00:00:00.000Z', revoked: true }
  const happens = async () => {
    await collection.add([newer])
    await collection.add([{ ...newer, name: 'another' }])
    await collection.add([revoked])
    await collection.add([second])
    await collection.delete(second.id)
  }
  const memory = createMemory()
  let happened: Promise<void> | undefined
  const given = await take(
    client.subscribe({ collection: FEED }, { from: 'start', verify: { trust, memory } }),
    all => {
      happened ??= happens()
      return events(6)(all)
    },
  )
  await happened
  assert.deepEqual(
    eventsOf(given).map(({ event, id, level }) => [event.event, id, level]),
    [
      ['added', '0', 'logged'],
      ['version', '1', 'logged'],
      ['equivocation', '2', 'logged'],
      ['revoked', '3', 'logged'],
      ['added', '4', 'logged'],
      ['withdrawn', '5', 'logged'],
    ],
  )
  assert.equal((await memory.recall(trust.vkeys[0]?.split('+')[0] as string)).length, 1, 'the checkpoint is remembered')

  // Who comes later does not get what was erased, and is told that it is not there before being told why.
  const later = await take(client.subscribe(collection.url, { from: 'start', verify: { trust } }), all =>
    eventsOf(all).some(d => d.event.event === 'withdrawn'),
  )
  const kinds = later.map(d => (d.kind === 'event' ? d.event.event : d.kind))
  assert.deepEqual(kinds, ['place', 'added', 'version', 'equivocation', 'revoked', 'skipped', 'withdrawn'])
  assert.deepEqual(
    later.find(d => d.kind === 'skipped'),
    { kind: 'skipped', from: 4, to: 4 },
  )
  const last = later.at(-1)
  assert.ok(last?.kind === 'event' && 'record' in last.event && 'deleted' in last.event.record)
  assert.deepEqual(last.event.record.deleted, { seq: 4 })
})

test('a channel gives what is marked for it, and a subscription goes on behind an id', async t => {
  const { client, collection, trust } = await open(t)
  assert.deepEqual(
    (await client.channels()).map(c => c.name),
    ['EVENTS', 'ATTACKS', 'MITIGATIONS', 'UNSPECIFIED'],
  )
  await collection.add([MARKING, ...marked(indicators(20))])
  await collection.add(indicators(20, 100))
  await collection.add(marked(indicators(20, 200)))
  const target = { channel: 'EVENTS' }
  const all = eventsOf(await take(client.subscribe(target, { from: 'start', verify: { trust } }), events(41)))
  let id: string | undefined
  const inParts: unknown[] = []
  for (const part of [1, 12, 28]) {
    const options: SubscribeOptions = { from: id ?? 'start', verify: { trust, isEarly: part === 12 } }
    const given = await take(client.subscribe('/api/channels/EVENTS/', options), events(part))
    for (const { event } of eventsOf(given)) inParts.push(event)
    id = eventsOf(given).at(-1)?.id
  }
  assert.deepEqual(
    inParts,
    all.map(d => d.event),
  )
  const names = all.flatMap(({ event }) =>
    'record' in event && 'object' in event.record ? [event.record.object['name']] : [],
  )
  assert.deepEqual(
    names.filter(n => n !== undefined),
    [...indicators(20), ...indicators(20, 200)].map(o => o['name']),
  )
})

test('early: events at once, and a notice when the log was found to have them', async t => {
  const { client, collection } = await open(t)
  await collection.add(indicators(5))
  const deliveries = client.subscribe({ collection: FEED }, { from: 'start', verify: { isEarly: true } })
  const given = await take(deliveries, all => all.at(-1)?.kind === 'proven')
  const shown = given.map(d => (d.kind === 'event' ? d.level : d.kind))
  assert.deepEqual(
    shown.filter(s => s !== 'place'),
    ['stored', 'stored', 'stored', 'stored', 'stored', 'proven'],
  )
  const proven = given.at(-1)
  assert.ok(proven?.kind === 'proven')
  assert.deepEqual([proven.id, proven.level], ['4', 'logged'])
})

test('what was changed on the way is never given, whatever else was changed with it', async t => {
  const { through, collection, trust } = await open(t)
  await collection.add(indicators(6))
  const genuine: string[] = []
  const note = (message: string) => {
    if (message.includes('\ndata: ')) genuine.push(message)
    return message
  }
  await take(through(note).subscribe({ collection: FEED }, { from: 'start' }), events(6))
  const commitment = (message: string) => /"commitment":"([^"]+)"/.exec(message)?.[1] as string
  const [one = '', two = ''] = genuine.slice(2)

  const refused = async (change: (message: string) => string, ...words: string[]) => {
    const given: Delivery[] = []
    const subscription = through(change).subscribe(
      { collection: FEED },
      { from: 'start', verify: { trust, coverMs: 500 } },
    )
    const error = await take(subscription, all => {
      given.splice(0, given.length, ...all)
      return events(6)(all)
    }).then(
      () => undefined,
      (e: unknown) => e,
    )
    assert.ok(error instanceof ProofError && error.code === 'event', `${error}`)
    for (const word of words) assert.ok(error.message.includes(word), `${error.message}: no ${word}`)
    const kept = eventsOf(given).map(d => (d as { text: string }).text)
    for (const text of kept) assert.ok(genuine.some(g => g.endsWith(text)))
  }
  const only = (message: string, changed: string) => (m: string) => (m === message ? changed : m)
  // Content alone: the hash that it has, and the one that it should have
  await refused(only(one, one.replace('indicator 2', 'indicator 9')), commitment(one))
  // Content and commitment together: a record of its own, which the log never had
  const [head, data = ''] = one.split('\ndata: ')
  const forged = `${head}\ndata: ${forgeEvent(data)}`
  await refused(only(one, forged), commitment(forged), commitment(one))
  // Another genuine event at this place
  const index = (m: string) => /"log_index":\d+/.exec(m)?.[0] as string
  await refused(only(one, one.replace(index(one), index(two))), commitment(one), commitment(two))
  await refused(only(one, one.replace(index(one), '"log_index":99999')), '99999')
  await refused(only(one, one.replace(/"origin":"[^"]+"/, '"origin":"other.example/log"')), 'other.example/log')
})

test('what a gap left out is fetched, verified like the rest, and given before the subscription goes on', async t => {
  const { through, client, collection, trust } = await open(t)
  await collection.add([MARKING, ...marked(indicators(30))])
  await collection.add(marked(indicators(10, 100)))
  const target = { channel: 'EVENTS' }
  const all = eventsOf(await take(client.subscribe(target, { from: 'start' }), events(41)))
  const [from, next] = [all[3]?.id as string, Number(all[35]?.id)]
  // The server no longer has the events up to `next`
  const last = all[3]?.event
  assert.ok(last && 'record' in last)
  const paths = [`/api/collections/${last.collection}/objects/?added_after=${last.record.date_added}`]
  const gap = `id: ${next - 1}\nevent: gap\ndata: ${JSON.stringify({ after: Number(from), next, catch_up: paths })}`
  let isGone = false
  const forgetful = (message: string) => {
    const id = Number(/^id: (\d+)$/m.exec(message)?.[1])
    if (message.startsWith('retry:') || !(id < next)) return message
    const first = !isGone
    isGone = true
    return first ? gap : ':'
  }
  const told = await take(through(forgetful).subscribe(target, { from }), events(5))
  const [notice] = told.filter(d => d.kind === 'gap')
  assert.deepEqual(notice, {
    kind: 'gap',
    id: String(next - 1),
    after: Number(from),
    next,
    catchUp: paths,
    isCaughtUp: false,
  })
  assert.deepEqual(
    eventsOf(told).map(d => d.id),
    all.slice(35, 40).map(d => d.id),
  )

  isGone = false
  const whole = await take(through(forgetful).subscribe(target, { from, catchUp: true, verify: { trust } }), events(37))
  assert.deepEqual(
    eventsOf(whole).map(d => ('record' in d.event ? d.event.record : undefined)),
    all.slice(4).map(d => ('record' in d.event ? d.event.record : undefined)),
  )
  assert.ok(eventsOf(whole).every(d => d.level === 'logged'))
  assert.deepEqual(
    eventsOf(whole).map(d => d.isCaughtUp),
    [...Array(31).fill(true), ...Array(6).fill(false)],
  )
  const at = whole.findIndex(d => d.kind === 'gap')
  assert.deepEqual(
    [(whole[at] as { isCaughtUp?: boolean }).isCaughtUp, eventsOf(whole.slice(0, at)).length],
    [true, 31],
  )

  isGone = false
  const elsewhere = (message: string) => forgetful(message).replace('/objects/', '/other/')
  await assert.rejects(take(through(elsewhere).subscribe(target, { from, catchUp: true }), events(1)), {
    name: 'ClientError',
    code: 'malformed',
  })
})

test('another log under a name that is remembered ends a subscription', async t => {
  const one = await open(t, 'log: { origin: same.example/log }')
  const two = await open(t, 'log: { origin: same.example/log }')
  const memory = createMemory()
  await one.collection.add(indicators(3))
  await two.collection.add(indicators(4, 10))
  await take(one.client.subscribe({ collection: FEED }, { from: 'start', verify: { memory } }), events(3))
  const other = two.client.subscribe({ collection: FEED }, { from: 'start', verify: { memory } })
  await assert.rejects(take(other, events(1)), (error: unknown) => {
    assert.ok(error instanceof ClientError)
    assert.equal(error.code, 'disagreement') // another key signs under the same name
    return true
  })
})

test('targets that are none, and channels that are not there', async t => {
  const { client } = await open(t)
  const first = (target: Parameters<typeof client.subscribe>[0], options?: SubscribeOptions) =>
    take(client.subscribe(target, options), () => true)
  await assert.rejects(first('/api/'), { code: 'usage' })
  await assert.rejects(first({ channel: 'NOWHERE' }), { code: 'not-found' })
  await assert.rejects(first({ collection: '/api/collections/none/' }), { code: 'not-found' })
  await assert.rejects(first({ channel: 'EVENTS' }, { from: 'yesterday' }), { code: 'refused' })
})

test('the example of the README runs', async t => {
  const { server, password, collection, trust } = await open(t)
  await collection.add([MARKING, ...marked(indicators(2))])
  const [, code = ''] =
    /## Subscribing\n.*?```ts\n(.*?)```/s.exec(readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')) ?? []
  const folder = mkdtempSync(join(import.meta.dirname, '.readme-example-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'example.ts'), code)
  const args = ['example.ts', server.url, 'admin', password, trust.vkeys[0] as string]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder })
  assert.equal(stdout, '1: added undefined, logged\n2: added indicator 0, logged\n3: added indicator 1, logged\n')
  assert.equal(readdirSync(join(folder, 'checkpoints')).length, 1)
})
