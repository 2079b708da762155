import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { label, labelId, registerArtifact, registerParty, registerVersion, setSupport } from './artifact.ts'
import { createWorld, DAY, hash, id, join, NOW, party, type World } from './test/world.ts'

const ARTIFACT = id(0xa1)
const VERSION = id(0xa2)
const VULNERABILITY = id(0xa3)
const files = { firmware: hash(1), sbom: hash(2), mud: hash(3) }
const support = { guidance: hash(1), until: NOW + 365 * DAY, contact: hash(2), repository: hash(3) }
let world: World
beforeEach(() => {
  world = createWorld('artifact')
  join(world, 'manufacturer', 'other', 0x0f)
})

test('row 13: NCCAs register manufacturers and holders, coordinators providers; of any country, under any name', async () => {
  const one = (kind: 'manufacturer' | 'holder' | 'provider', n: number) => ({
    id: id(n),
    kind,
    country: 'JP',
    key: `key-${n}`,
    act: hash(n),
  })
  await world.as('ncca', call => registerParty(call, one('manufacturer', 0x300)))
  await world.as('ncca', call => registerParty(call, one('holder', 0x301)))
  await world.as('coordinator', call => registerParty(call, one('provider', 0x302)))
  assert.equal(world.get('party', id(0x302))?.registrar, party('coordinator'))
  await world.refuses(13, 'WrongRole', 'ncca', call => registerParty(call, one('provider', 0x303)))
  await world.refuses(13, 'WrongRole', 'coordinator', call => registerParty(call, one('holder', 0x303)))
  await world.refuses(6, 'WrongRole', 'nab', call => registerParty(call, one('holder', 0x303)))
  await world.refuses(13, 'WrongRole', 'cab', call => registerParty(call, one('holder', 0x303)))
  await world.refuses(13, 'Exists', 'ncca', call => registerParty(call, { ...one('holder', 0x300), key: 'new' }))
  await world.refuses(13, 'KeyTaken', 'ncca', call => registerParty(call, { ...one('holder', 0x303), key: 'ncca' }))
  await world.refuses(13, 'Missing', 'ncca', call => registerParty(call, { ...one('holder', 0x303), act: '' }))
  await world.refuses(13, 'Missing', 'ncca', call => registerParty(call, { ...one('holder', 0x303), country: 'Japan' }))
  join(world, 'ncca', 'ncca-de', 0xde, 'DE')
  await world.refuses(13, 'WrongCountry', 'ncca-de', call => registerParty(call, one('holder', 0x303)))
})

test('row 14: a manufacturer registers artifacts, versions and patches of its own, which never change', async () => {
  await world.as('manufacturer', call => registerArtifact(call, ARTIFACT, hash(1)))
  await world.as('manufacturer', call => registerVersion(call, ARTIFACT, VERSION, files))
  const patch = { ...files, firmware: hash(9), patches: VERSION, fixes: [VULNERABILITY] }
  await world.as('manufacturer', call => registerVersion(call, ARTIFACT, id(0xa4), patch))
  assert.deepEqual(world.get('version', id(0xa4))?.fixes, [VULNERABILITY])
  await world.refuses(14, 'Exists', 'manufacturer', call => registerArtifact(call, ARTIFACT, hash(2)))
  await world.refuses(14, 'Exists', 'manufacturer', call => registerVersion(call, ARTIFACT, VERSION, files))
  await world.refuses(14, 'NotYours', 'other', call => registerVersion(call, ARTIFACT, id(0xa5), files))
  await world.refuses(14, 'WrongRole', 'ncca', call => registerArtifact(call, id(0xa6), hash(1)))
  await world.refuses(14, 'Unknown', 'manufacturer', call => registerVersion(call, id(0xa7), id(0xa5), files))
  await world.refuses(14, 'Unknown', 'manufacturer', call =>
    registerVersion(call, ARTIFACT, id(0xa5), { ...files, patches: id(0xff) }),
  )
  await world.refuses(14, 'Missing', 'manufacturer', call =>
    registerVersion(call, ARTIFACT, id(0xa5), { ...files, fixes: [VULNERABILITY] }),
  )
  await world.refuses(14, 'Missing', 'manufacturer', call =>
    registerVersion(call, ARTIFACT, id(0xa5), { ...files, firmware: '' }),
  )
  await world.refuses(14, 'Missing', 'manufacturer', call => registerArtifact(call, '0x12', hash(1)))
})

