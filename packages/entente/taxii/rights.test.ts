// Who may do what: each kind of caller at each endpoint of collections with each kind of rights. The endpoints are those that OPERATIONS declares: one
// without an expectation here fails the first test.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { originHash } from '#witness/http.ts'
import { createTestLog } from '#witness/test/log.ts'
import { OPERATIONS } from './operations.ts'
import { openEvents } from './test/events.ts'
import { type Answer, indicator, newId, startTestServer, type TestServer } from './test/server.ts'

const TLP_RED = 'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1'

/** Who asks. Of `roles` only these count: `reads` and `writes` are in the rights of collections, `cleared` is cleared for TLP:RED. */
const CALLERS: Record<string, string[] | null> = {
  anonymous: null,
  read: ['reads', 'cleared'],
  write: ['writes', 'cleared'],
  both: ['reads', 'writes', 'cleared'],
  'other-role': ['others', 'cleared'],
  'other-marking': ['reads', 'writes'],
}
type Caller = string
const userOf = (caller: Caller): string | null => (CALLERS[caller] ? `test-${caller}` : null)

/** Collections by their rights, each in an API root of its own, so that what is said of the whole root is about it. `keeper` fills them. */
const KINDS = {
  open: { read: ['reads', 'keeper'], write: ['writes', 'keeper'] },
  archive: { read: ['reads', 'keeper'], write: ['keeper'] },
  inbox: { read: ['keeper'], write: ['writes', 'keeper'] },
  closed: { read: ['keeper'], write: ['keeper'] },
}
type Kind = keyof typeof KINDS

/** What a caller may do in a collection. */
type May = { read: boolean; write: boolean; cleared: boolean; see: boolean; login: boolean }
const may = (caller: Caller, kind: Kind): May => {
  const roles = CALLERS[caller] ?? []
  const has = (names: string[]) => names.some(name => roles.includes(name))
  const { read, write } = KINDS[kind]
  const [reads, cleared] = [has(read), has(['cleared'])]
  return { read: reads, write: has(write), cleared, see: reads && cleared, login: CALLERS[caller] !== null }
}

const log = createTestLog('log.example/rights')
let server: TestServer
/** What no caller may come by who may not see it: an object that is marked TLP:RED, by its name, and what everybody sees who may read. */
const SECRET = 'a name that is for some'
const PLAIN = 'a name that is for all'
/** An object for each deletion that is tried. */
const ownOf = new Map<string, string>()
const secretOf = new Map<Kind, string>()
const statusOf = new Map<Kind, string>()
/** How many records each collection has, by what the callers were allowed to do. */
const countOf = new Map<Kind, number>()

before(async () => {
  const kinds = Object.entries(KINDS)
  server = await startTestServer(
    {
      markings: { rights: { cleared: ['TLP:RED'], keeper: ['all'] } },
      witness: { name: 'witness.example/w', logs: [{ vkey: log.vkey }] },
      channels: { names: ['EVENTS'] },
      apiRoots: kinds.map(([name, rights]) => ({
        path: `/${name}/`,
        title: name,
        collections: [{ alias: 'c', title: name, forward: { default: ['EVENTS'] }, ...rights }],
      })),
    },
    {
      users: {
        keeper: ['keeper'],
        ...Object.fromEntries(
          Object.entries(CALLERS).flatMap(([name, roles]) => (roles ? [[userOf(name), roles]] : [])),
        ),
      },
    },
  )
  for (const kind of Object.keys(KINDS) as Kind[]) {
    const secret = indicator({ name: SECRET, object_marking_refs: [TLP_RED] })
    secretOf.set(kind, secret.id)
    const own = Object.keys(CALLERS).map(caller => {
      const object = indicator({ name: SECRET, object_marking_refs: [TLP_RED] })
      ownOf.set(`${caller} ${kind}`, object.id)
      return object
    })
    const objects = [secret, ...own, indicator({ name: PLAIN })]
    const answer = await server.ask('POST', `/${kind}/collections/c/objects/`, { user: 'keeper', body: { objects } })
    assert.equal(answer.status, 202, answer.text)
    statusOf.set(kind, answer.json.id)
    countOf.set(kind, objects.length)
  }
})
after(() => server.stop())

type Expected = {
  status: number /** What has to be in the answer, and what must not. */
  has?: string[]
  not?: string[]
}
type Endpoint = {
  method?: 'GET' | 'POST' | 'DELETE'
  /** Below `/{kind}`; with `$` in front, at the server's root. */
  path: string | ((kind: Kind, caller: Caller) => string)
  body?: () => unknown
  isStream?: true
  /** Of a caller that is logged in. */
  expect: (may: May, kind: Kind) => Expected
  /** Of one that is not. */
  anonymous?: number
  /** Records that it adds where it is allowed. */
  adds?: number
}

