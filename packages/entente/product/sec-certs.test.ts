import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { createMemory, importLegacy, type RuleArguments } from '@entente/rules'
import { commitDocument, verifyDocument } from './commitment.ts'
import { readCertificate } from './documents.ts'
import { parseCsv } from './csv.ts'
import { ProductError } from './error.ts'
import { parseTexts } from './python-literal.ts'
import { readSecCerts, type SecCerts } from './sec-certs.ts'

const DATA = join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'data', 'sec-certs')
const AT = '2026-11-22T00:00:00.000Z'
/** Test salts follow from a fixed seed. */
const salt = (name: string) => createHash('sha256').update(`entente test salt: ${name}`).digest()

let whole: SecCerts | undefined
/** The real data, read once. */
function real(t: TestContext): SecCerts | undefined {
  if (!existsSync(DATA)) {
    t.skip('the data of sec-certs is not here')
    return undefined
  }
  const [references, certificates] = ['references.csv', 'certificates.csv'].map(name => readFileSync(join(DATA, name)))
  assert.ok(references !== undefined && certificates !== undefined)
  whole ??= readSecCerts({ references, certificates }, { salt, at: AT })
  return whole
}

test('the 1,523 certificates by country, 1,425 of them of member states', t => {
  const data = real(t)
  if (data === undefined) return
  const count: Record<string, number> = {}
  for (const { country } of data.certificates) count[country] = (count[country] ?? 0) + 1
  const member = { DE: 482, ES: 24, FR: 761, IT: 30, NL: 126, SE: 2 }
  assert.deepEqual(count, { ...member, CA: 7, GB: 37, JP: 3, KR: 27, NO: 10, TR: 7, US: 7 })
  assert.equal(data.certificates.filter(({ isMember }) => isMember).length, 1_425)
  assert.equal(data.issuers.size, 13)
  assert.equal(data.schemes.size, 13)
  assert.deepEqual(data.unlisted, ['ANSSI-CC-2013/12', 'ANSSI-CC-2006/15', 'BSI-DSZ-CC-0337-2005'])
})

test('what the data has not: levels in the words of the CSA, dates, ends, manufacturers, laboratories', t => {
  const data = real(t)
  if (data === undefined) return
  const { certificates } = data
  const contents = certificates.map(({ document }) => readCertificate(document))
  const having = (name: keyof (typeof contents)[number]) =>
    contents.filter(content => content[name] !== undefined).length
  assert.equal(having('level'), 0)
  assert.equal(having('assurance'), 716)
  assert.equal(having('valid_from'), 716)
  assert.equal(having('itsef_ref'), 512)
  assert.equal(certificates.filter(({ legacy }) => legacy.since === 0).length, 807)
  // 807 without dates, and five that end on the day on which they begin.
  assert.equal(certificates.filter(({ legacy }) => legacy.until === undefined).length, 812)
  const unnamed = [...data.holders.values()].filter(({ name }) => name.startsWith('not stated'))
  const ids = new Set(unnamed.map(({ id }) => id))
  assert.equal(certificates.filter(({ legacy }) => ids.has(legacy.holder)).length, 807)
  assert.equal(data.holders.size - unnamed.length, 81)
  assert.deepEqual([...data.laboratories.values()].map(({ name }) => name).sort(), [
    '0SERMA',
    'BSI',
    'CEA',
    'CEACI',
    'SERMA',
    'THALES',
    'THALÈS',
  ])
})

test('references: 2,020 between certificates, 729 across countries, 644 of them between member states', t => {
  const data = real(t)
  if (data === undefined) return
  const byId = new Map(data.certificates.map(certificate => [certificate.id, certificate]))
  let all = 0
  let across = 0
  let members = 0
  for (const { country, isMember, legacy } of data.certificates) {
    for (const component of legacy.components) {
      const to = byId.get(component)
      assert.ok(to !== undefined)
      all++
      if (to.country === country) continue
      across++
      if (isMember && to.isMember) members++
    }
  }
  // The data has 2,032; twelve are of a certificate to itself.
  assert.deepEqual([all, across, members], [2_020, 729, 644])
  assert.equal(data.unresolved.length, 28)
})

