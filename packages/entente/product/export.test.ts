import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateObject } from '@entente/stix'
import { affectedVersions } from './affected.ts'
import { readCsaf } from './csaf.ts'
import { type CsafProfile, toCsaf } from './csaf-export.ts'
import type { DisclosedCase } from './disclosed.ts'
import { ProductError } from './error.ts'
import { documentId, subjectId } from './ids.ts'
import { parsePurl } from './purl.ts'
import { toStix } from './stix-export.ts'

type Verdict = { isValid: boolean; tests: { name: string; isValid: boolean; errors: unknown[] }[] }
/** The validator has no types of its own. */
async function csafErrors(document: unknown): Promise<unknown[]> {
  const name = '@secvisogram/csaf-validator-lib'
  const { default: validate } = (await import(`${name}/validate.js`)) as {
    default: (tests: unknown[], document: unknown) => Promise<Verdict>
  }
  const [mandatory, schema] = (await Promise.all([
    import(`${name}/mandatoryTests.js`),
    import(`${name}/schemaTests.js`),
  ])) as object[]
  const tests = [...Object.values(schema ?? {}), ...Object.values(mandatory ?? {})]
  assert.ok(tests.length > 35, `${tests.length} tests`)
  const { tests: results } = await validate(tests, JSON.parse(JSON.stringify(document)))
  return results.filter(({ isValid }) => !isValid)
}

const version = (number: string) => {
  const id = subjectId('version', `Gate ${number}`)
  return {
    id,
    manufacturer: 'Example Works',
    product: 'Gate',
    number,
    purl: `pkg:generic/example/gate@${number}`,
    cpe: `cpe:2.3:h:example:gate:${number}:*:*:*:*:*:*:*`,
    document: documentId('infrastructure', id),
  }
}
const [V70, V71, V72, V80, V90] = ['7.0', '7.1', '7.2', '8.0', '9.0'].map(version) as [
  ReturnType<typeof version>,
  ...ReturnType<typeof version>[],
]
const at = '2026-11-20T00:00:00.000Z'
const CASE: DisclosedCase = {
  id: subjectId('vulnerability', 'EX-2026-0001'),
  number: 'EX-2026-0001',
  title: 'A gate opens for whoever asks twice',
  description: 'The controller of the gate takes a repeated request for an authorised one.',
  cve: 'CVE-2026-12345',
  cvss: [
    'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P',
    'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N',
    'AV:N/AC:L/Au:N/C:P/I:P/A:P',
  ],
  disclosed: '2026-11-20T00:00:00.000Z',
  publisher: {
    name: 'Example Works',
    namespace: 'https://example.com',
    category: 'vendor',
    identity: documentId('identity', subjectId('party', 'Example Works')),
  },
  versions: [V70, V71 ?? V70, V72 ?? V70, V80 ?? V70, V90 ?? V70],
  labels: [
    { version: V70.id, status: 'affected', fixedBy: V71?.id, at },
    { version: V71?.id ?? '', status: 'fixed', at },
    { version: V72?.id ?? '', status: 'not_affected', justification: 'vulnerable_code_not_present', at },
    { version: V80?.id ?? '', status: 'not_affected', justification: 'Nobody can ask it anything.', at },
    { version: V90?.id ?? '', status: 'under_investigation', at },
  ],
  references: [{ summary: 'How the gate works', url: 'https://example.com/gate' }],
}
const history = [
  { date: at, summary: 'First' },
  { date: '2026-11-21T00:00:00.000Z', summary: 'A version more' },
]
const csaf = (change: Partial<DisclosedCase> = {}, profile: CsafProfile = 'csaf_security_advisory') =>
  toCsaf({ ...CASE, ...change }, { profile, history })

test('an advisory and a VEX document, valid by the schema and the mandatory tests of another program', async () => {
  for (const profile of ['csaf_security_advisory', 'csaf_vex'] as const) {
    for (const change of [
      {},
      { cve: undefined, cvss: [], references: [] },
      { labels: CASE.labels.slice(0, 1).map(label => ({ ...label, fixedBy: undefined })) },
    ]) {
      assert.deepEqual(await csafErrors(csaf(change, profile)), [], `${profile} ${Object.keys(change).join()}`)
    }
  }
})

test('the validator does refuse what is wrong', async () => {
  const { document, ...rest } = csaf({}, 'csaf_vex')
  assert.ok((await csafErrors({ document, product_tree: rest.product_tree, vulnerabilities: [] })).length > 0)
  assert.ok((await csafErrors({ ...rest })).length > 0)
})

test('what was written is read again: each version has the status of its label', () => {
  const advisory = readCsaf(JSON.stringify(csaf()))
  const boms = CASE.versions.map(({ id, product, number, purl }) => ({
    version: id,
    name: `${product} ${number}`,
    number,
    purls: [parsePurl(purl ?? '')],
  }))
  const found = affectedVersions(advisory, boms)
  assert.deepEqual(
    found.map(({ version: id, status }) => [id, status]),
    CASE.labels.map(label => [label.version, label.status]),
  )
  assert.deepEqual(
    found.map(({ reasons }) => reasons[0]?.justification),
    [undefined, undefined, 'vulnerable_code_not_present', 'Nobody can ask it anything.', undefined],
  )
})

test('STIX: the vulnerability, what has it, each label in words, a report of all; a later export has the same ids', () => {
  const objects = toStix(CASE, at)
  assert.deepEqual(
    objects.map(({ type }) => type),
    ['vulnerability', 'note', 'relationship', 'note', 'note', 'note', 'note', 'report'],
  )
  for (const object of objects) assert.ok(validateObject(object).valid)
  const report = objects.at(-1) as { object_refs: string[] }
  assert.equal(report.object_refs.length, 7 + 5)
  const later = toStix(CASE, '2026-11-22T00:00:00.000Z')
  assert.deepEqual(
    later.map(({ id }) => id),
    objects.map(({ id }) => id),
  )
  const [, note] = objects as { content?: string }[]
  assert.equal(note?.content, 'affected\nFixed in Gate 7.1.')
})

test('what would contradict itself, or say nothing, is not written', () => {
  const [first] = CASE.labels
  assert.ok(first !== undefined)
  for (const change of [
    { labels: [] },
    { labels: [first, { ...first, status: 'fixed' as const }] },
    { labels: [{ ...first, version: subjectId('version', 'other') }] },
    { labels: [{ ...first, fixedBy: subjectId('version', 'other') }] },
    { labels: [{ ...first, status: 'not_affected' as const, fixedBy: undefined }] },
    { number: '../etc' },
    { cvss: ['CVSS:3.1/AV:N'] },
  ]) {
    assert.throws(() => csaf(change), ProductError)
    if (change.labels) assert.throws(() => toStix({ ...CASE, ...change }, at), ProductError)
  }
  assert.throws(() => toCsaf(CASE, { profile: 'csaf_vex', history: [] }), ProductError)
})
