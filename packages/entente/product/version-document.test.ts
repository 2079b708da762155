import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StixObject } from './commitment.ts'
import { artifactDocument, readArtifact } from './documents.ts'
import { documentId, hashText, subjectId } from './ids.ts'
import { type RegisteredVersion, verifyVersionDocument, versionDocument } from './version-document.ts'

const artifactOf = (name: string) =>
  artifactDocument(
    { id: subjectId('artifact', name), name, created: '2026-11-01T00:00:00.000Z' },
    { kind: 'service', manufacturer_ref: documentId('identity', subjectId('party', 'ACME')) },
  )
const version: RegisteredVersion = {
  id: subjectId('version', 'router 2.2'),
  artifact: subjectId('artifact', 'router'),
  manufacturer: subjectId('party', 'ACME'),
  firmware: hashText('firmware'),
  sbom: hashText('bom'),
  mud: `0x${'0'.repeat(64)}`,
  patches: subjectId('version', 'router 2.1'),
  fixes: [subjectId('vulnerability', 'CVE-2026-1')],
  registered: 1_800_000_000,
}
const NAMES = { name: 'router 2.2', fixes: ['CVE-2026-1'] }
const refused = (document: StixObject, of = version, message = /./) =>
  assert.throws(() => verifyVersionDocument(document, of, artifactOf('router')), {
    name: 'ProductError',
    code: 'commitment',
    message,
  })

test('the document of a version says what the chain has, in the same bytes for everybody', () => {
  const document = versionDocument(version, artifactOf('router'), NAMES)
  assert.equal(document['id'], documentId('infrastructure', version.id))
  assert.equal(document['created'], '2027-01-15T08:00:00.000Z')
  assert.deepEqual(readArtifact(document), {
    extension_type: 'property-extension',
    kind: 'service',
    manufacturer_ref: documentId('identity', version.manufacturer),
    model: 'router',
    version: '2.2',
    version_of_ref: documentId('infrastructure', version.artifact),
    firmware_hashes: { 'SHA-256': version.firmware.slice(2) },
    documents: [{ kind: 'sbom', hashes: { 'SHA-256': version.sbom.slice(2) } }],
    patches_ref: documentId('infrastructure', version.patches ?? ''),
    fixes: ['CVE-2026-1'],
  })
  assert.equal(verifyVersionDocument(document, version, artifactOf('router')), document)
  // Members in another order are the same document (RFC 8785).
  const turned = Object.fromEntries(Object.entries(document).toReversed())
  assert.equal(verifyVersionDocument(turned, version, artifactOf('router')), turned)
})

test('where nobody knows the name of a vulnerability its id stands, and a package URL is one', () => {
  const purl = 'pkg:generic/router@1'
  const { patches: _, ...rest } = version
  const plain = { ...rest, id: subjectId('version', purl), artifact: subjectId('artifact', 'pkg:generic/router') }
  const artifact = artifactOf('pkg:generic/router')
  const document = versionDocument(plain, artifact, { name: purl, fixes: version.fixes })
  const { version: number, purls, fixes, patches_ref } = readArtifact(document)
  assert.deepEqual([number, purls, fixes, patches_ref], ['1', [purl], [...version.fixes], undefined])
  assert.equal(verifyVersionDocument(document, plain, artifact), document)
})

test('whatever differs from the chain is refused, each value that a document has', () => {
  const document = versionDocument(version, artifactOf('router'), NAMES)
  const [key] = Object.keys(document['extensions'] as object) as [string]
  const content = (document['extensions'] as Record<string, object>)[key] ?? {}
  let tried = 0
  const changed = (value: unknown): unknown =>
    typeof value === 'string' ? value.replace(/.$/, c => (c === 'a' ? 'b' : 'a')) : undefined
  for (const [name, value] of Object.entries(document)) {
    const other = changed(value)
    if (other === undefined || name === 'type') continue
    refused({ ...document, [name]: other })
    tried++
  }
  for (const [name, value] of Object.entries(content)) {
    if (name === 'extension_type') continue
    const with_ = (other: unknown) => ({ ...document, extensions: { [key]: { ...content, [name]: other } } })
    if (name !== 'kind' && name !== 'manufacturer_ref') {
      const { [name]: _, ...without } = content as Record<string, unknown>
      refused({ ...document, extensions: { [key]: without } })
    }
    refused(
      with_(
        name === 'kind' ? 'product' : Array.isArray(value) ? [] : (changed(value) ?? { 'SHA-256': '00'.repeat(32) }),
      ) as StixObject,
    )
    tried++
  }
  assert.ok(tried >= 14, String(tried))
  refused({ ...document, description: 'more than the chain has' }, version, /description differ/)
  refused(document, { ...version, firmware: hashText('other firmware') }, /extensions differ/)
  refused(document, { ...version, registered: version.registered + 1 }, /created, modified differ/)
  refused(document, { ...version, id: subjectId('version', 'router 2.3') }, /is about something else/)
})