const ok: Expected = { status: 200 }
const hidden = { not: [SECRET] }
/** For who may do anything with the collection, and for who may read it. */
const known = ({ read, write }: May, then: Expected): Expected =>
  read || write ? then : { status: 404, not: [SECRET, PLAIN] }
const readable = (m: May, then: Expected): Expected => known(m, m.read ? then : { status: 403, not: [SECRET, PLAIN] })
/** A list that shows objects. */
const listed = (m: May): Expected =>
  readable(m, { status: 200, ...(m.see ? { has: [SECRET, PLAIN] } : { has: [PLAIN], ...hidden }) })
const single = (m: May): Expected => readable(m, m.see ? ok : { status: 404, ...hidden })
const everybody = (path: string): Endpoint => ({ path: `$${path}`, expect: () => ok, anonymous: 200 })
const secret = (path: string) => (kind: Kind) => `/collections/c/objects/${secretOf.get(kind)}/${path}`
const listens = (m: May, then: Expected): Expected => (m.read ? then : { status: 404, not: [SECRET, PLAIN] })

const ENDPOINTS: Record<keyof typeof OPERATIONS, Endpoint> = {
  discovery: { path: '$/taxii2/', expect: () => ok },
  apiRoot: { path: '/', expect: () => ok },
  markings: {
    path: '/markings/',
    expect: ({ cleared }) => ({ status: 200, has: [`"id":"${TLP_RED}","name":"TLP:RED","cleared":${cleared}`] }),
  },
  status: { path: kind => `/status/${statusOf.get(kind)}/`, expect: () => ({ status: 404 }) },
  collections: {
    path: '/collections/',
    expect: ({ read, write }) => {
      const rights = [`"can_read":${read},"can_write":${write}`]
      return { status: 200, ...(read || write ? { has: rights } : { not: ['can_read'] }) }
    },
  },
  collection: {
    path: '/collections/c/',
    expect: m => known(m, { status: 200, has: [`"can_read":${m.read},"can_write":${m.write}`] }),
  },
  manifest: {
    path: '/collections/c/manifest/',
    expect: (m, kind) => {
      const id = secretOf.get(kind) as string
      return readable(m, { status: 200, ...(m.see ? { has: [id] } : { not: [id] }) })
    },
  },
  objects: { path: '/collections/c/objects/', expect: listed },
  addObjects: {
    method: 'POST',
    path: '/collections/c/objects/',
    body: () => ({ objects: [indicator({ name: PLAIN })] }),
    expect: m => known(m, { status: m.write ? 202 : 403 }),
    adds: 1,
  },
  object: { path: secret(''), expect: single },
  versions: { path: secret('versions/'), expect: single },
  objectProof: { path: secret('proof/'), expect: single },
  objectReceipt: { path: secret('receipt/'), expect: single },
  deleteObject: {
    method: 'DELETE',
    path: (kind, caller) => `/collections/c/objects/${ownOf.get(`${caller} ${kind}`)}/`,
    expect: m => known(m, { status: m.read && m.write ? (m.see ? 200 : 404) : 403 }),
    adds: 1,
  },
  collectionProof: { path: '/collections/c/proof/', expect: m => readable(m, ok) },
  recordProof: {
    path: '/collections/c/records/0/proof/',
    expect: m => readable(m, { status: 200, ...(m.see ? { has: [SECRET] } : { has: ['"access"'], ...hidden }) }),
  },
  records: { path: '/collections/c/records/', expect: listed },
  channels: {
    path: '/channels/',
    expect: ({ read }) => ({ status: 200, ...(read ? { has: ['EVENTS'] } : { not: ['EVENTS'] }) }),
  },
  channel: {
    path: '/channels/EVENTS/?from=start',
    isStream: true,
    expect: m => listens(m, { status: 200, ...(m.see ? { has: [SECRET, PLAIN] } : { has: [PLAIN], not: [SECRET] }) }),
  },
  feed: { path: '/collections/c/feed/?from=start', isStream: true, expect: listed },
  checkpoint: everybody('/log/checkpoint'),
  key: everybody('/log/key'),
  keys: everybody('/log/keys'),
  continuations: everybody('/log/continuations'),
  ledgers: everybody('/log/ledgers'),
  tile: everybody('/log/tile/0/000.p/1'),
  addCheckpoint: {
    ...everybody('/witness/add-checkpoint'),
    method: 'POST',
    body: () => log.request(0, 3),
    expect: () => ok,
  },
  witnessedCheckpoint: everybody(`/witness/${originHash(log.origin)}/checkpoint`),
  witnessKey: everybody('/witness/key'),
  healthz: everybody('/healthz'),
  readyz: everybody('/readyz'),
  overview: everybody('/'),
  openapi: everybody('/openapi.json'),
}

