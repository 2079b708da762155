import {
  type Checkpoint,
  decodeBase64,
  equalHashes,
  HASH_SIZE,
  hashLeaf,
  MAX_ENTRY_SIZE,
  parseCheckpoint,
  parseNote,
  type VerifiedCheckpoint,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'
import { readCount, readList, readMembers, readText } from './fields.ts'
import { readFile } from './object.ts'
import { type Receipt, verifyReceipt } from './receipt.ts'
import { readTrust, type Trust } from './trust.ts'

/** docs/formats.md 12: what somebody saw that a log's operator can't have shown in good order. Nothing of it is believed yet. */
export type Disagreement = {
  format: 'entente/evidence/v1'
  kind: DisagreementKind
  /** When it was found, by the finder's clock. */
  found: string
  /** Who was asked: URL of a server, or a data folder. */
  server: string
  /** What was asked for, in order. */
  asked: string[]
  /** The verifier key that the finder believed. */
  vkey: string
  /** Statements by which that key followed others, the oldest first (docs/formats.md 16). */
  successions?: readonly string[]
  /** The checkpoint that was shown, a signed note. */
  shown: string
} & (
  | { kind: 'fork'; remembered: string; seen: string; root?: string; consistency?: string[] }
  | { kind: 'rollback'; remembered: string; seen: string }
  | { kind: 'unbacked'; remembered: string; seen: string; answer: string }
  | { kind: 'receipt'; receipt: string; index: number; entry?: string; inclusion?: string[] }
  | { kind: 'ledger'; anchor: LedgerClaim; root?: string; consistency?: string[] }
)

/** Where on a ledger the finder saw a checkpoint, with names as in an anchor (docs/formats.md 8). */
export type LedgerClaim = {
  kind: string
  chain_id: number | string
  contract: string
  log_id: string
  size: number
  root: string
}

/**
 * `fork`: the log's key signed two histories. `receipt`: it signed a receipt and a checkpoint that leaves out what the receipt promises.
 * `rollback`: a server showed a smaller checkpoint than it had shown before. `unbacked`: a server did not show the tiles of a checkpoint
 * that it had signed. `ledger`: a ledger has another root of this log, or more of it, than the server showed.
 */
export type DisagreementKind = 'fork' | 'rollback' | 'unbacked' | 'receipt' | 'ledger'

/**
 * What holds of a {@link Disagreement}. `isConclusive`: it convinces anybody who trusts the key, offline. Else the signatures are
 * real, and that they were shown in this order, or what was not shown, is the finder's word.
 */
export type VerifiedDisagreement = {
  kind: DisagreementKind
  isConclusive: boolean
  found: string
  server: string
  shown: VerifiedCheckpoint
  remembered?: VerifiedCheckpoint
  anchor?: LedgerClaim
  /** The line of a receipt that the checkpoint breaks. */
  receipt?: Receipt
  index?: number
}

/** Where the log has had other keys. */
const ALWAYS = ['successions']
const COMMON = ['format', 'kind', 'found', 'server', 'asked', 'vkey', 'shown']
const MAX_ASKED = 1000
/** Statements of new keys that come along. */
const MAX_SUCCESSIONS = 100
const MAX_HASHES = 128

/**
 * Verify an evidence file (docs/formats.md 12): every signature, and that what it holds does contradict itself.
 *
 * @param file the file as text or bytes, or its JSON already parsed
 * @throws ProofError `malformed`; `log` where a signature or proof does not verify, or the two agree; `trust`
 */
export function verifyDisagreement(file: string | Uint8Array | object, trust: Trust): VerifiedDisagreement {
  const value = readFile(file)
  const kind = readText((value as { kind?: unknown } | null)?.kind, 'kind', KIND) as DisagreementKind
  const members = readMembers(value, 'the evidence', [...COMMON, ...REQUIRED[kind]], [...OPTIONAL[kind], ...ALWAYS])
  readText(members['format'], 'format', /^entente\/evidence\/v1$/)
  readText(members['vkey'], 'vkey')
  for (const asked of readList(members['asked'], 'asked', MAX_ASKED)) readText(asked, 'an item of asked')
  const own = readList(members['successions'] ?? [], 'successions', MAX_SUCCESSIONS).map(note =>
    readText(note, 'a succession'),
  )
  const believed = trust.successions ? trust : { ...trust, successions: own }
  const { policyAt } = readTrust(believed)
  const checkpoint = (name: string) =>
    asProofError(() => {
      const note = readText(members[name], name)
      return verifyCheckpoint(note, { logs: policyAt(parseCheckpoint(parseNote(note).text).size).logs })
    })
  const common = {
    kind,
    found: readText(members['found'], 'found'),
    server: readText(members['server'], 'server'),
    shown: checkpoint('shown'),
  }
  if (kind === 'receipt') return { ...common, ...checkReceipt(members, common.shown, believed) }
  if (kind === 'ledger') return { ...common, anchor: checkLedger(members, common.shown), isConclusive: false }
  const remembered = checkpoint('remembered')
  readText(members['seen'], 'seen')
  if (remembered.origin !== common.shown.origin)
    throw new ProofError('log', `two logs, ${remembered.origin} and ${common.shown.origin}: they need not agree`)
  if (kind === 'unbacked') readText(members['answer'], 'answer')
  if (kind === 'fork') checkFork(members, remembered, common.shown)
  else if (kind === 'rollback' && remembered.size <= common.shown.size)
    throw new ProofError('log', `size ${common.shown.size} was shown after size ${remembered.size}: no rollback`)
  return { ...common, remembered, isConclusive: kind === 'fork' }
}

const KIND = /^(?:fork|rollback|unbacked|receipt|ledger)$/
const REQUIRED: Record<DisagreementKind, string[]> = {
  fork: ['remembered', 'seen'],
  rollback: ['remembered', 'seen'],
  unbacked: ['remembered', 'seen', 'answer'],
  receipt: ['receipt', 'index'],
  ledger: ['anchor'],
}
const OPTIONAL: Record<DisagreementKind, string[]> = {
  fork: ['root', 'consistency'],
  rollback: [],
  unbacked: [],
  receipt: ['entry', 'inclusion'],
  ledger: ['root', 'consistency'],
}

/** Two roots of one size: both signed, or the one signed and the other proven to be the beginning of a larger tree that is. */
function checkFork(members: Record<string, unknown>, remembered: Checkpoint, shown: Checkpoint): void {
  const [older, newer] = remembered.size <= shown.size ? [remembered, shown] : [shown, remembered]
  if (older.size === newer.size) {
    readMembers(members, 'the evidence of two checkpoints of one size', [...COMMON, ...REQUIRED.fork], ALWAYS)
    if (equalHashes(older.root, newer.root))
      throw new ProofError('log', `the two checkpoints of size ${older.size} have one root: they agree`)
    return
  }
  const root = readHash(members['root'], 'root')
  const proof = readHashes(members['consistency'], 'consistency')
  asProofError(() => verifyConsistency(older.size, newer.size, proof, root, newer.root))
  if (equalHashes(root, older.root))
    throw new ProofError('log', `the tree of size ${newer.size} begins with that of size ${older.size}: they agree`)
}

/** The ledger has what the shown log does not begin with, or more than was shown; that it has it, whoever doubts it asks the ledger. */
function checkLedger(members: Record<string, unknown>, shown: Checkpoint): LedgerClaim {
  const names = ['kind', 'chain_id', 'contract', 'log_id', 'size', 'root']
  const anchor = readMembers(members['anchor'], 'anchor', names)
  for (const name of ['kind', 'contract', 'log_id']) readText(anchor[name], `${name} of the anchor`, /^[!-~]{1,200}$/)
  if (typeof anchor['chain_id'] !== 'number') readText(anchor['chain_id'], 'chain_id of the anchor', /^[!-~]{1,200}$/)
  const size = readCount(anchor['size'], 'size of the anchor')
  const anchored = readHash(anchor['root'], 'root of the anchor')
  if (size > shown.size) {
    readMembers(members, 'the evidence of a ledger that is ahead', [...COMMON, ...REQUIRED.ledger], ALWAYS)
    return anchor as LedgerClaim
  }
  const root = readHash(members['root'], 'root')
  asProofError(() =>
    verifyConsistency(size, shown.size, readHashes(members['consistency'], 'consistency'), root, shown.root),
  )
  if (equalHashes(root, anchored)) throw new ProofError('log', `the ledger has the root of size ${size}: they agree`)
  return anchor as LedgerClaim
}

function checkReceipt(members: Record<string, unknown>, shown: Checkpoint, trust: Trust) {
  const receipt = verifyReceipt(readText(members['receipt'], 'receipt'), trust.vkeys, trust.successions)
  const index = readCount(members['index'], 'index')
  const promised = receipt.entries.find(entry => entry.index === index)
  if (receipt.origin !== shown.origin || promised === undefined)
    throw new ProofError('log', `the receipt of ${receipt.origin} promises ${shown.origin} no entry ${index}`)
  if (shown.size <= index) {
    readMembers(members, 'the evidence of a log that ends too early', [...COMMON, ...REQUIRED.receipt], ALWAYS)
    return { receipt, index, isConclusive: false }
  }
  const text = readText(members['entry'], 'entry')
  const entry = asProofError(() => decodeBase64(text), 'malformed')
  if (entry.length > MAX_ENTRY_SIZE) throw new ProofError('malformed', `an entry of ${entry.length} bytes`)
  if (equalHashes(entry, promised.commitment))
    throw new ProofError('log', `entry ${index} is the one that the receipt promises: they agree`)
  const proof = readHashes(members['inclusion'], 'inclusion')
  asProofError(() => verifyInclusion(index, shown.size, hashLeaf(entry), proof, shown.root))
  return { receipt, index, isConclusive: true }
}

const readHash = (value: unknown, what: string): Uint8Array =>
  asProofError(() => decodeBase64(readText(value, what), HASH_SIZE), 'malformed')
const readHashes = (value: unknown, what: string): Uint8Array[] =>
  readList(value, what, MAX_HASHES).map(hash => readHash(hash, `a hash of ${what}`))
