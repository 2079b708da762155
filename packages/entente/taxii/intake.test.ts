import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { verifyObject } from '@entente/verify/proof'
import { readEnvelope } from './intake.ts'
import { indicator, newId, startTestServer, type TestServer, url } from './test/server.ts'

const collections = ['standard', 'strict', 'permissive'].map(validation => ({
  alias: validation,
  title: validation,
  validation,
}))
let server: TestServer
before(async () => {
  server = await startTestServer({ apiRoots: [{ path: '/api/', title: 'Test root', collections }] })
})
after(() => server.stop())

const add = (objects: unknown[], collection = 'standard') => server.add(objects, collection)
const relationship = (from: string, to: string, values: Record<string, unknown> = {}) => ({
  type: 'relationship',
  spec_version: '2.1',
  id: newId('relationship'),
  created: '2026-01-01T00:00:00.000Z',
  modified: '2026-01-01T00:00:00.000Z',
  relationship_type: 'related-to',
  source_ref: from,
  target_ref: to,
  ...values,
})
const note = (refs: string[], values: Record<string, unknown> = {}) => ({
  type: 'note',
  spec_version: '2.1',
  id: newId('note'),
  created: '2026-01-01T00:00:00.000Z',
  modified: '2026-01-01T00:00:00.000Z',
  content: 'see there',
  object_refs: refs,
  ...values,
})
const month = '2026-01-01T00:00:00.000Z'
const TLP_GREEN = 'marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da'
const TLP_2_RED = 'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1'

