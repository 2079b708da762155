import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { verifyCollection, verifyWithheld } from '@entente/verify/proof'
import { createMarkings, FOR_ALL, type MarkingsConfig } from './markings.ts'
import { openEvents } from './test/events.ts'
import { type Answer, indicator, newId, startTestServer, type TestServer } from './test/server.ts'

const GREEN_1 = 'marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da'
const AMBER = 'marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421'
const STRICT = 'marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003'
const RED = 'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1'
const RED_1 = 'marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed'
const MEMBERS = 'marking-definition--aaaaaaaa-1111-4111-8111-111111111111'
const COPYRIGHT = 'marking-definition--bbbbbbbb-1111-4111-8111-111111111111'
const marked = (...refs: string[]) => ({ object_marking_refs: refs })
const granular = (ref: string) => ({ granular_markings: [{ marking_ref: ref, selectors: ['name'] }] })

describe('what roles are cleared for', () => {
  const config = (values: Partial<MarkingsConfig> = {}): MarkingsConfig => ({
    unmarked: 'TLP:CLEAR',
    others: 'allow',
    everyone: [],
    rights: { green: ['TLP:GREEN'], amber: ['TLP:AMBER'], red: ['TLP:RED'], member: [MEMBERS], auditor: ['all'] },
    names: {},
    ...values,
  })
  /** Whether somebody with these roles sees such an object. */
  const sees = (roles: string[], object: object, values?: Partial<MarkingsConfig>, unmarked?: 'TLP:AMBER') => {
    const markings = createMarkings(config(values))
    return markings.clearance(roles).clears(markings.label(Buffer.from(JSON.stringify(object)), unmarked))
  }

  test('a level includes those below it, in both versions of TLP', () => {
    const levels = [marked(), marked(GREEN_1), marked(AMBER), marked(STRICT), marked(RED)]
    const seen = (roles: string[]) => levels.filter(object => sees(roles, object)).length
    assert.deepEqual(
      [[], ['green'], ['amber'], ['red'], ['auditor'], ['nobody', 'green', 'amber'], ['constructor']].map(seen),
      [1, 2, 3, 5, 5, 3, 1],
    )
    assert.equal(sees(['amber'], marked(RED_1)), false)
    assert.equal(sees(['red'], marked(RED_1)), true)
    assert.equal(sees([], marked(AMBER), { everyone: ['TLP:AMBER'] }), true)
    assert.equal(sees([], marked(STRICT), { everyone: ['TLP:AMBER'] }), false)
  })

  test('every marking has to be cleared, of a part of the object too, however it is written', () => {
    assert.equal(sees(['red'], marked(RED, MEMBERS)), false)
    assert.equal(sees(['member'], marked(RED, MEMBERS)), false)
    assert.equal(sees(['member', 'red'], marked(RED, MEMBERS)), true)
    assert.equal(sees(['green'], { ...marked(GREEN_1), ...granular(AMBER) }), false)
    assert.equal(sees([], marked(RED.toUpperCase())), false)
    assert.equal(sees(['red'], marked(MEMBERS.toUpperCase())), false)
  })

  test('an object without TLP counts as what the collection says, or the configuration, also where it has other markings', () => {
    for (const object of [{}, marked(COPYRIGHT)]) {
      assert.equal(sees([], object), true)
      assert.equal(sees([], object, { unmarked: 'TLP:AMBER' }), false)
      assert.equal(sees(['amber'], object, { unmarked: 'TLP:AMBER' }), true)
      assert.equal(sees(['green'], object, {}, 'TLP:AMBER'), false)
    }
    assert.equal(sees(['green'], marked(GREEN_1), { unmarked: 'TLP:RED' }), true)
  })

  test('other markings hide nothing, or all, as it is configured; what was never stored only who sees all', () => {
    assert.equal(sees([], marked(COPYRIGHT)), true)
    assert.equal(sees(['red', 'member'], marked(COPYRIGHT), { others: 'deny' }), false)
    assert.equal(sees(['auditor'], marked(COPYRIGHT), { others: 'deny' }), true)
    const full = (roles: string[], values?: Partial<MarkingsConfig>) => {
      const { isFull, clears } = createMarkings(config(values)).clearance(roles)
      assert.equal(clears(FOR_ALL), isFull)
      return isFull
    }
    assert.deepEqual([full(['red']), full(['red', 'member']), full(['auditor'])], [false, true, true])
    assert.deepEqual(
      [full(['red', 'member'], { others: 'deny' }), full(['auditor'], { others: 'deny' })],
      [false, true],
    )
  })

  test('clearances have the same key where they are the same, and only there', () => {
    const { clearance } = createMarkings(config())
    const key = (...roles: string[]) => clearance(roles).key
    assert.equal(key('green', 'amber'), key('amber', 'x'))
    assert.equal(key('auditor'), key('member', 'red'))
    assert.equal(new Set([key(), key('green'), key('amber'), key('member'), key('red'), key('auditor')]).size, 6)
  })
})

