import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { affectedVersions, type Bom } from './affected.ts'
import { readCsaf } from './csaf.ts'
import { readCve } from './cve.ts'
import { parseCpe } from './cpe.ts'
import { ProductError } from './error.ts'
import { subjectId } from './ids.ts'
import { parsePurl } from './purl.ts'
import { parseSbom } from './sbom.ts'

const CSAF = join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'data', 'csaf')

const CPE = (version: string) => `cpe:2.3:a:openssl:openssl:${version}:*:*:*:*:*:*:*`
/** A gate whose firmware has a web server with OpenSSL of a version. */
function gate(number: string, openssl: string): Bom {
  const sbom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: { component: { type: 'firmware', 'bom-ref': 'root', name: 'Gate', version: number } },
    components: [
      { type: 'library', 'bom-ref': 'w', name: 'web', version: '2.0.0', purl: 'pkg:npm/web@2.0.0' },
      {
        type: 'library',
        'bom-ref': 's',
        name: 'openssl',
        version: openssl,
        cpe: CPE(openssl),
        purl: `pkg:deb/debian/openssl@${openssl}-1`,
      },
    ],
    dependencies: [
      { ref: 'root', dependsOn: ['w'] },
      { ref: 'w', dependsOn: ['s'] },
    ],
  }
  return {
    version: subjectId('version', `Gate ${number}`),
    name: `Gate ${number}`,
    manufacturer: 'Example Works',
    model: 'Gate',
    number,
    purls: [parsePurl(`pkg:generic/example/gate@${number}`)],
    sbom: parseSbom(JSON.stringify(sbom)),
  }
}
const BOMS = [gate('7.0', '3.0.6'), gate('7.1', '3.0.7')]

const cve = (affected: object, more: object = {}) =>
  readCve(
    JSON.stringify({
      dataType: 'CVE_RECORD',
      dataVersion: '5.1',
      cveMetadata: { cveId: 'CVE-2022-3602', state: 'PUBLISHED', ...more },
      containers: { cna: { affected: [affected] } },
    }),
  )
const csaf = (tree: object, product_status: object, more: object = {}, version = '2.0') =>
  readCsaf(
    JSON.stringify({
      document: {
        csaf_version: version,
        category: 'csaf_vex',
        title: 'OpenSSL in gates',
        publisher: { name: 'Example Works', category: 'vendor', namespace: 'https://example.com' },
        tracking: { id: 'EX-1' },
      },
      product_tree: tree,
      vulnerabilities: [{ cve: 'CVE-2022-3602', product_status, ...more }],
    }),
  )
const states = (advisory: Parameters<typeof affectedVersions>[0], boms = BOMS) =>
  Object.fromEntries(affectedVersions(advisory, boms).map(({ name, status }) => [name, status]))

test('CVE: which versions contain an affected component, and why', () => {
  const advisory = cve({
    vendor: 'OpenSSL',
    product: 'OpenSSL',
    cpes: [CPE('*')],
    defaultStatus: 'unaffected',
    versions: [{ version: '3.0.0', status: 'affected', lessThan: '3.0.7', versionType: 'semver' }],
  })
  const [first, second] = affectedVersions(advisory, BOMS)
  assert.deepEqual(first, {
    version: BOMS[0]?.version,
    name: 'Gate 7.0',
    vulnerability: 'CVE-2022-3602',
    status: 'affected',
    reasons: [
      {
        component: 'openssl 3.0.6',
        by: 'cpe',
        product: 'OpenSSL OpenSSL',
        range: '>=3.0.0 <3.0.7',
        path: ['Gate', 'web 2.0.0', 'openssl 3.0.6'],
        at: '/containers/cna/affected/0',
        justification: undefined,
      },
    ],
  })
  assert.equal(second?.status, 'not_affected')
  assert.equal(second.reasons[0]?.range, 'versions that the advisory does not list')
})

