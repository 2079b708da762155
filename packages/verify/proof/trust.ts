import {
  type CheckpointPolicy,
  ED25519,
  formatVkey,
  parseVkey,
  parseWitnessPolicy,
  type VerifierKey,
} from '#tlog/index.ts'
import type { PinnedBitcoin } from './bitcoin.ts'
import { parseCertificate } from './certificate.ts'
import { asProofError, ProofError } from './error.ts'
import type { PinnedFabric } from './fabric.ts'
import { CONTINUATION_ORIGIN_PREFIX } from './continuation.ts'
import { RECEIPT_ORIGIN_PREFIX } from './receipt.ts'
import { readAllKeys, SUCCESSION_ORIGIN_PREFIX } from './succession.ts'

/**
 * A ledger whose seals the reader believes. QBFT: at least ceil(2N/3) of these validators must have sealed a block. Clique: more than half of them must have
 * sealed blocks on top of it.
 */
export type PinnedLedger = {
  chainId: number
  /** default: qbft */
  consensus?: 'qbft' | 'clique'
  /** address of the CheckpointAnchor contract, 0x and 40 hex digits in any case */
  contract: string
  /** the log's id in that contract, 0x and 64 hex digits */
  logId: string
  /** addresses of the validators, each once */
  validators: readonly string[]
}

/** What a reader believes before reading anything. Nothing else is believed. */
export type Trust = {
  /** verifier keys of the logs; the name of each is the origin */
  vkeys: readonly string[]
  /** statements by which keys of logs followed others (docs/formats.md 16), of each log the oldest first: believed as far as they lead from `vkeys` */
  successions?: readonly string[]
  /** verifier keys of the witnesses (type 4) */
  witnesses?: readonly string[]
  /** how many of them must have cosigned, or the evidence is refused; default 0: they only raise the level */
  witnessQuorum?: number
  /** a file of C2SP tlog-policy, in place of `witnesses` and `witnessQuorum`: its quorum must have cosigned; its logs are believed too */
  witnessPolicy?: string
  ledgers?: readonly PinnedLedger[]
  /** networks of Bitcoin */
  bitcoin?: readonly PinnedBitcoin[]
  /** chaincodes on channels of Hyperledger Fabric */
  fabric?: readonly PinnedFabric[]
}

/** All keys of logs that are believed: those that are named, and those that statements lead to from them. @throws ProofError `trust`, `succession` */
export const believedKeys = ({ vkeys, successions = [] }: Trust): VerifierKey[] =>
  readAllKeys(vkeys, successions).flatMap(keys => keys.vkeys.map(parseVkey))

/** {@link Trust} as it is used: keys parsed, addresses in lower case. */
export type ReadTrust = {
  policy: CheckpointPolicy
  /** the policy for checkpoints of this size: each log's key of then */
  policyAt(size: number): CheckpointPolicy
  ledgers: PinnedLedger[]
  bitcoin: readonly PinnedBitcoin[]
  fabric: readonly PinnedFabric[]
}

/** What notes begin with that are no checkpoints. */
const RESERVED = [RECEIPT_ORIGIN_PREFIX, SUCCESSION_ORIGIN_PREFIX, CONTINUATION_ORIGIN_PREFIX]
const ADDRESS = /^0x[0-9a-f]{40}$/
const BYTES_32 = /^0x[0-9a-f]{64}$/

/**
 * Check and parse a reader's configuration.
 *
 * @throws ProofError `trust`
 */
