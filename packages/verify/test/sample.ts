// A small log with everything that docs/formats.md knows. All keys are TEST KEYS: they derive from their names, so anybody has them.
import { ed25519 } from '@noble/curves/ed25519.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { rootAtSlot } from '../proof/anchor.ts'
import {
  type Anchor,
  collectionKey,
  encodeRlp,
  formatHeadsEntry,
  formatRecord,
  type Head,
  headsMapPath,
  headsMapRoot,
  type LogRecord,
  recordCommitment,
  signReceipt,
  submitterCommitment,
  type Trust,
} from '../proof/index.ts'
import { sha256 } from '../sha256/web.ts'
import {
  consistencyProof,
  COSIGNATURE_V1,
  createCosigner,
  createVerifierKey,
  ED25519,
  encodeBase64,
  formatCheckpoint,
  formatTlogProof,
  formatVkey,
  hashLeaf,
  inclusionProof,
  type NoteAlgorithm,
  type NoteSigner,
  signNote,
  type Tile,
  tileHashReader,
  TreeEdge,
} from '../tlog/index.ts'
import { buildTrie } from './trie.ts'

const encoder = new TextEncoder()

/** 32 bytes that anybody can derive. */
export function testSeed(name: string): Uint8Array {
  return sha256(encoder.encode(`entente test key: ${name}`))
}

/** A test key for notes; `seedName` where a name has several. */
export function testNoteKey(
  name: string,
  algorithm: NoteAlgorithm,
  seedName = name,
): { seed: Uint8Array; vkey: string; signer: NoteSigner } {
  const seed = testSeed(seedName)
  const key = createVerifierKey(name, algorithm, ed25519.getPublicKey(seed))
  const signer = { name, keyId: key.keyId, sign: (message: Uint8Array) => ed25519.sign(message, seed) }
  return { seed, vkey: formatVkey(key), signer }
}

/** A test key for blocks. */
export function testValidator(name: string): { secret: Uint8Array; address: string } {
  const secret = testSeed(name)
  const key = secp256k1.getPublicKey(secret, false)
  return { secret, address: `0x${bytesToHex(keccak_256(key.subarray(1)).subarray(12))}` }
}

const ORIGIN = 'entente.example/log'
const API_ROOT = '/api/'
const COLLECTION = '91a7b528-80eb-42ed-a74d-c6fbd5a26116'
const OTHER = '52892447-4d7e-4f70-b94d-d7f22742ff63'
const WITNESSED_AT = 1_780_000_000n
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
const hex = (bytes: Uint8Array) => `0x${bytesToHex(bytes)}`

function indicator(n: number): Record<string, unknown> {
  return {
    type: 'indicator',
    spec_version: '2.1',
    id: `indicator--00000000-0000-4000-8000-00000000000${n}`,
    created: '2026-05-01T08:00:00.000Z',
    modified: `2026-05-01T08:00:0${n}.000Z`,
    name: `Füße "${n}" \u{1f600}`,
    pattern: "[domain-name:value = 'evil.example']",
    pattern_type: 'stix',
    valid_from: '2026-05-01T08:00:00Z',
    confidence: 80 + n,
  }
}

function base(collection: string, seq: number): Omit<LogRecord, 'object' | 'deleted' | 'equivocation'> {
  return {
    api_root: API_ROOT,
    collection,
    date_added: `2026-05-01T09:00:00.00${seq}000Z`,
    salt: base64url(testSeed(`salt ${collection} ${seq}`)),
    seq,
    submitter: submitterCommitment(testSeed('opening'), 'alice'),
  }
}

function objectRecord(collection: string, seq: number, object: Record<string, unknown>): LogRecord {
  const common = base(collection, seq)
  const version = (object['modified'] ?? object['created'] ?? common.date_added) as string
  return { ...common, id: object['id'] as string, object, version }
}

/** Five records of one collection: three objects (one without a version), an equivocation, and the deletion of the second. */
function sampleRecords(): LogRecord[] {
  const address = {
    type: 'ipv4-addr',
    spec_version: '2.1',
    id: 'ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd',
    value: '198.51.100.3',
  }
  const one = indicator(1)
  return [
    { ...objectRecord(COLLECTION, 0, one), imported: true } as LogRecord,
    objectRecord(COLLECTION, 1, indicator(2)),
    objectRecord(COLLECTION, 2, address),
    {
      ...base(COLLECTION, 3),
      equivocation: { refused: bytesToHex(testSeed('refused')), stored: bytesToHex(testSeed('stored')) },
      id: one['id'] as string,
      version: one['modified'] as string,
    },
    { ...base(COLLECTION, 4), deleted: { seq: 1 } },
  ]
}