test('CVE: single versions, changes on the way, open ends, orders that nobody knows', () => {
  const by = (versions: object[], more: object = {}) => states(cve({ cpes: [CPE('*')], versions, ...more }))
  assert.deepEqual(by([{ version: '3.0.6', status: 'affected' }]), { 'Gate 7.0': 'affected' })
  assert.deepEqual(by([{ version: '3.0.6', status: 'affected' }], { defaultStatus: 'affected' }), {
    'Gate 7.0': 'affected',
    'Gate 7.1': 'affected',
  })
  const changing = {
    version: '0',
    lessThan: '*',
    status: 'affected',
    versionType: 'semver',
    changes: [{ at: '3.0.7', status: 'unaffected' }],
  }
  assert.deepEqual(by([changing]), { 'Gate 7.0': 'affected', 'Gate 7.1': 'not_affected' })
  assert.deepEqual(by([{ version: 'n/a', status: 'affected' }]), { 'Gate 7.0': 'undecided', 'Gate 7.1': 'undecided' })
  const git = { version: 'abc', lessThan: 'def', versionType: 'git', status: 'affected' }
  assert.deepEqual(by([git]), { 'Gate 7.0': 'undecided', 'Gate 7.1': 'undecided' })
  // A version that is named goes before a range that can't be read.
  assert.deepEqual(by([git, { version: '3.0.7', status: 'unaffected' }]), {
    'Gate 7.0': 'undecided',
    'Gate 7.1': 'not_affected',
  })
  assert.deepEqual(by([{ version: '3.0.6', status: 'unknown' }], { defaultStatus: 'unaffected' }), {
    'Gate 7.0': 'undecided',
    'Gate 7.1': 'not_affected',
  })
  const debian = { version: '0', lessThanOrEqual: '3.0.6-1', status: 'affected' }
  assert.deepEqual(states(cve({ packageURL: 'pkg:deb/debian/openssl', versions: [debian] })), {
    'Gate 7.0': 'affected',
  })
  assert.throws(() => cve({}, { state: 'REJECTED' }), ProductError)
})

const purlProduct = (product_id: string, purl: string) => ({
  name: product_id,
  product_id,
  product_identification_helper: { purl },
})

test('CSAF: a product tree with versions and ranges, by package URL and by name', () => {
  const branch = (category: string, name: string, more: object) => ({ category, name, ...more })
  const tree = (ranges: string[]) => ({
    branches: [
      branch('vendor', 'Example Works', {
        branches: [
          branch('product_name', 'Gate', {
            branches: ranges.map((name, i) =>
              branch(name.includes('<') ? 'product_version_range' : 'product_version', name, {
                product: { name: `Gate ${name}`, product_id: `p${i}` },
              }),
            ),
          }),
        ],
      }),
    ],
  })
  assert.deepEqual(states(csaf(tree(['<7.1', '7.1']), { known_affected: ['p0'], fixed: ['p1'] })), {
    'Gate 7.0': 'affected',
    'Gate 7.1': 'fixed',
  })
  assert.deepEqual(states(csaf(tree(['vers:generic/<7.1']), { known_affected: ['p0'] })), { 'Gate 7.0': 'affected' })
  assert.deepEqual(states(csaf(tree(['All versions < Autumn']), { known_affected: ['p0'] })), {
    'Gate 7.0': 'undecided',
    'Gate 7.1': 'undecided',
  })
  const named = { full_product_names: [purlProduct('o', 'pkg:npm/web@2.0.0')] }
  assert.deepEqual(states(csaf(named, { under_investigation: ['o'] })), {
    'Gate 7.0': 'under_investigation',
    'Gate 7.1': 'under_investigation',
  })
  const purls = {
    full_product_names: [{ name: 'w', product_id: 'o', product_identification_helper: { purls: ['pkg:npm/web'] } }],
  }
  assert.equal(states(csaf(purls, { known_affected: ['o'] }, {}, '2.1'))['Gate 7.0'], 'affected')
  assert.deepEqual(states(csaf(named, { recommended: ['o'] })), {})
})

