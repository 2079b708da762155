import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { commitDocument, type StixObject, verifyDocument, withSalt } from './commitment.ts'
import { identityDocument } from './documents.ts'
import { ProductError } from './error.ts'
import { documentId, hashFile, subjectId } from './ids.ts'

const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', '..', 'test', 'vectors', 'documents.json'), 'utf8'),
) as {
  ids: { kind: 'party'; name: string; id: string; document: string }[]
  documents: { document: StixObject; commitment: string }[]
}

const refuses = (run: () => unknown, code: string) =>
  assert.throws(run, (error: unknown) => error instanceof ProductError && error.code === code)

test('the vectors of docs/formats.md', () => {
  for (const { kind, name, id, document } of vectors.ids) {
    assert.equal(subjectId(kind, name), id)
    assert.equal(documentId('identity', id), document)
    const text = `entente/id/v1\n${kind}\n${name}\n`
    assert.equal(`0x${createHash('sha256').update(text).digest('hex')}`, id)
  }
  for (const { document, commitment } of vectors.documents) {
    assert.equal(commitDocument(document), commitment)
    assert.equal(verifyDocument(document, commitment), document)
  }
})

test('a commitment does not depend on how a document is written, and on every value in it', () => {
  const { document, commitment } = vectors.documents[0] ?? assert.fail()
  const turned = Object.fromEntries(Object.entries(document).toReversed())
  assert.equal(commitDocument(turned), commitment)
  for (const name of Object.keys(document)) {
    if (name === 'extensions') continue
    refuses(() => verifyDocument({ ...document, [name]: 'another' }, commitment), 'commitment')
  }
  const another = withSalt(document, new Uint8Array(32).fill(1))
  refuses(() => verifyDocument(another, commitment), 'commitment')
})

test('nothing is committed to without a salt of 32 bytes', () => {
  const document = identityDocument({ id: subjectId('party', 'A'), name: 'A', created: '2026-01-01T00:00:00.000Z' })
  refuses(() => commitDocument(document), 'commitment')
  refuses(() => withSalt(document, new Uint8Array(31)), 'commitment')
  const salted = withSalt(document, new Uint8Array(32))
  const [key = ''] = Object.keys(salted.extensions as object)
  for (const salt of ['', 'A'.repeat(42), `${'A'.repeat(42)}B`, 7, undefined]) {
    refuses(() => commitDocument({ ...document, extensions: { [key]: { salt } } }), 'commitment')
  }
  for (const none of [null, [], 'text', 7]) refuses(() => verifyDocument(none, subjectId('party', 'A')), 'commitment')
  refuses(() => commitDocument({ ...salted, number: Number.NaN }), 'commitment')
})

test('a name is one line, and what has another kind or name has another id', () => {
  refuses(() => subjectId('party', ''), 'syntax')
  refuses(() => subjectId('party', 'a\nb'), 'syntax')
  assert.notEqual(subjectId('party', 'a'), subjectId('artifact', 'a'))
  assert.equal(hashFile(new Uint8Array()), '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})