/** A QBFT header of `items` sealed by `validators`, round 1, with further items as later forks append them. */
export function sealHeader(options: {
  number: number
  stateRoot: Uint8Array
  listed: readonly string[]
  sealers: readonly { secret: Uint8Array }[]
  further?: readonly Uint8Array[]
}): { header: Uint8Array; hash: Uint8Array } {
  const number = (value: number): Uint8Array => {
    const text = value.toString(16)
    return value === 0 ? new Uint8Array(0) : hexToBytes(text.length % 2 === 1 ? `0${text}` : text)
  }
  const extra = (round: number, seals: Uint8Array[]): Uint8Array =>
    encodeRlp([new Uint8Array(32), options.listed.map(a => hexToBytes(a.slice(2))), [], number(round), seals])
  const header = (extraData: Uint8Array): Uint8Array =>
    encodeRlp([
      testSeed('parent'),
      keccak_256(encodeRlp([])),
      hexToBytes(options.listed[0]!.slice(2)),
      options.stateRoot,
      testSeed('transactions'),
      testSeed('receipts'),
      new Uint8Array(256),
      number(1),
      number(options.number),
      number(30_000_000),
      number(74_000),
      number(Number(WITNESSED_AT)),
      extraData,
      encoder.encode('ctical byzantine fault tolerance'),
      new Uint8Array(8),
      ...(options.further ?? []),
    ])
  const digest = keccak_256(header(extra(1, [])))
  const seals = options.sealers.map(({ secret }) => {
    const recovered = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered', lowS: true })
    return Uint8Array.of(...recovered.subarray(1), recovered[0]!)
  })
  return { header: header(extra(1, seals)), hash: keccak_256(header(extra(0, []))) }
}

/** Account and storage proofs of a contract that holds `root` at `size` of `logId`, with neighbours in both tries. */
export function proveStoredRoot(options: { contract: string; logId: string; size: number; root: Uint8Array }) {
  const significant = (word: Uint8Array): Uint8Array => word.subarray(word.findIndex(byte => byte !== 0))
  const slot = (size: number) => rootAtSlot(hexToBytes(options.logId.slice(2)), size)
  const storage = buildTrie([
    [slot(options.size), encodeRlp(significant(options.root))],
    ...[1, 2, 3, 5, 20, 21].map(size => [slot(size), encodeRlp(testSeed(`root ${size}`))] as const),
    [new Uint8Array(32), encodeRlp(Uint8Array.of(7))],
  ])
  const address = hexToBytes(options.contract.slice(2))
  const account = encodeRlp([Uint8Array.of(1), new Uint8Array(0), storage.root, testSeed('code')])
  const plain = encodeRlp([
    new Uint8Array(0),
    Uint8Array.of(5),
    buildTrie([[address, account]]).root,
    testSeed('no code'),
  ])
  const others = Array.from({ length: 40 }, (_, i) => [testSeed(`account ${i}`).subarray(0, 20), plain] as const)
  const state = buildTrie([[address, account], ...others])
  return { stateRoot: state.root, accountProof: state.prove(address), storageProof: storage.prove(slot(options.size)) }
}

