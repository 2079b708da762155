import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTaxiiClient, type TaxiiCollection } from '@entente/client'
import { forgeEvent } from '../../../client/test/events.ts'
import { loadConfig } from '../config.ts'
import { startServer } from '../serve.ts'
import { entente, runScript, startCommand } from './test/script.ts'
import { adminPassword, indicators, type Site, startSite } from './test/site.ts'
import { startTamper } from './test/tamper.ts'
import { until } from '../../../../test/support/until.ts'

const MARKING = {
  type: 'marking-definition',
  spec_version: '2.1',
  id: 'marking-definition--00000000-0000-4000-8000-0000000000aa',
  created: '2026-01-01T00:00:00.000Z',
  definition_type: 'statement',
  definition: { statement: 'pubsub:ATTACKS' },
}

async function open(t: TestContext, configuration?: string) {
  const site = await startSite(t, configuration)
  const env = { ENTENTE_DATA: site.data }
  const { url } = site.server
  return { ...site, root: url, env, cwd: site.folder, collection: clientOf(site).collection(site.url) }
}
const clientOf = (site: Site) =>
  createTaxiiClient({ url: site.server.url, auth: { kind: 'basic', user: 'admin', password: adminPassword(site) } })

const idsIn = (text: string) =>
  text
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line).seq as number)
const to = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)

test('events as lines, and what the command says about what it is asked', async t => {
  const { url, root, data, cwd, collection } = await open(t)
  const [first] = indicators(1)
  await collection.add([first as object])
  await collection.add([{ ...first, modified: '2026-02-01T00:00:00.000Z', name: 'two\u001b[2Jlines\nand \u202eback' }])
  await collection.add([{ ...first, modified: '2026-02-01T00:00:00.000Z', name: 'another' }])
  await collection.add([{ ...first, modified: '2026-03-01T00:00:00.000Z', revoked: true }])
  await collection.delete(first?.id as string)
  await collection.add(indicators(1, 7))
  await runScript(
    `
    $ entente subscribe default $ROOT --data $DATA --from start --count 6
    …Z  added      indicator--00000000-0000-4000-8000-000000000000  indicator 0
    …Z  version    indicator--00000000-0000-4000-8000-000000000000  two�[2Jlines�and �back
    …Z  equivocation  indicator--00000000-0000-4000-8000-000000000000  another content of version 2026-02-01T00:00:00.000Z
    …Z  withdrawn  record 3
    …Z  added      indicator--00000000-0000-4000-8000-000000000007  indicator 7
    [exit 3]
  `
      .replace('--count 6', '--count 5')
      .replace('[exit 3]', '5 events, up to 5'),
    { cwd, variables: { ROOT: root, DATA: data } },
  )
  await runScript(
    `
    $ entente subscribe nowhere $ROOT --data $DATA
    entente subscribe: $ROOT/api/ has no channel or collection "nowhere" for you. There are:
      EVENTS  (channel)
      …
      default  Default collection (collection)
      …
    [exit 1]
    $ entente subscribe
    entente subscribe: CHANNEL or COLLECTION is missing
    Usage: …
    [exit 2]
    $ entente subscribe $URL $ROOT --data $DATA
    entente subscribe: $URL is the URL already: leave out $ROOT
    [exit 2]
    $ entente subscribe $ROOT/api/ --data $DATA
    entente subscribe: $ROOT/api/ is neither a channel, …/channels/NAME/, nor a collection, …/collections/ID/
    [exit 2]
    $ entente subscribe default $ROOT --data $DATA --from yesterday
    entente subscribe: --from is "yesterday": now, start, the id of an event, or a time such as 2026-01-31T12:00:00Z is wanted
    [exit 2]
    $ entente subscribe EVENTS $ROOT --data $DATA --from 2026-01-01T00:00:00Z
    entente subscribe: a channel has no times: --from is now, start or the id of an event there
    [exit 2]
    $ entente subscribe default $ROOT --data $DATA --for soon
    entente subscribe: --for is "soon": a time such as 30s, 5m, 2h or 1d is wanted, up to 24d
    [exit 2]
    $ entente subscribe default $ROOT --data $DATA --keep-going
    entente subscribe: --keep-going is about --exec CMD
    [exit 2]
    $ entente subscribe default $ROOT --data $DATA --durable soc
    entente subscribe: --durable is of a broker: name it with --broker
    [exit 2]
    $ entente subscribe EVENTS --broker nats://127.0.0.1
    entente subscribe: --broker is neither a file nor amqp://HOST[:PORT][/VHOST] nor kafka://HOST:PORT[,HOST:PORT]: "nats://127.0.0.1"
    [exit 2]
    $ entente subscribe EVENTS --broker amqp://user:secret@127.0.0.1:1
    entente subscribe: …127.0.0.1:1…
    [exit 3]
    $ entente subscribe EVENTS http://127.0.0.1:1/ --for 1ms
    entente subscribe: can't reach 127.0.0.1:1: …
    [exit 3]
    $ entente subscribe default $ROOT --user admin --password wrong
    entente subscribe: …
    The login was "admin" with a password. Give …
    [exit 1]
  `,
    { cwd, variables: { ROOT: root, DATA: data, URL: url } },
  )
})