test('documents are valid, no two have one id, and each is what its commitment says', t => {
  const data = real(t)
  if (data === undefined) return
  const parties = [data.issuers, data.schemes, data.holders, data.laboratories].flatMap(map => [...map.values()])
  const documents = [...parties, ...data.certificates].map(({ document }) => document)
  // BSI is an issuing body and, under another name, a laboratory.
  assert.equal(new Set(documents.map(({ id }) => id)).size, documents.length)
  for (const { document, legacy } of data.certificates.slice(0, 50)) {
    assert.equal(verifyDocument(document, legacy.document), document)
    assert.throws(() => verifyDocument({ ...document, name: 'another' }, legacy.document), ProductError)
  }
  for (const { document } of parties) commitDocument(document)
})

test('rule 17 takes each of them', async t => {
  const data = real(t)
  if (data === undefined) return
  const memory = createMemory()
  const now = Date.parse(AT) / 1000
  const party = {
    country: 'FR',
    act: data.certificates[0]?.id ?? '',
    registrar: '',
    isActive: true,
    from: 'own',
  } as const
  memory.seed('chain', 'self', { kind: 'certification', country: 'FR' })
  memory.seed('party', 'ncca', { ...party, kind: 'ncca' })
  memory.seed('key', 'ncca', { party: 'ncca', since: 0, revoked: undefined })
  for (const { id } of data.holders.values()) memory.seed('party', id, { ...party, kind: 'manufacturer' })
  for (const { id, document, country } of data.schemes.values()) {
    memory.seed('scheme', id, {
      version: 1,
      owner: country,
      document: commitDocument(document),
      scope: id,
      adopted: 0,
      levels: [],
      maxValidity: 1,
      allowsDeclaration: false,
      isPublicOnly: false,
      authorisedLevels: [],
      van: {},
      maxSuspension: 1,
      maxSuspended: 1,
      maxAccreditation: 1,
      allowsProfiles: true,
      mapping: [],
      from: 'own',
    })
  }
  for (const { id, legacy } of data.certificates) {
    const [, input]: RuleArguments<'importLegacy'> = [id, legacy]
    await memory.run('ncca', now, call => importLegacy(call, id, input))
  }
  assert.equal(memory.events.length, 1_523)
})

test('a file that is none, or has a certificate twice, is refused', () => {
  const certificates = 'cert_id,manufacturer,not_valid_before\n'
  const refused = (references: string, more = '') =>
    assert.throws(
      () => readSecCerts({ references, certificates: certificates + more }, { salt, at: AT }),
      (error: unknown) => error instanceof ProductError && error.code !== 'document',
      references,
    )
  const head = 'cert_id,scheme,refs\n'
  refused('')
  refused('cert_id,scheme\nA,FR\n')
  refused(`${head}A,FR\n`)
  refused(`${head}A,FR,set()\nA,FR,set()\n`)
  refused(`${head}A,FR,"{'B}"\n`)
  refused(`${head}A,FR,"set()\n`)
  refused(`${head}A,FR,"set()"x\n`)
  refused(`${head}A,XX,set()\n`)
  refused(`${head}A,FR,set()\n`, 'A,M,2023-02-30x\n')
  const [one] = readSecCerts(
    { references: `${head}A,FR,"{'A', ""B'x""}"\r\n`, certificates },
    { salt, at: AT },
  ).certificates
  assert.deepEqual(readCertificate(one?.document ?? {}).references, ["B'x"])
})

test('CSV and Python literals: what was written is read, and anything else is read or refused', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', "'", '\\', 'é', ' '), maxLength: 8 })
  const row = fc.array(text, { minLength: 2, maxLength: 2 })
  const quote = (field: string) => `"${field.replaceAll('"', '""')}"`
  fc.assert(
    fc.property(fc.array(row, { maxLength: 5 }), rows => {
      const csv = [['x', 'y'], ...rows].map(fields => fields.map(quote).join(',')).join('\r\n')
      assert.deepEqual(parseCsv(csv, 'the file').map(Object.values), rows)
      const texts = rows.flat()
      const literal = `[${texts.map(each => `'${each.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`).join(', ')}]`
      assert.deepEqual(parseTexts(literal), texts)
    }),
    { seed: 33, numRuns: 300 },
  )
  fc.assert(
    fc.property(text, text, (a, b) => {
      for (const run of [
        () => parseCsv(a + b, 'the file'),
        () => parseTexts(`{${a}${b}`),
        () => parseTexts(`'${a}'${b}`),
      ]) {
        try {
          run()
        } catch (error) {
          if (!(error instanceof ProductError)) throw error
        }
      }
    }),
    { seed: 33, numRuns: 1_000 },
  )
})