test("row 15: Article 55 data is the manufacturer's, and what it was stays", async () => {
  await world.refuses(15, 'Unknown', 'manufacturer', call => setSupport(call, ARTIFACT, support))
  await world.as('manufacturer', call => registerArtifact(call, ARTIFACT, hash(1)))
  await world.as('manufacturer', call => setSupport(call, ARTIFACT, support))
  await world.as('manufacturer', call => setSupport(call, ARTIFACT, { ...support, contact: hash(7) }))
  assert.equal(world.get('artifact', ARTIFACT)?.support?.contact, hash(7))
  assert.equal(world.get('artifact', `${ARTIFACT}#0`)?.support?.contact, hash(2))
  await world.refuses(15, 'NotYours', 'other', call => setSupport(call, ARTIFACT, support))
  await world.refuses(15, 'Missing', 'manufacturer', call => setSupport(call, ARTIFACT, { ...support, guidance: '' }))
  await world.refuses(15, 'OutOfBounds', 'manufacturer', call => setSupport(call, ARTIFACT, { ...support, until: NOW }))
})

test('row 16: each who may speak labels a version for itself, and nothing that was said is lost', async () => {
  await world.as('manufacturer', call => registerArtifact(call, ARTIFACT, hash(1)))
  await world.as('manufacturer', call => registerVersion(call, ARTIFACT, VERSION, files))
  await world.as('manufacturer', call => label(call, VERSION, VULNERABILITY, 'under_investigation'))
  await world.as('manufacturer', call => label(call, VERSION, VULNERABILITY, 'not_affected', hash(4)))
  const own = labelId(VERSION, VULNERABILITY, party('manufacturer'))
  assert.equal(world.get('label', own)?.status, 'not_affected')
  assert.equal(world.get('label', `${own}#1`)?.status, 'under_investigation')
  await world.refuses(16, 'NotYours', 'other', call => label(call, VERSION, VULNERABILITY, 'affected'))
  await world.refuses(16, 'Unknown', 'provider', call => label(call, VERSION, VULNERABILITY, 'affected'))
  await world.refuses(16, 'WrongRole', 'cab', call => label(call, VERSION, VULNERABILITY, 'affected'))
  await world.refuses(16, 'Missing', 'manufacturer', call => label(call, VERSION, VULNERABILITY, 'not_affected'))
  await world.refuses(16, 'Missing', 'manufacturer', call => label(call, VERSION, VULNERABILITY, 'maybe' as 'fixed'))
  await world.refuses(16, 'Unknown', 'manufacturer', call => label(call, id(1), VULNERABILITY, 'fixed'))

  const mirrored = {
    provider: party('provider'),
    coordinator: party('coordinator'),
    disclosed: undefined,
    from: 'attested' as const,
  }
  world.seed('foreignCase', VULNERABILITY, mirrored)
  for (const key of ['manufacturer', 'provider', 'coordinator'])
    await world.refuses(16, 'Sealed', key, call => label(call, VERSION, VULNERABILITY, 'affected'))
  world.seed('foreignCase', VULNERABILITY, { ...mirrored, disclosed: NOW })
  for (const key of ['provider', 'coordinator'])
    await world.as(key, call => label(call, VERSION, VULNERABILITY, 'affected'))
  assert.equal(world.get('label', own)?.status, 'not_affected', "nobody's is overwritten by another")
  join(world, 'provider', 'stranger', 0x5a)
  await world.refuses(16, 'NotYours', 'stranger', call => label(call, VERSION, VULNERABILITY, 'affected'))
})