test('with --json each event as it came, by time too, with everything that happens meanwhile', async t => {
  const { root, env, cwd, collection } = await open(t)
  await collection.add(indicators(3))
  const since = new Date().toISOString()
  await sleep(5)
  const running = startCommand(['subscribe', 'default', root, '--from', since, '--json', '--count', '40', '--verify'], {
    cwd,
    env,
  })
  await collection.add(indicators(20, 10))
  await collection.add(indicators(20, 50))
  const { code, out, err } = await running.ended
  assert.deepEqual([code, err, idsIn(out)], [0, '', to(40, 3)])
  const [line = ''] = out.split('\n')
  const event = JSON.parse(line)
  assert.deepEqual(Object.keys(event).slice(0, 3), ['event', 'origin', 'api_root'])
  const [proof] = [await collection.recordProof(3)]
  assert.deepEqual(event.record, proof.record)
})

test('Ctrl-C, an end by time, and a reader that has had enough, all end it with 0', async t => {
  const { root, env, cwd, collection } = await open(t)
  await collection.add(indicators(2000))
  const running = startCommand(['subscribe', 'default', root, '--from', 'start'], { cwd, env })
  await until(() => running.written.out.split('\n').length > 2000)
  running.child.kill('SIGINT')
  const ended = await running.ended
  assert.deepEqual([ended.code, ended.err], [0, '2,000 events, up to 1999\n'])

  const timed = await entente(['subscribe', 'EVENTS', root, '--for', '300ms'], { cwd, env })
  assert.deepEqual([timed.code, timed.out], [0, ''])
  assert.match(timed.err, /^0 events(?:, up to 2004)?\n$/)

  const read = startCommand(['subscribe', 'default', root, '--from', 'start', '--json'], { cwd, env })
  await once(read.child.stdout, 'data')
  read.child.stdout.destroy()
  assert.equal((await read.ended).code, 0)
})