describe('standard', () => {
  test('a reference to what is neither here nor stored is told, with path, rule and section, and taken', async () => {
    const [a, missing] = [indicator(), newId('malware')]
    const status = await add([a, relationship(a.id, missing)])
    assert.deepEqual([status.success_count, status.failure_count], [2, 0])
    assert.deepEqual(
      status.successes.map((s: any) => s.message),
      [undefined, `$.target_ref: not known here (unresolved_reference, STIX 2.1 section 3.3)`],
    )
  })

  test('what is in the same request in any order, stored before, or a published TLP marking is known', async () => {
    const stored = indicator()
    await add([stored])
    const other = indicator({ object_marking_refs: [TLP_GREEN, TLP_2_RED] })
    const status = await add([relationship(stored.id, other.id), other, relationship(other.id, stored.id)])
    for (const { message } of status.successes) assert.equal(message, undefined)
  })

  test('what was refused in the same request is not known, unless it is stored', async () => {
    const [bad, kept] = [indicator({ pattern: undefined }), indicator()]
    await add([kept])
    const status = await add([
      bad,
      relationship(bad.id, bad.id),
      { ...kept, pattern: 7 },
      relationship(kept.id, kept.id),
    ])
    assert.deepEqual([status.success_count, status.failure_count], [2, 2])
    assert.match(status.successes[0].message, /^\$\.source_ref, \$\.target_ref: not known here/)
    assert.equal(status.successes[1].message, undefined)
  })

  test('references deep in an object are told with their place', async () => {
    const marking = newId('marking-definition')
    const status = await add([
      indicator({
        granular_markings: [{ selectors: ['pattern'], marking_ref: marking }],
        created_by_ref: newId('identity'),
        x_own_ref: marking,
        x_own: 1,
        confidence: 7,
      }),
      url({ extensions: { 'x-own-ext': { some: 1 } }, object_marking_refs: [TLP_GREEN, marking] }),
    ])
    assert.equal(
      status.successes[0].message,
      '$.granular_markings[0].marking_ref, $.created_by_ref: not known here (unresolved_reference, STIX 2.1 section 3.3)',
    )
    assert.match(
      status.successes[1].message,
      /^\$\.object_marking_refs\[1\]: not known here .*; \$\.extensions.* \(custom_extension/,
    )
  })

  test('what is stored in another collection, or was erased, is not known', async () => {
    const [elsewhere, erased] = [indicator(), indicator()]
    await add([elsewhere], 'permissive')
    await add([erased])
    await server.ask('DELETE', `/api/collections/standard/objects/${erased.id}/`)
    const status = await add([relationship(elsewhere.id, erased.id)])
    assert.match(status.successes[0].message, /source_ref.*target_ref/)
  })

  test('unknown extensions and custom types are told, custom properties are not', async () => {
    const extension = newId('extension-definition')
    const status = await add([
      indicator({ x_score: 7, x_nothing: null }),
      url({ extensions: { [extension]: { extension_type: 'property-extension', score: 7 } } }),
      { type: 'x-thing', id: newId('x-thing'), spec_version: '2.1' },
    ])
    assert.deepEqual([status.success_count, status.failure_count], [3, 0])
    const [plain, extended, custom] = status.successes.map((s: any) => s.message)
    assert.equal(plain, undefined)
    assert.match(extended, /unknown_extension, STIX 2\.1 section 7\.3/)
    assert.match(custom, /^\$\.type: .*custom_type, STIX 2\.1 section 11\.2/)
  })

  test('a failure names path, rule and section of each breach', async () => {
    const status = await add([indicator({ confidence: 101, pattern: '[' })])
    assert.match(status.failures[0].message, /\$\.confidence: .* \(range, STIX 2\.1 section 2\.10\)/)
    assert.match(status.failures[0].message, /\$\.pattern: .* \(pattern, STIX 2\.1 section 9/)
  })

  test('a message is short, however much there is to say', async () => {
    const names = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`${'X'.repeat(240)}${i}`, 1]))
    const status = await add([
      indicator({ object_marking_refs: Array.from({ length: 300 }, () => newId('marking-definition')) }),
      indicator(names),
    ])
    const { message } = status.successes[0]
    assert.match(message, /^(?:\$\.object_marking_refs\[\d\], ){5}and 295 more: not known here/)
    assert.ok(message.length < 500, `${message.length}`)
    assert.match(status.failures[0].message, /; and 95 more$/)
    assert.ok(status.failures[0].message.length < 3500, `${status.failures[0].message.length}`)
  })

  test('whatever an object says of its version, its record verifies, or it is refused', async () => {
    const odd = [7, null, 'foo', '2026-01-01T00:00:00Z', '2026-01-01t00:00:00.000z', {}, '', 0, false, []]
    const objects = odd.flatMap(v => [url({ modified: v }), url({ created: v }), url({ modified: v, created: month })])
    const status = await add(objects)
    const taken = new Set(status.successes.map((s: any) => s.id))
    assert.equal(taken.size + status.failure_count, objects.length)
    for (const [i, object] of objects.entries()) {
      const value = odd[Math.floor(i / 3)]
      assert.equal(taken.has(object.id), value === null || value === '2026-01-01T00:00:00Z', JSON.stringify(object))
      if (!taken.has(object.id)) continue
      const { text } = await server.ask('GET', `/api/collections/standard/objects/${object.id}/proof/`)
      assert.equal(verifyObject(text, { vkeys: [server.context.vkey] }).level, 'logged')
    }
    for (const { message } of status.failures) assert.match(message, /version of an object and must be a timestamp/)
  })

  test('a timestamp of a version without milliseconds is told and taken', async () => {
    const status = await add([indicator({ created: '2025-01-01T00:00:00Z' })])
    assert.match(status.successes[0].message, /timestamp_precision/)
  })
})

describe('strict', () => {
  test('what does not resolve or is not known is refused, and what refers to that as well', async () => {
    const [a, b] = [indicator(), indicator()]
    const broken = relationship(a.id, newId('malware'))
    const status = await add(
      [
        note([broken.id, b.id]),
        a,
        broken,
        b,
        relationship(a.id, b.id),
        indicator({ x_own: 1 }),
        { ...url(), id: a.id },
      ],
      'strict',
    )
    assert.deepEqual(
      status.successes.map((s: any) => s.id.split('--')[0]),
      ['indicator', 'indicator', 'relationship'],
    )
    assert.equal(status.failure_count, 4)
    assert.match(status.failures[0].message, /\$\.object_refs\[0\]: .*unresolved_reference/)
    assert.match(status.failures[2].message, /custom_property/)
    const again = await add([relationship(a.id, b.id)], 'strict')
    assert.equal(again.success_count, 1, 'stored objects are known')
  })

  test('an id of two objects is known while one of them is taken; objects that refer to each other are', async () => {
    const [a, b] = [newId('indicator'), newId('note')]
    const twice = [
      indicator({ id: a, modified: '2026-03-01T00:00:00.000Z' }),
      indicator({ id: a, created_by_ref: newId('identity') }),
    ]
    const circle = note([b, a], { id: b })
    const status = await add([...twice, circle], 'strict')
    assert.deepEqual(
      status.successes.map((s: any) => s.id),
      [a, b],
    )
  })

  test('a long chain that ends in nothing is refused whole, in time', async () => {
    const ids = Array.from({ length: 3000 }, () => newId('note'))
    const chain = ids.map((id, i) => note([ids[i + 1] ?? newId('malware')], { id }))
    const status = await add(chain, 'strict')
    assert.deepEqual([status.success_count, status.failure_count], [0, 3000])
  })
})