/** User -> what it is cleared for, besides `both`, who has no clearance, and `all`. */
const USERS = {
  green: ['taxii-read', 'taxii-write', 'green'],
  amber: ['taxii-read', 'taxii-write', 'amber'],
  all: ['taxii-read', 'taxii-write', 'auditor'],
}
const READERS = ['both', 'green', 'amber', 'all'] as const
type Reader = (typeof READERS)[number]

describe('what a caller is not cleared for is not there', () => {
  let server: TestServer
  /** Objects by what they are: `sees` is who sees them. */
  const objects: Record<string, { id: string; sees: Reader[] }> = {}
  const versioned = newId('indicator')
  const VERSIONS = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z']
  const ask = (path: string, user: string, method = 'GET') =>
    server.ask(method, `/api/collections/default/${path}`, { user, headers: { accept: '*/*' } })
  const post = async (list: object[], user = 'all') => {
    const body = { objects: list }
    const answer = await server.ask('POST', '/api/collections/default/objects/', { user, body })
    assert.equal(answer.status, 202, answer.text)
    return answer.json
  }
  const ids = (answer: Answer): string[] => (answer.json.objects ?? []).map((o: { id: string }) => o.id).sort()
  /** What an error says, but for its number. */
  const words = ({ status, json }: Answer) => [status, { ...json, error_id: '' }]

  before(async () => {
    server = await startTestServer(
      {
        channels: { names: ['EVENTS'], heartbeatMs: 200 },
        markings: { rights: { green: ['TLP:GREEN'], amber: ['TLP:AMBER', MEMBERS], auditor: ['all'] } },
        apiRoots: [
          {
            path: '/api/',
            title: 'x',
            collections: [{ alias: 'default', title: 'x', forward: { default: ['EVENTS'] } }],
          },
        ],
      },
      { users: USERS },
    )
    const add = (name: string, values: object, ...sees: Reader[]) => {
      const object = indicator({ name, ...values })
      objects[name] = { id: object.id, sees }
      return object
    }
    await post([
      add('plain', {}, ...READERS),
      add('green', marked(GREEN_1), 'green', 'amber', 'all'),
      add('amber', marked(AMBER), 'amber', 'all'),
      add('red', marked(RED), 'all'),
      add('members', marked(MEMBERS), 'amber', 'all'),
      add('part', granular(RED), 'all'),
      add('statement', marked(COPYRIGHT), ...READERS),
      indicator({ id: versioned, name: 'first', modified: VERSIONS[0] }),
      indicator({ id: versioned, name: 'second', modified: VERSIONS[1], ...marked(RED) }),
    ])
    // Another content of a stored version, and a deletion: records that are no objects.
    await post([indicator({ id: objects['amber']?.id, name: 'another content' })])
    const gone = indicator({ name: 'gone', ...marked(GREEN_1) })
    await post([gone])
    assert.equal((await ask(`objects/${gone.id}/`, 'all', 'DELETE')).status, 200)
  })
  after(() => server.stop())
  const visible = (user: Reader) =>
    Object.values(objects)
      .filter(o => o.sees.includes(user))
      .map(o => o.id)
  /** `all` sees the newest version of the one with two. */
  const last = (user: Reader) => [...visible(user), ...(user === 'all' ? [versioned] : [])].sort()

  test('in lists and manifests, however they are filtered and paged', async () => {
    for (const user of READERS) {
      for (const list of ['objects/', 'manifest/']) {
        assert.deepEqual(ids(await ask(list, user)), last(user), `${user} ${list}`)
        assert.deepEqual(ids(await ask(`${list}?match[type]=indicator,tool`, user)), last(user))
        const named = [...Object.values(objects).map(o => o.id), versioned].join()
        assert.deepEqual(ids(await ask(`${list}?match[id]=${named}`, user)), last(user))
        const all = [...visible(user), versioned, ...(user === 'all' ? [versioned] : [])].sort()
        assert.deepEqual(ids(await ask(`${list}?match[version]=all`, user)), all)
        assert.deepEqual(ids(await ask(`${list}?match[version]=first`, user)), [...visible(user), versioned].sort())
      }
      const paged: string[] = []
      let next = ''
      for (let pages = 0; pages < 20; pages++) {
        const page = await ask(`objects/?limit=1${next}`, user)
        paged.push(...ids(page))
        assert.equal(page.headers['x-taxii-date-added-first'] !== undefined, ids(page).length > 0)
        if (!page.json.more) break
        next = `&next=${page.json.next}`
      }
      assert.deepEqual(paged.sort(), last(user))
      assert.equal((await ask('objects/', user)).headers['x-entente-withheld'], undefined)
    }
  })

  test('by id it is the same 404 as what is not there; an older version never takes the place of a newer one', async () => {
    const missing = newId('indicator')
    for (const rest of ['', 'versions/', 'proof/', 'receipt/', '?match[version]=all', 'proof/?match[version]=first']) {
      const nothing = words(await ask(`objects/${missing}/${rest}`, 'both'))
      assert.equal(nothing[0], 404)
      for (const user of READERS) {
        for (const { id, sees } of Object.values(objects)) {
          const answer = await ask(`objects/${id}/${rest}`, user)
          if (sees.includes(user)) assert.equal(answer.status, 200, answer.text)
          else assert.deepEqual(words(answer), nothing)
        }
      }
    }
    const of = async (rest: string, user = 'both') => (await ask(`objects/${versioned}/${rest}`, user)).json
    assert.deepEqual(await of(''), {})
    assert.deepEqual((await of('', 'all')).objects[0].name, 'second')
    assert.deepEqual(await of(`?match[version]=${VERSIONS[1]}`), {})
    assert.deepEqual(
      (await of('?match[version]=all')).objects.map((o: any) => o.name),
      ['first'],
    )
    assert.deepEqual((await of('versions/')).versions, [VERSIONS[0]])
    assert.deepEqual((await of('versions/', 'all')).versions, VERSIONS)
    assert.equal((await of('proof/')).error_code, 'not-found')
    assert.equal((await of('proof/?match[version]=first')).record.version, VERSIONS[0])
  })

  test('records: a commitment and the reason; the whole of the collection is verified with it', async () => {
    const trust = { vkeys: [server.context.vkey] }
    const proof = (await ask('proof/', 'both')).json
    for (const user of READERS) {
      const { records } = (await ask('records/?limit=1000', user)).json
      const read = verifyCollection({ format: 'entente/read/v1', proof, records }, trust)
      const withheld = read.records.filter(r => 'withheld' in r && r.withheld === 'access').map(r => r.seq)
      const seen = read.records.flatMap(r => ('record' in r && 'object' in r.record ? [r.record.id] : [])).sort()
      assert.deepEqual(seen, [...visible(user), versioned, ...(user === 'all' ? [versioned] : [])].sort())
      // A content that was refused has no markings that are known: who is not cleared for everything does not see its record.
      assert.equal(
        read.records.some(r => 'record' in r && 'equivocation' in r.record),
        user === 'all',
      )
      assert.ok(read.records.some(r => 'record' in r && 'deleted' in r.record))
      for (const seq of withheld) {
        const answer = await ask(`records/${seq}/proof/`, user)
        const verified = verifyWithheld(answer.text, trust)
        assert.deepEqual([verified.seq, verified.commitment], [seq, read.records[seq]?.commitment])
      }
      assert.equal(withheld.length, user === 'all' ? 0 : 10 - seen.length)
    }
  })

  test('a feed has a reference in its place, a channel nothing; a clearance that goes takes effect with the next sign of life', async () => {
    const users = join(server.data, 'users.json')
    const feeds = await Promise.all(
      READERS.map(user => openEvents(server.url, '/api/collections/default/feed/?from=start', { user })),
    )
    const channels = await Promise.all(
      READERS.map(user => openEvents(server.url, '/api/channels/EVENTS/?from=start', { user })),
    )
    const kept = readFileSync(users, 'utf8')
    try {
      const told = (e: { data: any }) => e.data.record?.object?.name
      for (const [i, user] of READERS.entries()) {
        const [feed, channel] = [feeds[i]!, channels[i]!]
        const names = Object.entries(objects).flatMap(([name, { sees }]) => (sees.includes(user) ? [name] : []))
        const wanted = [...names, 'first', ...(user === 'all' ? ['second'] : [])]
        await channel.until(wanted.length)
        assert.deepEqual(channel.events.map(told), wanted)
        // All records but the one that was erased.
        await feed.until(11)
        assert.deepEqual(
          feed.events.map(e => Number(e.lastEventId)),
          [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11],
        )
        const references = feed.events.filter(e => e.type === 'reference')
        assert.deepEqual(feed.events.map(told).filter(Boolean), wanted)
        assert.equal(references.length, user === 'all' ? 0 : 10 - wanted.length)
        assert.ok(references.every(e => e.data.record === undefined && typeof e.data.commitment === 'string'))
      }
      const changed = JSON.parse(kept)
      changed.users.find((u: any) => u.name === 'amber').roles = ['taxii-read']
      writeFileSync(users, JSON.stringify(changed))
      const [feed, channel] = [feeds[2]!, channels[2]!]
      const comments = channel.comments
      // The file of users is looked at once a second; the rights with each sign of life after that.
      await channel.until(() => channel.comments > comments + 10)
      await post([indicator({ name: 'later', ...marked(AMBER) }), indicator({ name: 'for all' })])
      await channel.until(() => channel.events.some(e => told(e) === 'for all'))
      await feed.until(() => feed.events.some(e => told(e) === 'for all'))
      assert.ok(!channel.events.some(e => told(e) === 'later') && !feed.events.some(e => told(e) === 'later'))
      await channels[3]!.until(() => channels[3]!.events.some(e => told(e) === 'later'))
    } finally {
      writeFileSync(users, kept)
      for (const stream of [...feeds, ...channels]) stream.close()
    }
  })

  test('nobody deletes what it does not see, and nothing else stands in for it', async () => {
    const id = newId('indicator')
    const make = (n: number, values: object) => indicator({ id, modified: `2026-02-0${n}T00:00:00.000Z`, ...values })
    await post([make(1, {}), make(2, marked(RED))])
    const answer = await ask(`objects/${id}/`, 'both', 'DELETE')
    assert.deepEqual(words(answer), words(await ask(`objects/${newId('indicator')}/`, 'both', 'DELETE')))
    assert.equal((await ask(`objects/${id}/?match[version]=all`, 'both', 'DELETE')).status, 200)
    assert.deepEqual((await ask(`objects/${id}/versions/`, 'all')).json.versions, ['2026-02-02T00:00:00.000Z'])
    assert.equal((await ask(`objects/${id}/`, 'both')).status, 404)
    assert.equal((await ask(`objects/${id}/`, 'all', 'DELETE')).status, 200)
    assert.equal((await ask(`objects/${id}/`, 'all')).status, 404)
  })

  test('a status tells nothing of stored content to who may not see all of it', async () => {
    const other = () => [indicator({ id: objects['red']?.id, name: 'another content' })]
    const message = async (user: string) => (await post(other(), user)).failures[0].message
    assert.match(await message('both'), /^equivocation/)
    assert.doesNotMatch(await message('both'), /SHA-256/)
    assert.match(await message('all'), /SHA-256/)
    // What a translation translates is looked up only where the caller may see it.
    const target = { ...indicator(), type: 'tool', id: newId('tool'), name: 'x', ...marked(RED) }
    await post([
      {
        type: 'tool',
        spec_version: '2.1',
        id: target.id,
        created: VERSIONS[0],
        modified: VERSIONS[0],
        name: 'x',
        ...marked(RED),
      },
    ])
    const translation = () => ({
      type: 'language-content',
      spec_version: '2.1',
      id: newId('language-content'),
      created: VERSIONS[0],
      modified: VERSIONS[0],
      object_ref: target.id,
      contents: { de: { name: ['not a string'] } },
    })
    assert.equal((await post([translation()], 'all')).failure_count, 1)
    assert.equal((await post([translation()], 'both')).failure_count, 0)
  })

  test('a page passes over so many hidden objects and no more: it has none, and says where to go on', async () => {
    await post(Array.from({ length: 700 }, (_, i) => indicator({ name: `hidden ${i}`, ...marked(RED) })))
    const end = indicator({ name: 'the end' })
    await post([end])
    const { config } = server.context
    const first = await ask('objects/?limit=5000', 'both')
    assert.ok(ids(first).includes(end.id) && first.json.more === undefined)
    try {
      config.mostPassedOver = 100
      const pages: string[][] = []
      let next = ''
      for (;;) {
        const page = await ask(`objects/?limit=50${next}`, 'both')
        pages.push(ids(page))
        if (ids(page).length === 0) {
          assert.deepEqual(Object.keys(page.json).sort(), ['more', 'next', 'objects'])
          assert.equal(page.headers['x-taxii-date-added-first'], undefined)
        }
        if (!page.json.more) break
        next = `&next=${page.json.next}`
      }
      assert.ok(pages.length > 2 && pages.some(page => page.length === 0), JSON.stringify(pages.map(p => p.length)))
      assert.deepEqual(pages.flat().sort(), ids(first))
    } finally {
      delete config.mostPassedOver
    }
  })
})