export function readTrust(trust: Trust): ReadTrust {
  const { logs, witnesses, quorum } = readPolicy(trust)
  const keys = readAllKeys(logs.map(formatVkey), trust.successions ?? [])
  if (logs.length === 0) throw new ProofError('trust', 'no verifier key of a log: nothing can be verified')
  for (const key of logs) {
    if (key.algorithm !== ED25519) throw new ProofError('trust', `the key of ${key.name} signs no checkpoints of a log`)
    if (RESERVED.some(prefix => key.name.startsWith(prefix)))
      throw new ProofError('trust', `${key.name} is no origin of a log`)
  }
  return {
    policy: { logs, witnesses, quorum },
    policyAt: size => ({ logs: keys.map(k => k.at(size)), witnesses, quorum }),
    ledgers: (trust.ledgers ?? []).map(readLedger),
    bitcoin: (trust.bitcoin ?? []).map(readBitcoin),
    fabric: (trust.fabric ?? []).map(readFabric),
  }
}

function readPolicy(trust: Trust): Required<CheckpointPolicy> {
  const { witnessPolicy } = trust
  const [logs, witnesses] = asProofError(
    () => [trust.vkeys.map(parseVkey), (trust.witnesses ?? []).map(parseVkey)],
    'trust',
  )
  if (witnessPolicy === undefined) return { logs, witnesses, quorum: trust.witnessQuorum ?? 0 }
  if (witnesses.length > 0 || trust.witnessQuorum !== undefined)
    throw new ProofError('trust', 'witnesses are named by a policy and beside it: leave one of the two out')
  const policy = asProofError(() => parseWitnessPolicy(witnessPolicy), 'trust')
  const given = new Set(trust.vkeys)
  const others = policy.logs.filter(key => !given.has(formatVkey(key))) // one key twice would be two keys of one name and id
  return { logs: [...logs, ...others], witnesses: policy.witnesses, quorum: policy.quorum ?? 0 }
}

function readBitcoin(ledger: PinnedBitcoin): PinnedBitcoin {
  const { chainId, depth, minWork } = ledger
  if (chainId === '' || !Number.isSafeInteger(depth) || depth < 0 || minWork < 0n)
    throw new ProofError(
      'trust',
      `the pinned network "${chainId}" needs a name, a number of blocks and an amount of work`,
    )
  return ledger
}

function readFabric(ledger: PinnedFabric): PinnedFabric {
  const { chainId, contract, logId, organizations, quorum = 1 } = ledger
  const names = new Set(organizations.map(({ mspId }) => mspId))
  const isQuorum = Number.isSafeInteger(quorum) && quorum >= 1 && quorum <= organizations.length
  if (
    chainId === '' ||
    contract === '' ||
    !/^[0-9a-f]{64}$/.test(logId) ||
    names.size !== organizations.length ||
    !isQuorum
  )
    throw new ProofError(
      'trust',
      `the pinned channel "${chainId}" needs a chaincode, a log's id of 64 hex digits, and distinct organisations of which a quorum signs`,
    )
  for (const { mspId, certificates } of organizations) {
    if (certificates.length === 0)
      throw new ProofError('trust', `organisation ${mspId} of "${chainId}" has no certificate`)
    try {
      certificates.map(parseCertificate)
    } catch (cause) {
      throw new ProofError('trust', `a certificate of ${mspId} of "${chainId}": ${(cause as Error).message}`, { cause })
    }
  }
  return ledger
}

function readLedger(ledger: PinnedLedger): PinnedLedger {
  const validators = ledger.validators.map(validator => validator.toLowerCase())
  const pinned = {
    chainId: ledger.chainId,
    consensus: ledger.consensus ?? 'qbft',
    contract: ledger.contract.toLowerCase(),
    logId: ledger.logId.toLowerCase(),
    validators,
  }
  if (
    !Number.isSafeInteger(pinned.chainId) ||
    !['qbft', 'clique'].includes(pinned.consensus) ||
    !ADDRESS.test(pinned.contract) ||
    !BYTES_32.test(pinned.logId) ||
    validators.length === 0 ||
    new Set(validators).size !== validators.length ||
    !validators.every(validator => ADDRESS.test(validator))
  ) {
    throw new ProofError(
      'trust',
      `the pinned ledger ${ledger.chainId} needs contract, logId and distinct validators, in hex`,
    )
  }
  return pinned
}
