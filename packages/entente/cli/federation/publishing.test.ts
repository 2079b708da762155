import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { commitDocument, type StixObject, verifyDocument, withSalt } from '#product/commitment.ts'
import { artifactDocument } from '#product/documents.ts'
import { documentId, subjectId } from '#product/ids.ts'
import { versionDocument } from '#product/version-document.ts'
import { createCountry, hash } from '#registry/test/country.ts'
import { loadCountry } from './config.ts'
import { type Documents, openDocuments } from './documents.ts'
import { fetchDocument, fetchVersionDocument } from './fetch.ts'
import { initFederation } from './init.ts'
import type { ChainKind } from './layout.ts'
import { type CollectionName, type Node, startNode } from './node.ts'
import { createPublishing } from './publishing.ts'

const dir = mkdtempSync(join(tmpdir(), 'entente-publishing-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const log = () => {}

const routerOf = (modified = '2026-11-01T00:00:00.000Z'): StixObject =>
  artifactDocument(
    { id: subjectId('artifact', 'router'), name: 'router', created: '2026-11-01T00:00:00.000Z', modified },
    { kind: 'product', manufacturer_ref: documentId('identity', subjectId('party', 'ACME')) },
  )

/** Documents in memory, salted as they come. */
function memoryDocuments() {
  const kept = new Map<string, StixObject>()
  return {
    read: ((commitment: string) => kept.get(commitment)) as Documents['read'],
    keep(document: StixObject): string {
      const salted = withSalt(document, randomBytes(32))
      const commitment = commitDocument(salted)
      kept.set(commitment, salted)
      return commitment
    },
    kept,
  }
}

/** The artifacts `broken`, whose file has the hash of another, and `router`. */
async function registerBroken(
  { as }: Awaited<ReturnType<typeof createCountry>>,
  documents: ReturnType<typeof memoryDocuments>,
) {
  const commitment = documents.keep(routerOf())
  await as('artifact', 'acme').run('registerArtifact', subjectId('artifact', 'broken'), hash('broken'))
  await as('artifact', 'acme').run('registerArtifact', subjectId('artifact', 'router'), commitment)
  const read = documents.read
  documents.read = asked => {
    if (asked === hash('broken')) throw new Error('it is another file')
    return read(asked)
  }
}

async function open(name: string, stops = false) {
  const fr = await createCountry('FR')
  const documents = memoryDocuments()
  const published: [CollectionName, unknown][] = []
  const file = join(dir, name)
  const names = new Map<string, string>()
  const said: string[] = []
  const clock = { now: 1_000_000 }
  const chains = new Map<ChainKind, RuleChain>([
    ['artifact', fr.artifact.as('')],
    ['certification', fr.certification.as('')],
  ])
  const start = (isStopped = false) =>
    createPublishing({
      country: 'FR',
      chains,
      documents,
      nameOf: id => names.get(id),
      now: () => clock.now,
      publish: async (collection, list) => {
        published.push(...list.map((one): [CollectionName, unknown] => [collection, one['name']]))
        if (isStopped) throw new Error('the server went away after it had stored them')
      },
      file,
      log: (_, message) => said.push(message),
    })
  return { fr, documents, published, file, names, said, clock, start, publishing: start(stops) }
}

describe('what is put into the collections of a country', () => {
  test('a document, once its chain has the commitment, and no sooner', async () => {
    const { fr, documents, published, publishing } = await open('sooner.json')
    const commitment = documents.keep(routerOf())
    assert.equal(await publishing.round(), 0)
    await fr.as('artifact', 'acme').run('registerArtifact', subjectId('artifact', 'router'), commitment)
    assert.equal(await publishing.round(), 1)
    assert.deepEqual(published, [['artifacts', 'router']])
    assert.equal(await publishing.round(), 0)
  })

  test('one that comes later than its commitment is waited for, also by the next process', async () => {
    const { fr, documents, published, publishing, start } = await open('later.json')
    const commitment = documents.keep(routerOf())
    const late = documents.kept.get(commitment) as StixObject
    documents.kept.delete(commitment)
    await fr.as('artifact', 'acme').run('registerArtifact', subjectId('artifact', 'router'), commitment)
    assert.equal(await publishing.round(), 0)
    documents.kept.set(commitment, late)
    assert.equal(await start().round(), 1)
    assert.deepEqual(published, [['artifacts', 'router']])
  })

  test('whoever is stopped before it is noted publishes it again, and forgets nothing', async () => {
    const { fr, documents, published, publishing, start, file } = await open('stopped.json', true)
    const commitment = documents.keep(routerOf())
    await fr.as('artifact', 'acme').run('registerArtifact', subjectId('artifact', 'router'), commitment)
    await assert.rejects(publishing.round(), /went away/)
    assert.throws(() => readFileSync(file), /ENOENT/)
    assert.equal(await start().round(), 1)
    assert.equal(published.length, 2)
  })

  test('what is missing is looked for when something has come, and from time to time', async () => {
    const { fr, documents, published, publishing, clock } = await open('waiting.json')
    let looked = 0
    const read = documents.read
    documents.read = asked => {
      looked++
      return read(asked)
    }
    const commitment = documents.keep(routerOf())
    const late = documents.kept.get(commitment) as StixObject
    documents.kept.delete(commitment)
    await fr.as('artifact', 'acme').run('registerArtifact', subjectId('artifact', 'router'), commitment)
    for (let n = 0; n < 20; n++) await publishing.round()
    assert.equal(looked, 1)
    publishing.changed()
    await publishing.round()
    await publishing.round()
    assert.equal(looked, 2)
    documents.kept.set(commitment, late)
    assert.equal(await publishing.round(), 0)
    clock.now += 60_000
    assert.equal(await publishing.round(), 1)
    assert.deepEqual(published, [['artifacts', 'router']])
  })

  test('the document of a version follows from the chain, once its name is known and the document of its artifact is here', async () => {
    const { fr, documents, published, names, publishing, start } = await open('version.json')
    const [artifact, version] = [subjectId('artifact', 'router'), subjectId('version', 'router 1')]
    const commitment = documents.keep(routerOf())
    const late = documents.kept.get(commitment) as StixObject
    documents.kept.delete(commitment)
    const acme = fr.as('artifact', 'acme')
    await acme.run('registerArtifact', artifact, commitment)
    await acme.run('registerVersion', artifact, version, {
      firmware: hash('firmware'),
      sbom: hash('bom'),
      mud: hash('mud'),
    })
    assert.equal(await publishing.round(), 0)
    names.set(version, 'router 1')
    publishing.changed()
    assert.equal(await publishing.round(), 0)
    documents.kept.set(commitment, late)
    assert.equal(await start().round(), 2)
    assert.deepEqual(published.map(([, name]) => name).sort(), ['router', 'router 1'])
  })

  test('what has the hash of another file is not published, and holds up nothing', async () => {
    const { fr, documents, published, said, start } = await open('other.json')
    await registerBroken(fr, documents)
    const first = start()
    assert.equal(await first.round(), 1)
    assert.deepEqual(published, [['artifacts', 'router']])
    for (let n = 0; n < 3; n++) {
      first.changed()
      await first.round()
    }
    assert.deepEqual(said, ['what a chain has the hash of is not published'])
  })

  test('while the server is away it is said once what is no document', async () => {
    const { fr, documents, said, publishing } = await open('away.json', true)
    await registerBroken(fr, documents)
    for (let n = 0; n < 3; n++) await assert.rejects(publishing.round(), /went away/)
    assert.equal(said.length, 1)
  })
})

describe("a country's node", () => {
  let node: Node
  const commitments: string[] = []
  const salted: StixObject[] = []
  before(async () => {
    initFederation({ dir: join(dir, 'federation'), members: ['FR'], port: 0, testSeed: 'publishing' })
    const country = loadCountry(join(dir, 'federation'), 'FR')
    node = await startNode(country, log)
    writeFileSync(country.paths.running, JSON.stringify({ url: '', taxii: node.url }))
    for (const month of ['01', '02', '03']) {
      const one = withSalt(routerOf(`2026-11-${month}T00:00:00.000Z`), randomBytes(32))
      salted.push(one)
      commitments.push(commitDocument(one))
    }
    await node.collection('artifacts').add(salted)
  })
  after(() => node.close())

  const wanted = (commitment: string, name = 'router') => ({
    dir: join(dir, 'federation'),
    country: 'FR',
    collection: 'artifacts' as const,
    id: documentId('infrastructure', subjectId('artifact', name)),
    commitment,
  })

  test('gives each version that a chain has the commitment of, read with the token of the folder', async () => {
    for (const [i, commitment] of commitments.entries())
      assert.deepEqual(await fetchDocument(wanted(commitment)), salted[i])
  })

  test('what is not what the chain has is refused', async () => {
    await assert.rejects(fetchDocument(wanted(hash('another document'))), {
      name: 'ProductError',
      code: 'commitment',
    })
  })

  test('what nobody has is nothing', async () => {
    assert.equal(await fetchDocument(wanted(hash('x'), 'switch')), undefined)
  })

  test('what is in the folder is taken from there', async () => {
    const documents = openDocuments(join(dir, 'federation'), 'FR')
    const commitment = documents.keep(routerOf('2026-11-04T00:00:00.000Z'))
    assert.equal((await fetchDocument(wanted(commitment)))?.['modified'], '2026-11-04T00:00:00.000Z')
  })

  test('says what the extensions of its documents are', async () => {
    const ids: string[] = []
    for await (const { items } of node.collection('certificates').objects())
      ids.push(...items.map(({ id }) => id.split('--')[0] as string))
    assert.ok(ids.filter(type => type === 'extension-definition').length >= 3)
  })

  test('says it once, however often it starts', async () => {
    const sizeOf = async () =>
      Number((await fetch(new URL('/log/checkpoint', node.url)).then(r => r.text())).split('\n')[1])
    const before = await sizeOf()
    await node.close()
    node = await startNode(loadCountry(join(dir, 'federation'), 'FR'), log)
    assert.ok(before > 0)
    assert.equal(await sizeOf(), before)
  })

  test('the document of a version is what follows from its chain, or refused', async () => {
    writeFileSync(
      loadCountry(join(dir, 'federation'), 'FR').paths.running,
      JSON.stringify({ url: '', taxii: node.url }),
    )
    const artifact = verifyDocument(salted[0], commitments[0] as string)
    const version = {
      id: subjectId('version', 'router 1'),
      artifact: subjectId('artifact', 'router'),
      manufacturer: subjectId('party', 'ACME'),
      firmware: hash('firmware'),
      sbom: hash('bom'),
      mud: hash('mud'),
      fixes: [],
      registered: 1_800_000_000,
    }
    const wanted = { dir: join(dir, 'federation'), country: 'FR' }
    assert.equal(await fetchVersionDocument(wanted, version, artifact), undefined)
    const document = versionDocument(version, artifact, { name: 'router 1', fixes: [] })
    await node.collection('artifacts').add([document])
    assert.deepEqual(await fetchVersionDocument(wanted, version, artifact), document)
    await assert.rejects(fetchVersionDocument(wanted, { ...version, firmware: hash('other') }, artifact), {
      name: 'ProductError',
      code: 'commitment',
    })
  })
})