test('GET markings: what there is, what of it the caller may see, and what becomes of the rest', async () => {
  const markings = {
    unmarked: 'TLP:GREEN',
    others: 'deny',
    everyone: ['TLP:GREEN'],
    rights: { amber: ['TLP:AMBER', MEMBERS] },
    names: { [MEMBERS]: 'Members only' },
  }
  const server = await startTestServer(
    {
      markings,
      apiRoots: [
        {
          path: '/api/',
          title: 'x',
          collections: [
            { alias: 'a', title: 'x', unmarked: 'TLP:AMBER' },
            { alias: 'b', title: 'x', unmarked: 'TLP:RED', read: ['nobody'] },
            { alias: 'c', title: 'x' },
          ],
        },
      ],
    },
    { users: USERS },
  )
  try {
    const path = (await server.ask('GET', '/api/')).json.x_entente_markings
    const of = async (user: string) => {
      const { json } = await server.ask('GET', path, { user })
      const cleared = json.markings.filter((m: any) => m.cleared).map((m: any) => m.name)
      return {
        ...json,
        markings: json.markings.length,
        cleared,
        collections: json.collections.map((c: any) => c.unmarked),
      }
    }
    const below = ['TLP:WHITE', 'TLP:GREEN', 'TLP:CLEAR', 'TLP:GREEN']
    const common = { unmarked: 'TLP:GREEN', others: 'deny', markings: 10, collections: ['TLP:AMBER'] }
    assert.deepEqual(await of('both'), { ...common, cleared: below })
    const amber = ['TLP:WHITE', 'TLP:GREEN', 'TLP:AMBER', 'TLP:CLEAR', 'TLP:GREEN', 'TLP:AMBER', 'Members only']
    assert.deepEqual(await of('amber'), { ...common, cleared: amber })
    assert.equal((await server.ask('GET', path, { user: null })).status, 401)
  } finally {
    await server.stop()
  }
})