test('every endpoint has an expectation', () => {
  assert.deepEqual(Object.keys(ENDPOINTS).sort(), Object.keys(OPERATIONS).sort())
})

async function askFor(endpoint: Endpoint, caller: Caller, kind: Kind): Promise<Answer> {
  const { method = 'GET', body, isStream } = endpoint
  const own = typeof endpoint.path === 'function' ? endpoint.path(kind, caller) : endpoint.path
  const path = own.startsWith('$') ? own.slice(1) : `/${kind}${own}`
  const user = userOf(caller)
  if (!isStream)
    return server.ask(method, path, { user, headers: { accept: '*/*' }, ...(body ? { body: body() } : {}) })
  const stream = await openEvents(server.url, path, { user })
  try {
    // What comes last is for everybody who may read: what did not come before it does not come.
    if (stream.status === 200) await stream.until(() => JSON.stringify(stream.events).includes(PLAIN))
    const text = stream.status === 200 ? JSON.stringify(stream.events) : stream.text
    return { status: stream.status, headers: stream.headers, text, json: undefined }
  } finally {
    stream.close()
  }
}

for (const caller of Object.keys(CALLERS)) {
  describe(`${caller}`, () => {
    for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
      test(`${name}: ${endpoint.method ?? 'GET'}`, async () => {
        for (const kind of Object.keys(KINDS) as Kind[]) {
          const rights = may(caller, kind)
          const where = `${caller} at ${name} of ${kind}`
          const {
            status,
            has = [],
            not = [],
          } = rights.login ? endpoint.expect(rights, kind) : { status: endpoint.anonymous ?? 401, not: [SECRET, PLAIN] }
          const answer = await askFor(endpoint, caller, kind)
          assert.equal(answer.status, name === 'addCheckpoint' ? answer.status : status, `${where}: ${answer.text}`)
          for (const text of has)
            assert.ok(answer.text.includes(text), `${where} has no ${text}: ${answer.text.slice(0, 400)}`)
          for (const text of not) assert.ok(!answer.text.includes(text), `${where} has ${text}`)
          if (status < 300 && endpoint.adds) countOf.set(kind, (countOf.get(kind) as number) + endpoint.adds)
          if (endpoint.method || endpoint.isStream) continue
          const own = typeof endpoint.path === 'function' ? endpoint.path(kind, caller) : endpoint.path
          const path = own.startsWith('$') ? own.slice(1) : `/${kind}${own}`
          const head = await server.ask('HEAD', path, {
            user: userOf(caller),
            headers: { accept: '*/*' },
          })
          assert.deepEqual([head.status, head.text], [answer.status, ''], `${where}: HEAD`)
        }
      })
    }
  })
}

test('what was refused changed nothing: each collection has the records of what was allowed', async () => {
  for (const kind of Object.keys(KINDS) as Kind[]) {
    const { json } = await server.ask('GET', `/${kind}/collections/c/proof/`, {
      user: 'keeper',
      headers: { accept: '*/*' },
    })
    assert.equal(json.count, countOf.get(kind), kind)
  }
})

test('a collection that is not there, and one that is not for the caller, are told in the same words', async () => {
  const ask = async (path: string) => {
    const { status, json } = await server.ask('GET', path, { user: userOf('other-role') })
    return [status, json.title, json.description, json.error_code]
  }
  assert.deepEqual(await ask('/closed/collections/c/objects/'), await ask('/closed/collections/none/objects/'))
  const missing = newId('indicator')
  const see = async (id: string, rest: string) => {
    const { status, json } = await server.ask('GET', `/open/collections/c/objects/${id}/${rest}`, {
      user: userOf('other-marking'),
      headers: { accept: '*/*' },
    })
    return [status, json.title, json.description, json.error_code]
  }
  for (const rest of ['', 'versions/', 'proof/', 'receipt/', '?match[version]=all'])
    assert.deepEqual(await see(secretOf.get('open') as string, rest), await see(missing, rest), rest)
})