test('VEX: what a manufacturer says of its product goes before what is said of a component, and a part in another product is another matter', () => {
  const tree = {
    full_product_names: [
      purlProduct('ssl', 'pkg:deb/debian/openssl'),
      purlProduct('gate', 'pkg:generic/example/gate@7.0'),
      purlProduct('door', 'pkg:generic/example/door'),
    ],
    relationships: ['gate', 'door'].map(whole => ({
      category: 'default_component_of',
      product_reference: 'ssl',
      relates_to_product_reference: whole,
      full_product_name: { name: `OpenSSL in ${whole}`, product_id: `ssl-in-${whole}` },
    })),
  }
  const flags = { flags: [{ label: 'vulnerable_code_not_present', product_ids: ['gate'] }] }
  const both = csaf(tree, { known_affected: ['ssl'], known_not_affected: ['gate'] }, flags)
  assert.deepEqual(states(both), { 'Gate 7.0': 'not_affected', 'Gate 7.1': 'affected' })
  assert.equal(affectedVersions(both, BOMS)[0]?.reasons[0]?.justification, 'vulnerable_code_not_present')
  assert.deepEqual(states(csaf(tree, { known_affected: ['ssl-in-gate'] })), { 'Gate 7.0': 'affected' })
  assert.deepEqual(states(csaf(tree, { known_affected: ['ssl-in-door'] })), {})
  // Of a component in this product it is known better; of its other components nothing was said by that.
  const there = csaf(tree, { known_affected: ['ssl'], known_not_affected: ['ssl-in-gate'] })
  assert.deepEqual(states(there), { 'Gate 7.0': 'not_affected', 'Gate 7.1': 'affected' })
  const another = {
    full_product_names: [...tree.full_product_names, purlProduct('web', 'pkg:npm/web')],
    relationships: tree.relationships,
  }
  const more = csaf(another, { known_affected: ['ssl', 'web'], known_not_affected: ['ssl-in-gate'] })
  assert.equal(
    affectedVersions(more, BOMS.slice(0, 1))[0]
      ?.reasons.map(({ component }) => component)
      .join(),
    'web 2.0.0',
  )
})

test('by name: with the vendor it counts; where nobody says whose it is somebody must look; another vendor is another product', () => {
  const part = (more: object): Bom => ({
    version: subjectId('version', 'x'),
    name: 'x 1',
    sbom: parseSbom(
      JSON.stringify({
        bomFormat: 'CycloneDX',
        specVersion: '1.4',
        components: [{ type: 'library', name: 'Door', version: '1.0', ...more }],
      }),
    ),
  })
  const said = (lessThan: string, more: object = {}) =>
    cve({
      vendor: 'Example Works',
      product: 'door',
      versions: [{ version: '0', lessThan, status: 'affected', ...more }],
    })
  assert.deepEqual(states(said('2.0'), [part({ publisher: 'EXAMPLE WORKS' })]), { 'x 1': 'affected' })
  assert.deepEqual(states(said('2.0'), [part({})]), { 'x 1': 'undecided' })
  assert.deepEqual(states(said('2.0'), [part({ purl: 'pkg:npm/door@1.0' })]), { 'x 1': 'undecided' })
  assert.deepEqual(states(said('2.0'), [part({ group: 'org.other' })]), {})
  assert.deepEqual(states(said('1.0'), [part({})]), {})
  assert.deepEqual(states(said('2.0', { status: 'unaffected' }), [part({})]), {})
  // What may be said of the product itself does not hide what is said of its part.
  const gates = readCsaf(
    JSON.stringify({
      document: {
        csaf_version: '2.0',
        category: 'csaf_vex',
        title: 't',
        publisher: { name: 'p' },
        tracking: { id: 'EX-2' },
      },
      product_tree: { full_product_names: [{ name: 'gate', product_id: 'g' }, purlProduct('w', 'pkg:npm/web')] },
      vulnerabilities: [{ cve: 'CVE-2026-1', product_status: { under_investigation: ['g'], known_affected: ['w'] } }],
    }),
  )
  assert.deepEqual(states(gates, BOMS.slice(0, 1)), { 'Gate 7.0': 'affected' })
  // A package of a distribution has another package URL, and the CPE name of what it packages.
  const both = cve({
    packageURL: 'pkg:generic/openssl',
    cpes: [CPE('*')],
    versions: [{ version: '3.0.6', status: 'affected' }],
  })
  assert.deepEqual(states(both), { 'Gate 7.0': 'affected' })
})

