// Is this object in the log, as it is here? Checked offline, against a key that you believe. Then one character is changed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ProofError, verifyObject } from '@entente/verify/proof'

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'test', 'vectors', 'formats.json'), 'utf8'))
const trust = { vkeys: [vectors.keys.log.vkey] }
const proof = JSON.stringify(vectors.object_proof)

const { record, level } = verifyObject(proof, trust)
console.log(`record ${record.seq}, added ${record.date_added}: ${level}`)

try {
  verifyObject(proof.replace('"seq":0', '"seq":1'), trust)
  process.exitCode = 1
} catch (error) {
  if (!(error instanceof ProofError)) throw error
  console.log(`changed: ${error.message}`)
}
