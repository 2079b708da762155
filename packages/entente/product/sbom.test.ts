import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatCpe } from './cpe.ts'
import { ProductError } from './error.ts'
import { parseSbom, type Sbom } from './sbom.ts'

const code = (input: unknown): string => {
  try {
    parseSbom(typeof input === 'string' || input instanceof Uint8Array ? input : JSON.stringify(input))
    return 'taken'
  } catch (error) {
    if (error instanceof ProductError) return error.code
    throw error
  }
}
const SHA = 'ab'.repeat(32)
const CPE = 'cpe:2.3:a:openssl:openssl:3.0.7:*:*:*:*:*:*:*'

const cyclonedx = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  metadata: { component: { type: 'firmware', 'bom-ref': 'root', name: 'Gate', version: '7.1' } },
  components: [
    {
      type: 'library',
      'bom-ref': 'a',
      group: '@acme',
      name: 'web',
      version: '2.0.0',
      purl: 'pkg:npm/%40acme/web@2.0.0',
    },
    {
      type: 'library',
      'bom-ref': 'b',
      name: 'openssl',
      version: '3.0.7',
      cpe: CPE,
      publisher: 'OpenSSL',
      hashes: [{ alg: 'SHA-256', content: SHA.toUpperCase() }],
      licenses: [{ license: { id: 'Apache-2.0' } }, { expression: 'MIT OR ISC' }],
      components: [{ type: 'file', name: 'libcrypto', purl: 'no purl' }],
    },
    { type: 'library', name: 'unlinked' },
  ],
  dependencies: [
    { ref: 'root', dependsOn: ['a'] },
    { ref: 'a', dependsOn: ['b', 'root'] },
    { ref: 'b', dependsOn: ['a'] },
  ],
}

