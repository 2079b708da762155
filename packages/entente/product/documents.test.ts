import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateObject } from '@entente/stix'
import { advisoryToStix } from './advisory-stix.ts'
import {
  artifactDocument,
  certificateDocument,
  identityDocument,
  readArtifact,
  readCertificate,
  readScheme,
  schemeDocument,
} from './documents.ts'
import { ProductError } from './error.ts'
import { documentId, subjectId } from './ids.ts'
import { readAdvisory } from './read-advisory.ts'

const created = '2026-11-22T00:00:00.000Z'
const maker = identityDocument(
  { id: subjectId('party', 'Example Works'), name: 'Example Works', created },
  { roles: ['manufacturer'], contact: 'psirt@example.com' },
)
const gate = { id: subjectId('artifact', 'Gate'), name: 'Gate', created, createdBy: maker.id as string }
const refuses = (run: () => unknown, code = 'document') =>
  assert.throws(run, (error: unknown) => error instanceof ProductError && error.code === code)

test('an artifact, a version of it and a patch, with all that is said of them', () => {
  const artifact = artifactDocument(gate, {
    kind: 'product',
    manufacturer_ref: maker.id as string,
    model: 'G',
    categories: ['access control'],
    support: {
      guidance: 'https://example.com/guide',
      until: '2031-01-01T00:00:00Z',
      contact: 'psirt@example.com',
      repository: 'https://example.com/advisories',
    },
  })
  const hashes = { 'SHA-256': 'ab'.repeat(32) }
  const head = { id: subjectId('version', 'Gate 7.1'), name: 'Gate 7.1', created }
  const content = {
    kind: 'product' as const,
    manufacturer_ref: maker.id as string,
    version: '7.1',
    version_of_ref: artifact.id as string,
    purls: ['pkg:generic/gate@7.1'],
    cpes: ['cpe:2.3:h:example:gate:7.1:*:*:*:*:*:*:*'],
    firmware_hashes: hashes,
    patches_ref: documentId('infrastructure', subjectId('version', 'Gate 7.0')),
    fixes: ['CVE-2026-12345'],
    documents: [
      { kind: 'sbom', format: 'CycloneDX 1.6', hashes },
      { kind: 'mud', url: 'https://example.com/mud.json', hashes },
    ],
  }
  const version = artifactDocument(head, content)
  assert.deepEqual(readArtifact(version), { extension_type: 'property-extension', ...content })
  assert.deepEqual(version.infrastructure_types, ['ict-product'])
  for (const document of [maker, artifact, version]) {
    // A UUIDv5 where 2.9 has v4 as a SHOULD; and these are our own kinds of infrastructure.
    const { findings } = validateObject(document, { policy: 'strict' })
    assert.deepEqual(
      findings.filter(({ rule }) => rule !== 'uuid_version'),
      [],
    )
  }
  refuses(() => artifactDocument(head, { ...content, cpes: ['cpe:/a:b'] }))
  refuses(() => artifactDocument(head, { ...content, documents: [{ kind: 'sbom' }] }))
  refuses(() => artifactDocument({ ...head, created: 'now' }, content))
  refuses(() => readCertificate(version))
})

test('a certificate and a scheme name in object_refs what they are about, each once', () => {
  const owner = documentId('identity', subjectId('party', 'ANSSI'))
  const content = {
    scheme_id: 'FR-X',
    scheme_version: 2,
    owner: 'FR',
    scope: 'smart cards',
    levels: ['substantial' as const, 'high' as const],
    max_validity_seconds: 157_680_000,
    ava_van: { high: 5 },
    mapping: [
      {
        level: 'high' as const,
        scheme: 'EUCC',
        scheme_ref: documentId('report', subjectId('scheme', 'EUCC')),
        to: 'high' as const,
      },
    ],
  }
  const scheme = schemeDocument({ id: subjectId('scheme', 'FR-X'), name: 'FR-X', created }, owner, content)
  assert.deepEqual(scheme.object_refs, [owner, content.mapping[0]?.scheme_ref])
  assert.deepEqual(readScheme(scheme), { extension_type: 'property-extension', ...content })
  const certificate = certificateDocument({ id: subjectId('certificate', 'C-1'), name: 'C-1', created }, created, {
    certificate_id: 'C-1',
    kind: 'certificate',
    scheme: 'FR-X',
    scheme_ref: scheme.id as string,
    issuer_ref: owner,
    ncca_ref: owner,
    holder_ref: maker.id as string,
    artifact_refs: [documentId('infrastructure', gate.id)],
    status_history: [
      { status: 'issued', at: created },
      { status: 'suspended', at: created, reason: 'a flaw' },
    ],
    monitoring: [{ what: 'sampling', due: '2027-11-22T00:00:00Z' }],
  })
  assert.deepEqual(certificate.object_refs, [owner, maker.id, scheme.id, documentId('infrastructure', gate.id)])
  refuses(() =>
    certificateDocument({ ...gate, name: '' }, created, {
      certificate_id: 'C',
      kind: 'certificate',
      scheme: 'X',
      issuer_ref: 'nobody',
      holder_ref: owner,
    }),
  )
})

test("somebody's advisory as STIX: vulnerability, scores, and which versions have it", () => {
  const cve = {
    dataType: 'CVE_RECORD',
    dataVersion: '5.1',
    cveMetadata: { cveId: 'CVE-2026-12345', state: 'PUBLISHED', assignerShortName: 'example' },
    containers: {
      cna: {
        title: 'A gate opens',
        descriptions: [
          { lang: 'fr', value: 'Une porte' },
          { lang: 'en', value: 'A gate opens for whoever asks twice.' },
        ],
        metrics: [
          { cvssV3_1: { vectorString: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' } },
          { cvssV4_0: { vectorString: 'none' } },
        ],
      },
    },
  }
  const advisory = readAdvisory(JSON.stringify(cve))
  const version = subjectId('version', 'Gate 7.0')
  const finding = { version, name: 'Gate 7.0', vulnerability: 'CVE-2026-12345', reasons: [] }
  const objects = advisoryToStix(
    advisory,
    [
      { ...finding, status: 'affected' },
      { ...finding, status: 'undecided' },
    ],
    maker.id as string,
    created,
  )
  assert.deepEqual(
    objects.map(({ type }) => type),
    ['vulnerability', 'relationship', 'report'],
  )
  const [vulnerability, relationship] = objects
  assert.equal(vulnerability?.description, 'A gate opens for whoever asks twice.')
  assert.deepEqual(vulnerability?.external_references, [
    { source_name: 'cve', external_id: 'CVE-2026-12345' },
    { source_name: 'cvss', description: 'CVSS 3.1: 9.8 (critical), CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' },
  ])
  assert.equal(relationship?.source_ref, documentId('infrastructure', version))
  refuses(() => readAdvisory('{}'), 'unsupported')
  refuses(() => readAdvisory('[]'), 'unsupported')
  const csaf = {
    document: {
      csaf_version: '2.0',
      category: 'csaf_base',
      title: 't',
      publisher: { name: 'p' },
      tracking: { id: 'EX-1' },
    },
  }
  refuses(() => advisoryToStix(readAdvisory(JSON.stringify(csaf)), [], maker.id as string, created))
})