test('permissive: what breaks the specification is told, what is unknown says nothing, STIX 2.0 is taken', async () => {
  const { spec_version: _, ...old } = indicator({ confidence: 101 })
  const status = await add(
    [old, relationship(newId('malware'), newId('malware')), indicator({ x_own: null })],
    'permissive',
  )
  assert.deepEqual([status.success_count, status.failure_count], [3, 0])
  assert.match(status.successes[0].message, /range.*spec_version|spec_version.*range/)
  assert.deepEqual([status.successes[1].message, status.successes[2].message], [undefined, undefined])
  const { json } = await server.ask('GET', `/api/collections/permissive/manifest/?match[id]=${old.id}`)
  const info = await server.ask('GET', '/api/collections/permissive/')
  assert.ok(info.json.media_types.includes(json.objects[0].media_type), JSON.stringify(json))
  const refused = await add([{ type: 'indicator' }, { ...indicator(), modified: 'yesterday' }, 7], 'permissive')
  assert.equal(refused.failure_count, 3)
})

test('the store is asked once, for each reference that the request itself does not answer', async () => {
  const [a, b, missing] = [indicator(), indicator(), newId('malware')]
  const objects = [a, b, relationship(a.id, missing), relationship(missing, b.id, { object_marking_refs: [TLP_GREEN] })]
  const asked: string[][] = []
  const options = {
    maxBytes: 1e6,
    policy: 'standard' as const,
    isStix: false,
    known: async (ids: string[]) => {
      asked.push(ids)
      return new Set(ids)
    },
  }
  const intake = await readEnvelope(Buffer.from(JSON.stringify({ objects })), options)
  assert.deepEqual(asked, [[missing]])
  assert.equal(intake.objects.filter(o => o.warning !== undefined).length, 0)
  await readEnvelope(Buffer.from(JSON.stringify({ objects: [a, b] })), options)
  assert.equal(asked.length, 1, 'nothing to ask')
})

describe('a translation is held against what it translates (STIX 2.1 section 7.1.1)', () => {
  const translation = (id: string, values: Record<string, unknown> = {}) => ({
    type: 'language-content',
    spec_version: '2.1',
    id: newId('language-content'),
    created: month,
    modified: month,
    object_ref: id,
    contents: { de: { name: ['Name'] } },
    ...values,
  })
  const REFUSED = /^\$\.contents\.de\.name: expected a string.* \(translation, STIX 2\.1 section 7\.1\.1\)$/

  test('in the same request, or stored; in the version that it names', async () => {
    const target = indicator({ name: 'a name' })
    const together = await add([translation(target.id), target])
    assert.deepEqual([together.success_count, together.failure_count], [1, 1])
    assert.match(together.failures[0].message, REFUSED)
    const { failures } = await add([
      translation(target.id),
      translation(target.id, { object_modified: target.modified }),
    ])
    for (const { message } of failures) assert.match(message, REFUSED)
    assert.equal(failures.length, 2)
    const right = { contents: { de: { name: 'Name', not_there: 1 } } }
    const other = { object_modified: '2030-01-01T00:00:00.000Z' }
    const taken = await add([translation(target.id, right), translation(target.id, other), translation(newId('tool'))])
    assert.equal(taken.success_count, 3, 'nothing is known of another version, or of what is not here')
  })

  test('who may not read what is stored learns nothing of it', async () => {
    const target = indicator({ name: 'a name' })
    await add([target])
    const body = { objects: [translation(target.id)] }
    const path = '/api/collections/standard/objects/'
    assert.equal((await server.ask('POST', path, { body, user: 'writer' })).json.success_count, 1)
  })

  test('at most 100 objects are read for one request', async () => {
    let reads = 0
    const objects = Array.from({ length: 150 }, () => translation(newId('tool')))
    await readEnvelope(Buffer.from(JSON.stringify({ objects })), {
      maxBytes: 1e6,
      policy: 'standard',
      isStix: false,
      known: async ids => new Set(ids),
      stored: async () => void reads++,
    })
    assert.equal(reads, 100)
  })
})