const spdx = {
  spdxVersion: 'SPDX-2.3',
  SPDXID: 'SPDXRef-DOCUMENT',
  packages: [
    { SPDXID: 'SPDXRef-root', name: 'Gate', versionInfo: '7.1' },
    {
      SPDXID: 'SPDXRef-web',
      name: '@acme/web',
      versionInfo: '2.0.0',
      supplier: 'Organization: Acme',
      licenseConcluded: 'NOASSERTION',
      licenseDeclared: 'MIT',
      externalRefs: [
        { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: 'pkg:npm/%40acme/web@2.0.0' },
      ],
    },
    {
      SPDXID: 'SPDXRef-ssl',
      name: 'openssl',
      versionInfo: '3.0.7',
      checksums: [{ algorithm: 'SHA256', checksumValue: SHA }],
      externalRefs: [{ referenceCategory: 'SECURITY', referenceType: 'cpe23Type', referenceLocator: CPE }],
    },
  ],
  relationships: [
    { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-root' },
    { spdxElementId: 'SPDXRef-root', relationshipType: 'CONTAINS', relatedSpdxElement: 'SPDXRef-web' },
    { spdxElementId: 'SPDXRef-ssl', relationshipType: 'DEPENDENCY_OF', relatedSpdxElement: 'SPDXRef-web' },
  ],
}

const tagValue = `SPDXVersion: SPDX-2.3
SPDXID: SPDXRef-DOCUMENT
Creator: Tool: none
# The product
PackageName: Gate
SPDXID: SPDXRef-root
PackageVersion: 7.1
PackageComment: <text>several
lines: PackageName: none</text>

PackageName: @acme/web
SPDXID: SPDXRef-web
PackageVersion: 2.0.0
PackageSupplier: Organization: Acme
PackageLicenseConcluded: NOASSERTION
PackageLicenseDeclared: MIT
ExternalRef: PACKAGE-MANAGER purl pkg:npm/%40acme/web@2.0.0

PackageName: openssl
SPDXID: SPDXRef-ssl
PackageVersion: 3.0.7
PackageChecksum: SHA256: ${SHA}
ExternalRef: SECURITY cpe23Type ${CPE}

FileName: ./x
SPDXID: SPDXRef-file

Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-root
Relationship: SPDXRef-root CONTAINS SPDXRef-web
Relationship: SPDXRef-ssl DEPENDENCY_OF SPDXRef-web
`

test('CycloneDX: components, names, hashes, licences and the way to each', () => {
  const { subject, components, problems, ...rest } = parseSbom(JSON.stringify(cyclonedx))
  assert.deepEqual(rest, { format: 'CycloneDX', specVersion: '1.6' })
  assert.deepEqual([subject?.name, subject?.version], ['Gate', '7.1'])
  const by = Object.fromEntries(components.map(each => [each.name, each]))
  assert.deepEqual(Object.keys(by).sort(), ['@acme/web', 'libcrypto', 'openssl', 'unlinked'])
  assert.equal(by['@acme/web']?.purl?.text, 'pkg:npm/%40acme/web@2.0.0')
  assert.deepEqual(by.openssl?.cpes.map(formatCpe), [CPE])
  assert.deepEqual(by.openssl?.hashes, { 'SHA-256': SHA })
  assert.equal(by.openssl?.licence, 'Apache-2.0 AND MIT OR ISC')
  assert.deepEqual(by.libcrypto?.path, ['Gate', '@acme/web 2.0.0', 'openssl 3.0.7', 'libcrypto'])
  assert.deepEqual(by.unlinked?.path, ['Gate', 'unlinked'])
  assert.equal(problems.length, 1)
  for (const specVersion of ['1.4', '1.5']) assert.equal(code({ ...cyclonedx, specVersion }), 'taken')
})

test('SPDX: JSON and tag-value say the same', () => {
  const json = parseSbom(JSON.stringify(spdx))
  const strip = ({ components, ...sbom }: Sbom) => ({
    ...sbom,
    components: components.map(({ cpes, ...component }) => ({ ...component, cpes: cpes.map(formatCpe) })),
  })
  assert.deepEqual(strip(parseSbom(tagValue)), strip(json))
  assert.equal(json.subject?.name, 'Gate')
  const [web, ssl] = json.components
  assert.deepEqual([web?.supplier, web?.licence, web?.path], ['Acme', 'MIT', ['Gate', '@acme/web 2.0.0']])
  assert.deepEqual([ssl?.path, ssl?.hashes], [['Gate', '@acme/web 2.0.0', 'openssl 3.0.7'], { 'SHA-256': SHA }])
})

test('other formats and versions are named and refused', () => {
  for (const [input, expected] of [
    ['<?xml version="1.0"?><bom/>', 'unsupported'],
    [{ ...cyclonedx, specVersion: '1.3' }, 'unsupported'],
    [{ ...spdx, spdxVersion: 'SPDX-2.1' }, 'unsupported'],
    [{ '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld', '@graph': [] }, 'unsupported'],
    [{}, 'unsupported'],
    ['', 'unsupported'],
    ['no tag', 'syntax'],
    ['A: <text>without end', 'syntax'],
    ['{"bomFormat":"CycloneDX","bomFormat":"CycloneDX"}', 'syntax'],
    [{ ...cyclonedx, components: [{ type: 'library' }] }, 'syntax'],
    [{ ...cyclonedx, components: [cyclonedx.components[0], cyclonedx.components[0]] }, 'syntax'],
    [{ ...spdx, packages: [spdx.packages[0], spdx.packages[0]] }, 'syntax'],
    [Uint8Array.of(0x7b, 0xff), 'syntax'],
    ['['.repeat(100), 'syntax'],
    [`{"bomFormat":${'['.repeat(100)}`, 'too-big'],
    [new Uint8Array(33_554_433), 'too-big'],
  ] as const)
    assert.equal(code(input), expected)
})

test('a file of twenty thousand components in a chain takes seconds, not hours', () => {
  const count = 20_000
  const components = Array.from({ length: count }, (_, i) => ({
    type: 'library',
    'bom-ref': `c${i}`,
    name: `c${i}`,
    version: '1',
  }))
  const dependencies = components.map((_, i) => ({ ref: i === 0 ? 'root' : `c${i - 1}`, dependsOn: [`c${i}`] }))
  const begin = performance.now()
  const sbom = parseSbom(JSON.stringify({ ...cyclonedx, components, dependencies }))
  assert.equal(sbom.components.length, count)
  assert.ok(performance.now() - begin < 10_000)
})

test('whatever JSON comes is read or refused', () => {
  const base = fc.constantFrom({ bomFormat: 'CycloneDX', specVersion: '1.5' }, { spdxVersion: 'SPDX-2.3' })
  const rest = fc.dictionary(
    fc.constantFrom('components', 'metadata', 'dependencies', 'packages', 'relationships'),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(base, rest, (a, b) => {
      assert.ok(['taken', 'syntax', 'too-big'].includes(code({ ...a, ...b })))
    }),
    { seed: 33, numRuns: 500 },
  )
})