test('by hash, and not by a hash that anybody can meet', () => {
  const hash = (algorithm: string, value: string) => ({
    full_product_names: [
      {
        name: 'x',
        product_id: 'x',
        product_identification_helper: { hashes: [{ filename: 'x', file_hashes: [{ algorithm, value }] }] },
      },
    ],
  })
  const with_ = (alg: string, content: string): Bom => ({
    version: subjectId('version', 'x'),
    name: 'x 1',
    sbom: parseSbom(
      JSON.stringify({
        bomFormat: 'CycloneDX',
        specVersion: '1.4',
        components: [{ type: 'file', name: 'f', hashes: [{ alg, content }] }],
      }),
    ),
  })
  const [sha, md5] = ['a'.repeat(64), 'a'.repeat(32)]
  assert.deepEqual(states(csaf(hash('sha256', sha), { known_affected: ['x'] }), [with_('SHA-256', sha)]), {
    'x 1': 'affected',
  })
  assert.deepEqual(states(csaf(hash('md5', md5), { known_affected: ['x'] }), [with_('MD5', md5)]), {})
})

test('25 real CSAF advisories: each is read, and finds the product that it is about', t => {
  if (!existsSync(CSAF)) return t.skip('the CSAF advisories are not here')
  let statements = 0
  let words = 0
  const files = readdirSync(CSAF).filter(name => name.endsWith('.json'))
  for (const file of files) {
    const advisory = readCsaf(readFileSync(join(CSAF, file)))
    const all = advisory.vulnerabilities.flatMap(vulnerability => vulnerability.statements)
    statements += all.length
    const [first] = all
    assert.ok(first?.rules[0] !== undefined, file)
    const { product } = first
    words += all.filter(({ rules }) => rules[0]?.versions.kind === 'words').length
    const bom: Bom = {
      version: subjectId('version', file),
      name: product.name,
      manufacturer: product.vendor,
      model: product.product,
    }
    const [finding] = affectedVersions(advisory, [bom])
    // Without a number it can only be told where all versions are meant.
    assert.ok(['affected', 'undecided'].includes(finding?.status ?? ''), file)
  }
  assert.deepEqual([files.length, statements, words], [25, 150, 33])
})

test('what is no advisory is refused, whatever it is', () => {
  const refused = (run: () => unknown, code: string) =>
    assert.throws(run, (error: unknown) => error instanceof ProductError && error.code === code)
  refused(() => csaf({}, { known_affected: ['missing'] }), 'syntax')
  refused(
    () => csaf({ full_product_names: [purlProduct('a', 'pkg:npm/a'), purlProduct('a', 'pkg:npm/a')] }, {}),
    'syntax',
  )
  refused(() => csaf({}, {}, {}, '1.2'), 'unsupported')
  refused(() => readCsaf('{}'), 'syntax')
  refused(() => readCve('{}'), 'syntax')
  let deep: object = { category: 'vendor', name: 'v' }
  for (let i = 0; i < 25; i++) deep = { category: 'vendor', name: 'v', branches: [deep] }
  csaf({ branches: [deep] }, {})
  for (let i = 0; i < 30; i++) deep = { category: 'vendor', name: 'v', branches: [deep] }
  refused(() => csaf({ branches: [deep] }, {}), 'too-big')
  const json = fc.jsonValue()
  fc.assert(
    fc.property(json, json, json, (a, b, c) => {
      for (const read of [
        () => csaf({ branches: a }, { known_affected: b }, { flags: c }),
        () => cve({ versions: a, cpes: b, packageURL: c }),
      ]) {
        try {
          affectedVersions(read(), BOMS)
        } catch (error) {
          if (!(error instanceof ProductError)) throw error
        }
      }
    }),
    { seed: 33, numRuns: 300 },
  )
  assert.equal(parseCpe(CPE('1')).product, 'openssl')
})
