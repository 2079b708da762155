// Writes the vectors of docs/formats.md, 19 and 20: node packages/entente/product/test/vectors.ts > test/vectors/documents.json
import { commitDocument, withSalt } from '../commitment.ts'
import { identityDocument, artifactDocument } from '../documents.ts'
import { documentId, subjectId } from '../ids.ts'
const created = '2026-11-22T00:00:00.000Z'
const names = ['Example Works', 'Société « Ω »']
const ids = names.map(name => {
  const id = subjectId('party', name)
  return { kind: 'party', name, id, document: documentId('identity', id) }
})
const m = identityDocument({ id: ids[0]!.id, name: names[0]!, created })
const a = artifactDocument(
  { id: subjectId('artifact', 'Gate 7'), name: 'Gate 7', created, description: 'A door controller – “7”.' },
  { kind: 'product', manufacturer_ref: m.id as string, model: 'G7' },
)
const documents = [m, a].map((d, i) => {
  const document = withSalt(d, new Uint8Array(32).fill(0x11 * (i + 1)))
  return { document, commitment: commitDocument(document) }
})
console.log(
  JSON.stringify(
    { about: 'Vectors for docs/formats.md, 19 and 20. Salts are 32 bytes of 11 and of 22.', ids, documents },
    undefined,
    2,
  ),
)