/** The sample: a log of two collections, eight records and a heads entry, its proofs, and what a reader trusts. */
export function createSample() {
  const log = testNoteKey(ORIGIN, ED25519)
  const witnesses = ['w1.example', 'w2.example'].map(name => testNoteKey(name, COSIGNATURE_V1))
  const records = sampleRecords()
  const others = [6, 7, 8].map((n, seq) => objectRecord(OTHER, seq, indicator(n)))
  const texts = (list: LogRecord[]) => list.map(formatRecord)
  const commitments = texts(records).map(recordCommitment)
  const otherCommitments = texts(others).map(recordCommitment)
  const collectionRoot = (list: Uint8Array[]) => {
    const edge = TreeEdge.empty()
    for (const commitment of list) edge.append(hashLeaf(commitment))
    return edge.root()
  }
  const heads: Head[] = [
    { key: collectionKey(API_ROOT, COLLECTION), count: records.length, root: collectionRoot(commitments) },
    { key: collectionKey(API_ROOT, OTHER), count: others.length, root: collectionRoot(otherCommitments) },
    { key: collectionKey('/eu/', COLLECTION), count: 0, root: collectionRoot([]) },
  ]
  const mapRoot = headsMapRoot(heads)
  const headsText = formatHeadsEntry({ collections: heads.length, root: mapRoot })

  const entries = [...otherCommitments, ...commitments, encoder.encode(headsText)]
  const edge = TreeEdge.empty()
  const tiles = new Map<string, Uint8Array>()
  for (const entry of entries) {
    for (const tile of edge.append(hashLeaf(entry))) tiles.set(tileName(tile), tile.data.slice())
  }
  const readTile = (level: number, index: number) => tiles.get(`${level}/${index}`) ?? new Uint8Array(0)
  const reader = tileHashReader(edge.size, readTile)
  const checkpointText = formatCheckpoint({ origin: ORIGIN, size: edge.size, root: edge.root(), extensions: [] })
  const signed = signNote(checkpointText, log.signer)
  const cosigned =
    signed +
    witnesses
      .map(w => signNote(checkpointText, createCosigner(w.signer, WITNESSED_AT)).slice(checkpointText.length + 1))
      .join('')
  const proofOf = (index: number, checkpoint: string) =>
    formatTlogProof({ index, proof: inclusionProof(index, edge.size, reader), checkpoint })

  const receipt = signReceipt(
    {
      origin: ORIGIN,
      status: '2d086da7-4bdc-4f91-900e-d77486753710',
      entries: commitments.slice(0, 3).map((commitment, i) => ({ index: others.length + i, commitment })),
    },
    log.signer,
  )

  const validators = [1, 2, 3, 4].map(n => testValidator(`validator ${n}`))
  const addresses = validators.map(v => v.address)
  const ledger = {
    chainId: 6100,
    contract: `0x${'c0'.repeat(20)}`,
    logId: hex(testSeed('log id')),
    validators: addresses,
  }
  const stored = proveStoredRoot({ ...ledger, size: edge.size, root: edge.root() })
  const block = sealHeader({
    number: 300,
    stateRoot: stored.stateRoot,
    listed: addresses,
    sealers: validators.slice(0, 3),
  })
  const claim: Anchor = {
    ledger: 'local',
    kind: 'evm',
    chain_id: ledger.chainId,
    contract: ledger.contract,
    log_id: ledger.logId,
    size: edge.size,
    root: encodeBase64(edge.root()),
    transaction: hex(testSeed('transaction')),
    block: 300,
    block_hash: hex(block.hash),
  }
  const sealedAnchor: Anchor = {
    ...claim,
    sealed: {
      header: hex(block.header),
      account_proof: stored.accountProof.map(hex),
      storage_proof: stored.storageProof.map(hex),
    },
  }

  // The log as it grew on: what another ledger has of it.
  const grown = TreeEdge.empty()
  const grownTiles = new Map<string, Uint8Array>()
  for (const entry of [...entries, encoder.encode('one more'), encoder.encode('and another')]) {
    for (const tile of grown.append(hashLeaf(entry))) grownTiles.set(tileName(tile), tile.data.slice())
  }
  const grownReader = tileHashReader(grown.size, (level, index) => grownTiles.get(`${level}/${index}`) as Uint8Array)
  const later = proveStoredRoot({ ...ledger, size: grown.size, root: grown.root() })
  const laterBlock = sealHeader({
    number: 301,
    stateRoot: later.stateRoot,
    listed: addresses,
    sealers: validators.slice(0, 3),
  })
  const laterAnchor: Anchor = {
    ...claim,
    size: grown.size,
    root: encodeBase64(grown.root()),
    consistency: consistencyProof(edge.size, grown.size, grownReader).map(encodeBase64),
    block: 301,
    block_hash: hex(laterBlock.hash),
    sealed: {
      header: hex(laterBlock.header),
      account_proof: later.accountProof.map(hex),
      storage_proof: later.storageProof.map(hex),
    },
  }

  const objectProof = (seq: number, checkpoint: string, anchors: Anchor[]) => ({
    format: 'entente/proof/v1',
    kind: 'object',
    record: records[seq]!,
    log: proofOf(others.length + seq, checkpoint),
    anchors,
  })
  const collectionProof = {
    format: 'entente/proof/v1',
    kind: 'collection',
    api_root: API_ROOT,
    collection: COLLECTION,
    count: records.length,
    root: encodeBase64(heads[0]!.root),
    map_path: headsMapPath(heads, heads[0]!.key).map(encodeBase64),
    heads: headsText,
    log: proofOf(edge.size - 1, signed),
    anchors: [] as Anchor[],
  }
  const savedRead = {
    format: 'entente/read/v1',
    proof: collectionProof,
    records: records.map((record, seq) =>
      seq === 1 ? { seq, commitment: encodeBase64(commitments[seq]!), reason: 'deleted' } : record,
    ) as unknown[],
  }
  const trust: Trust = { vkeys: [log.vkey], witnesses: witnesses.map(w => w.vkey), ledgers: [ledger] }
  return {
    log,
    witnesses,
    validators,
    records,
    texts: texts(records),
    commitments,
    firstIndex: others.length,
    opening: testSeed('opening'),
    heads,
    mapRoot,
    headsText,
    checkpoint: signed,
    cosigned,
    size: edge.size,
    readTile,
    receipt,
    objectProof: objectProof(0, signed, []),
    claimedProof: objectProof(2, cosigned, [claim]),
    sealedProof: objectProof(2, cosigned, [sealedAnchor]),
    laterProof: objectProof(2, cosigned, [laterAnchor]),
    collectionProof,
    savedRead,
    trust,
  }
}

function tileName(tile: Tile): string {
  return `${tile.level}/${tile.index}`
}