/** Writes what it is given to a file, a line for each event, and fails where it is told to. */
const HANDLER = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
const { ENTENTE_ID, ENTENTE_EVENT, ENTENTE_OBJECT, ENTENTE_LEVEL } = process.env
const event = JSON.parse(readFileSync(0, 'utf8'))
if (existsSync('busy')) throw new Error('two at a time')
if (existsSync('fail') && readFileSync('fail', 'utf8').split(' ').includes(ENTENTE_ID)) process.exit(7)
appendFileSync('handled', [ENTENTE_ID, ENTENTE_EVENT, ENTENTE_LEVEL, ENTENTE_OBJECT === event.record.id, process.argv.slice(2).join('|')].join(' ') + '\\n')
console.log('handled', ENTENTE_ID)
`
async function openHandled(t: TestContext) {
  const site = await open(t)
  writeFileSync(join(site.cwd, 'handle.mjs'), HANDLER)
  const handled = () => {
    const file = join(site.cwd, 'handled')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  }
  const ids = () => handled().map(line => Number(line.split(' ')[0]))
  return { ...site, handled, ids, command: `${process.execPath} handle.mjs` }
}

test('--exec: an event on standard input, its names in the environment, one at a time; what fails stops it', async t => {
  const { root, env, cwd, collection, handled, ids, command } = await openHandled(t)
  await collection.add(indicators(6))
  const state = join(cwd, 'state.json')
  const run = (...more: string[]) =>
    entente(['subscribe', 'default', root, '--from', 'start', '--state', state, ...more], { cwd, env })
  const done = await run('--exec', `${command} a  b`, '--count', '2', '--verify')
  assert.deepEqual([done.code, done.out], [0, 'handled 0\nhandled 1\n'], done.err)
  assert.deepEqual(handled(), ['0 added logged true a|b', '1 added logged true a|b'])
  assert.equal(statSync(state).mode & 0o777, 0o600)

  writeFileSync(join(cwd, 'fail'), '3')
  const failed = await run('--exec', command, '--count', '4')
  assert.equal(failed.code, 1)
  assert.match(failed.err, /the handler of event 3 ended with exit code 7: stopped there/)
  assert.deepEqual([ids(), JSON.parse(readFileSync(state, 'utf8')).id], [[0, 1, 2], '2'])

  const passed = await run('--exec', command, '--count', '3', '--keep-going', '--json')
  assert.equal(passed.code, 1)
  assert.deepEqual(
    [ids(), idsIn(passed.out)],
    [
      [0, 1, 2, 4, 5],
      [3, 4, 5],
    ],
  )
  assert.match(passed.err, /^handled 4$/m, 'with --json what it prints goes to standard error')

  const shell = await entente(
    ['subscribe', 'default', root, '--from', '4', '--count', '1', '--shell', '--exec', 'cat > "$ENTENTE_ID.json"'],
    { cwd, env },
  )
  assert.deepEqual([shell.code, JSON.parse(readFileSync(join(cwd, '5.json'), 'utf8')).seq], [0, 5], shell.err)
  const unread = await entente(['subscribe', 'default', root, '--from', 'start', '--count', '6', '--exec', 'true'], {
    cwd,
    env,
  })
  assert.equal(unread.code, 0, unread.err)
  const absent = await entente(['subscribe', 'default', root, '--from', 'start', '--exec', './none'], { cwd, env })
  assert.deepEqual([absent.code, /--exec: \.\/none can't be run/.test(absent.err)], [2, true])
})

test('a state is of one subscription, and of one log', async t => {
  const { root, env, cwd, collection } = await open(t)
  await collection.add(indicators(3))
  const run = (what: string, ...more: string[]) =>
    entente(['subscribe', what, root, '--state', 'state.json', ...more], { cwd, env })
  // Nothing came: still it is known where to go on
  const first = startCommand(['subscribe', 'default', root, '--state', 'state.json'], { cwd, env })
  await until(
    () => existsSync(join(cwd, 'state.json')),
    () => first.written.err,
  )
  first.child.kill('SIGINT')
  assert.equal((await first.ended).code, 0)
  await collection.add(indicators(2, 10))
  const missed = await run('default', '--json', '--count', '2')
  assert.deepEqual(idsIn(missed.out), [3, 4])
  const other = await run('other')
  assert.deepEqual([other.code, /state.json is of .*, and this is .*: keep a file for each/.test(other.err)], [2, true])
  const file = join(cwd, 'state.json')
  const kept = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, JSON.stringify({ ...kept, id: '0', origin: 'former.example/log' }))
  const replaced = await run('default', '--count', '1')
  assert.deepEqual([replaced.code, /of the log former\.example\/log, and/.test(replaced.err)], [4, true])
  for (const text of ['', '{}', '[1]', JSON.stringify({ ...kept, id: '-1' })]) {
    writeFileSync(file, text)
    assert.equal((await run('default', '--count', '1')).code, 2, text)
  }
  rmSync(file)
  const away = await entente(['subscribe', 'default', root, '--state', 'no/such/folder', '--count', '1'], {
    cwd,
    env,
  })
  assert.equal(away.code, 2)
})

test('killed again and again, and the server restarted in between: with --state nothing is missed', async t => {
  const { server, root, env, cwd, collection, ids, command, data, config } = await openHandled(t)
  const { port } = new URL(root)
  const total = 120
  let stored = 0
  let current: { close(): Promise<void> } = server
  t.after(() => current.close())
  const args = ['subscribe', 'default', root, '--from', 'start', '--state', 'state.json', '--exec', command]
  const publish = async (collection: TaxiiCollection, count: number) => {
    await collection.add(indicators(count, stored))
    stored += count
  }
  let kills = 0
  for (const at of [5, 30, 31, 60, 90]) {
    const running = startCommand([...args, '--verify'], { cwd, env })
    await publish(collection, 20)
    await until(
      () => ids().length >= at,
      () => `${ids().length} of ${at}: ${running.written.err}`,
    )
    if (kills === 2) {
      await server.close()
      const loaded = loadConfig({ file: config, data, env: { ENTENTE_SERVER_PORT: port } })
      const again = await startServer(loaded.config, loaded.paths, () => {})
      current = again
      const before = ids().length
      await publish(collection, 20)
      await until(
        () => running.written.err.includes('trying again in'),
        () => 'the subscriber has not seen that the server was away',
      )
      await until(
        () => ids().length >= before + 10,
        () => running.written.err,
      )
    }
    running.child.kill('SIGKILL')
    await running.ended
    kills++
  }
  const rest = startCommand(args, { cwd, env })
  await until(
    () => new Set(ids()).size === total,
    () => `${new Set(ids()).size} of ${total}: ${rest.written.err}`,
  )
  rest.child.kill('SIGTERM')
  assert.equal((await rest.ended).code, 0)
  const order = ids()
  const fresh = order.filter((id, i) => !order.slice(0, i).includes(id))
  assert.deepEqual(fresh, to(total), 'each, in order')
  assert.ok(order.length - total <= kills, `${order.length - total} came twice, after ${kills} kills`)
})

test('--verify: what was changed on the way reaches no handler; exit 4, with both hashes', async t => {
  const { root, env, cwd, collection, ids, command, server } = await openHandled(t)
  await collection.add(indicators(6))
  const genuine = (
    await entente(['subscribe', 'default', root, '--from', 'start', '--json', '--count', '6'], { cwd, env })
  ).out
    .trim()
    .split('\n')
  const hash = (text: string) => JSON.parse(text).commitment as string
  const [, , one = '', two = ''] = genuine
  const index = JSON.parse(two).log_index as number
  const changes: [string, string, string[]][] = [
    ['content', one.replace('indicator 2', 'indicator 9'), [hash(one)]],
    ['content and commitment', forgeEvent(one), [hash(one), hash(forgeEvent(one))]],
    ['place', one.replace(/"log_index":\d+/, `"log_index":${index}`), [hash(one), hash(two)]],
    [
      'log',
      one.replace(/"origin":"[^"]+"/, '"origin":"other.example/log"'),
      ['other.example/log', server.notary.log.origin],
    ],
  ]
  for (const [what, changed, words] of changes) {
    rmSync(join(cwd, 'handled'), { force: true })
    assert.notEqual(one, changed, what)
    const between = await startTamper(t, root, message => message.replace(one, () => changed))
    const args = ['subscribe', 'default', between, '--from', 'start', '--verify', '--key', server.context.vkey]
    const ran = await entente([...args, '--exec', command], { cwd, env })
    assert.equal(ran.code, 4, `${what}: ${ran.err}`)
    for (const word of words) assert.ok(ran.err.includes(word), `${what}: ${word} is not in ${ran.err}`)
    assert.ok(
      ids().every(id => id < 2),
      `${what}: ${ids().join()}`,
    )
  }
  const other = 'other.example/log+51b5c5cd+AXkD9d6JvKJY7RhOZgSgwyTgNxA1kwHVKcMcJw6sQvHd'
  const pinned = await entente(['subscribe', 'default', root, '--from', 'start', '--verify', '--key', other], {
    cwd,
    env,
  })
  assert.ok(pinned.code === 4 || pinned.code === 2, pinned.err)
})

test('a log that was rolled back between two runs: exit 4, and the evidence is kept', async t => {
  const { root, env, cwd, collection, server } = await open(t)
  await collection.add(indicators(2))
  const older = server.notary.log.head?.note as string
  await collection.add(indicators(3, 10))
  const args = ['--from', 'start', '--verify', '--memory', 'seen', '--json']
  const before = await entente(['subscribe', 'default', root, ...args, '--count', '5'], { cwd, env })
  assert.deepEqual([before.code, idsIn(before.out)], [0, to(5)], before.err)
  const shows = await startTamper(t, root, message => message, { '/log/checkpoint': older })
  const after = await entente(['subscribe', 'default', shows, ...args, '--count', '2'], { cwd, env })
  const said = JSON.parse(after.out.trim())
  assert.deepEqual([after.code, said.exit], [4, 4], after.err)
  assert.match(said.error, /rolled back/)
  assert.equal(JSON.parse(readFileSync(said.evidence, 'utf8')).kind, 'rollback')
})

test('a channel, its gap, and what is damaged', async t => {
  const { root, env, cwd, collection, server } = await open(t)
  await collection.add([MARKING, ...indicators(5).map(o => ({ ...o, object_marking_refs: [MARKING.id] }))])
  const args = (url: string, ...more: string[]) => ['subscribe', 'ATTACKS', url, '--from', 'start', '--json', ...more]
  const whole = await entente(args(root, '--count', '6'), { cwd, env })
  assert.deepEqual([whole.code, idsIn(whole.out)], [0, to(6)], whole.err)

  const { collection: id, log_index } = JSON.parse(whole.out.split('\n')[3] as string)
  const gap = { after: 0, next: log_index as number, catch_up: [`/api/collections/${id}/objects/`] }
  let isSaid = false
  const forgetful = await startTamper(t, root, message => {
    const at = Number(/^id: (\d+)$/m.exec(message)?.[1])
    if (message.startsWith('retry:') || !(at < gap.next)) return message
    const first = !isSaid
    isSaid = true
    return first ? `id: ${gap.next - 1}\nevent: gap\ndata: ${JSON.stringify(gap)}` : ':'
  })
  const told = await entente(args(forgetful, '--count', '3'), { cwd, env })
  assert.equal(told.code, 1, 'not all of it')
  const said = { gap: { ...gap, caught_up: false } }
  assert.deepEqual([JSON.parse(told.out.split('\n')[0] as string), idsIn(told.out).slice(1)], [said, to(3, 3)])
  isSaid = false
  const caught = await entente(args(forgetful, '--count', '6', '--catch-up', '--verify'), { cwd, env })
  assert.deepEqual([caught.code, idsIn(caught.out).filter(n => n !== undefined)], [0, to(6)], caught.err)

  const { DatabaseSync } = await import('node:sqlite')
  const store = new DatabaseSync(join(cwd, 'data', 'store.db'))
  store.exec(`update record set text = replace(text, 'indicator 3', 'indicator 9') where text like '%indicator 3%'`)
  store.close()
  const damaged = await entente(['subscribe', 'default', root, '--from', 'start', '--count', '6'], { cwd, env })
  assert.equal(damaged.code, 4, damaged.err)
  assert.match(damaged.out, /integrity {2}record 4 of .*hash/)
  assert.match(damaged.err, /1 record of the server does not match its log/)
  assert.equal(server.notary.log.size > 0, true)
})
