// Writes the vectors of docs/formats.md: node packages/verify/test/vectors.ts > test/vectors/formats.json
import { bytesToHex } from '@noble/hashes/utils.js'
import { formatCoseReceipt } from '../cose/index.ts'
import { headsMapPath, RECORD_PREFIX, signContinuation, signSuccession, submitterCommitment } from '../proof/index.ts'
import {
  ED25519,
  encodeBase64,
  formatCheckpoint,
  hashLeaf,
  parseCheckpoint,
  parseNote,
  parseTlogProof,
  parseVkey,
  signNote,
  TreeEdge,
} from '../tlog/index.ts'
import { createDisagreements } from './disagreements.ts'
import { createSample, testNoteKey } from './sample.ts'

/** The file `test/vectors/formats.json`, every byte of it. */
export function formatVectors(): string {
  const sample = createSample()
  const vectors = {
    about:
      'Vectors for docs/formats.md. ALL KEYS ARE TEST KEYS: seed = SHA-256("entente test key: " followed by a name). Written by packages/verify/test/vectors.ts.',
    keys: {
      log: { seed: bytesToHex(sample.log.seed), vkey: sample.log.vkey },
      witnesses: sample.witnesses.map(({ seed, vkey }) => ({ seed: bytesToHex(seed), vkey })),
      validators: sample.validators.map(({ secret, address }) => ({ secret: bytesToHex(secret), address })),
    },
    records: sample.texts.map((text, i) => ({ text, commitment: encodeBase64(sample.commitments[i]!) })),
    submitter: {
      opening: bytesToHex(sample.opening),
      name: 'alice',
      submitter: submitterCommitment(sample.opening, 'alice'),
    },
    heads: {
      map: sample.heads.map(head => ({
        key: bytesToHex(head.key),
        count: head.count,
        root: encodeBase64(head.root),
        path: headsMapPath(sample.heads, head.key).map(encodeBase64),
      })),
      map_root: encodeBase64(sample.mapRoot),
      entry: sample.headsText,
    },
    checkpoint: sample.checkpoint,
    checkpoint_cosigned: sample.cosigned,
    receipt: sample.receipt,
    object_proof: sample.objectProof,
    object_proof_claimed: sample.claimedProof,
    object_proof_sealed: sample.sealedProof,
    withheld_proof: {
      format: sample.objectProof.format,
      kind: 'withheld',
      record: { seq: 0, commitment: encodeBase64(sample.commitments[0]!), reason: 'access' },
      log: sample.objectProof.log,
      anchors: [],
    },
    saved_read: sample.savedRead,
    evidence: createDisagreements(sample),
    cose_receipt: encodeBase64(coseReceipt(sample)),
    events: events(sample),
    succession: succession(sample),
    continuation: continuation(sample),
    trust: sample.trust,
  }
  return `${JSON.stringify(vectors, null, 2)}\n`
}

/** A log of two entries, a statement and the heads of the sample, under a key that followed. */
function succession({ log, headsText }: ReturnType<typeof createSample>) {
  const next = testNoteKey(log.signer.name, ED25519, `${log.signer.name} next`)
  const of = { from: log.vkey, to: next.vkey, index: 0, time: '2026-11-22T12:00:00Z' }
  const statement = signSuccession(of, log.signer, next.signer)
  const tree = TreeEdge.empty()
  const encoder = new TextEncoder()
  const leaves = [statement, headsText].map(entry => hashLeaf(encoder.encode(entry)))
  tree.append(Buffer.concat(leaves))
  const text = formatCheckpoint({ origin: log.signer.name, size: tree.size, root: tree.root(), extensions: [] })
  return {
    from: { seed: bytesToHex(log.seed), vkey: log.vkey },
    to: { seed: bytesToHex(next.seed), vkey: next.vkey },
    statement,
    size: tree.size,
    checkpoint: signNote(text, next.signer),
    checkpoint_both: signNote(text, { ...next.signer, also: log.signer }),
  }
}

/** A log of the first entry of the sample, which ended at size 1 and is known to have been at 8; the one that goes on from there has the statement as its second entry. */
function continuation({ log, commitments, headsText }: ReturnType<typeof createSample>) {
  const origin = 'log.example/2'
  const next = testNoteKey(origin, ED25519, origin)
  const encoder = new TextEncoder()
  const tree = TreeEdge.empty()
  tree.append(hashLeaf(commitments[0]!))
  const of = { first: log.vkey, from: log.vkey, to: next.vkey, size: 1, root: tree.root(), last: 8 }
  const statement = signContinuation({ ...of, time: '2026-11-22T12:00:00Z' }, log.signer, next.signer)
  tree.append(Buffer.concat([statement, headsText].map(entry => hashLeaf(encoder.encode(entry)))))
  const text = formatCheckpoint({ origin, size: tree.size, root: tree.root(), extensions: [] })
  return {
    to: { seed: bytesToHex(next.seed), vkey: next.vkey },
    statement,
    size: tree.size,
    checkpoint: signNote(text, next.signer),
  }
}

/** Of the records of the sample; each is the text of one message. */
function events({ log, texts, commitments, records, firstIndex }: ReturnType<typeof createSample>): string[] {
  const format = (event: string, seq: number, members: { commitment?: string; record?: string; reason?: string }) => {
    const { api_root, collection } = records[seq]!
    const { commitment, record, reason } = members
    const parts = [
      `"event":"${event}","origin":"${log.signer.name}","api_root":"${api_root}","collection":"${collection}"`,
      `"log_index":${firstIndex + seq},"seq":${seq}`,
      ...(commitment === undefined ? [] : [`"commitment":"${commitment}"`]),
      `"proof":"${api_root}collections/${collection}/records/${seq}/proof/"`,
      ...(record === undefined ? [] : [`"record":${record}`]),
      ...(reason === undefined ? [] : [`"reason":"${reason}"`]),
    ]
    return `{${parts.join(',')}}`
  }
  const commitment = (seq: number) => encodeBase64(commitments[seq]!)
  const whole = (event: string, seq: number) =>
    format(event, seq, { commitment: commitment(seq), record: texts[seq]!.slice(RECORD_PREFIX.length) })
  return [
    whole('added', 0),
    whole('version', 1),
    format('reference', 2, { commitment: commitment(2) }),
    whole('equivocation', 3),
    whole('withdrawn', 4),
    format('integrity', 2, { reason: 'hash' }),
  ]
}

/** Of the entry of `object_proof`, under its checkpoint. */
function coseReceipt({ log, objectProof }: ReturnType<typeof createSample>): Uint8Array {
  const { index, proof: path, checkpoint } = parseTlogProof(objectProof.log)
  const { size, root } = parseCheckpoint(parseNote(checkpoint).text)
  return formatCoseReceipt({ key: parseVkey(log.vkey), index, size, path, root }, message => log.signer.sign(message))
}

if (import.meta.main) process.stdout.write(formatVectors())
