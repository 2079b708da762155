import { decode, encode } from 'cborg'
import { verifyEd25519 } from '#ed25519'
import { sha256 } from '#sha256'
import { asProofError, ProofError } from '#proof/error.ts'
import { ED25519, equalHashes, HASH_SIZE, hashLeaf, rootFromInclusion, type VerifierKey } from '#tlog/index.ts'

/**
 * A COSE receipt of inclusion that verified: the entry is in the tree with `root` that `key` has signed. `index` and `size` are what the receipt says and
 * the path allows; the signature is over the root alone, and a root does not bind its size (a checkpoint does).
 */
export type VerifiedCoseReceipt = { key: VerifierKey; index: number; size: number; root: Uint8Array }

/** Where an entry is, the path from its sibling up (RFC 9162 section 2.1.3.1), and the root that the log signs. */
export type InclusionReceipt = {
  key: VerifierKey
  index: number
  size: number
  path: readonly Uint8Array[]
  root: Uint8Array
}

/** Labels of draft-ietf-cose-merkle-tree-proofs, and of RFC 9052 and RFC 9597 (CWT claims). */
const ALG = 1
const CRIT = 2
const KID = 4
const CWT_CLAIMS = 15
const ISSUER = 1
const VDS = 395
const VDP = 396
const INCLUSION = -1
const EDDSA = -8
const RFC9162_SHA256 = 1
/** RFC 9052 section 4.2: tag 18 before a COSE_Sign1. */
const TAG_COSE_SIGN1 = 0xd2
const MAX_BYTES = 65_536
const MAX_PATH = 64

/**
 * A receipt of inclusion (draft-ietf-cose-merkle-tree-proofs, RFC9162_SHA256): a COSE_Sign1 whose detached payload is the root. In the protected header
 * are the algorithm (EdDSA), the key (its COSE Key Thumbprint, RFC 9679) and the origin of the log as issuer.
 *
 * @param sign Ed25519 over the bytes as they are, with the key of the log
 * @throws ProofError `malformed` for the only entry of a log: the format has no receipt without a path
 */
export function formatCoseReceipt(receipt: InclusionReceipt, sign: (message: Uint8Array) => Uint8Array): Uint8Array {
  const { key, index, size, path, root } = receipt
  if (path.length === 0)
    throw new ProofError('malformed', `there is no COSE receipt in a tree of size ${size}: its path would be empty`)
  const header = encode(
    new Map<number, unknown>([
      [ALG, EDDSA],
      [KID, coseKeyThumbprint(key)],
      [CWT_CLAIMS, new Map([[ISSUER, key.name]])],
      [VDS, RFC9162_SHA256],
    ]),
  )
  const proof = encode([size, index, [...path]])
  const proofs = new Map([[VDP, new Map([[INCLUSION, [proof]]])]])
  const signature = sign(toBeSigned(header, root))
  const body = encode([header, proofs, null, signature])
  const bytes = new Uint8Array(1 + body.length)
  bytes[0] = TAG_COSE_SIGN1
  bytes.set(body, 1)
  return bytes
}

/**
 * Verify a receipt of inclusion for an entry of a log: the path leads from the entry to a root, and one of `keys` has signed that root.
 *
 * @param entry the log entry itself: of a record its commitment, 32 bytes (docs/formats.md 3)
 * @throws ProofError `malformed`; `log` where the signature does not verify; `trust` where no key is the one that it names
 */
export function verifyCoseReceipt(
  receipt: Uint8Array,
  entry: Uint8Array,
  keys: readonly VerifierKey[],
): VerifiedCoseReceipt {
  const { header, kid, issuer, proof, signature } = readReceipt(receipt)
  const key = keys.find(k => k.algorithm === ED25519 && equalHashes(coseKeyThumbprint(k), kid))
  if (!key || key.name !== issuer) {
    const known = keys.map(k => k.name).join(', ') || 'none'
    throw new ProofError('trust', `the receipt is of ${issuer}, with a key that is not known; known logs: ${known}`)
  }
  const [size, index, path] = proof
  const root = asProofError(() => rootFromInclusion(index, size, hashLeaf(entry), path))
  if (!verifyEd25519(signature, toBeSigned(header, root), key.publicKey))
    throw new ProofError('log', `${key.name} did not sign that this entry is at ${index} in the tree of size ${size}`)
  return { key, index, size, root }
}

/** RFC 9679: the SHA-256 of the COSE_Key {kty: OKP, crv: Ed25519, x}, encoded deterministically. */
export function coseKeyThumbprint(key: VerifierKey): Uint8Array {
  return sha256(
    encode(
      new Map<number, unknown>([
        [1, 1],
        [-1, 6],
        [-2, key.publicKey],
      ]),
    ),
  )
}

/** RFC 9052 section 4.4. It begins with 0x84, which no text does: a signature over it is never one over a note. */
const toBeSigned = (header: Uint8Array, root: Uint8Array): Uint8Array =>
  encode(['Signature1', header, new Uint8Array(0), root])

function readReceipt(receipt: Uint8Array) {
  if (receipt.length > MAX_BYTES) throw new ProofError('malformed', `a receipt of ${receipt.length} bytes`)
  if (receipt[0] !== TAG_COSE_SIGN1) throw new ProofError('malformed', 'a receipt is a tagged COSE_Sign1')
  const [header, unprotected, payload, signature, ...more] = list(read(receipt.subarray(1)), 'a COSE_Sign1')
  if (payload !== null || more.length > 0) throw new ProofError('malformed', 'the payload of a receipt is detached')
  const protectedBytes = bytes(header, 'the protected header')
  const labels = map(read(protectedBytes), 'the protected header')
  if (labels.has(CRIT)) throw new ProofError('malformed', 'the receipt has critical headers that are not known here')
  if (labels.get(ALG) !== EDDSA || labels.get(VDS) !== RFC9162_SHA256)
    throw new ProofError('malformed', 'a receipt of another algorithm than EdDSA, or another tree than RFC9162_SHA256')
  const issuer = map(labels.get(CWT_CLAIMS), 'the claims').get(ISSUER)
  const proofs = list(map(map(unprotected, 'the header').get(VDP), 'the proofs').get(INCLUSION), 'the inclusion proofs')
  if (proofs.length !== 1) throw new ProofError('malformed', `a receipt of ${proofs.length} inclusion proofs`)
  const [size, index, path, ...rest] = list(read(bytes(proofs[0], 'the inclusion proof')), 'the inclusion proof')
  const hashes = list(path, 'the path').map(hash => bytes(hash, 'a hash of the path', HASH_SIZE))
  if (rest.length > 0 || hashes.length === 0 || hashes.length > MAX_PATH)
    throw new ProofError('malformed', 'an inclusion proof is a size, an index and a path')
  return {
    header: protectedBytes,
    kid: bytes(labels.get(KID), 'the key id'),
    issuer: typeof issuer === 'string' ? issuer : '',
    proof: [count(size), count(index), hashes] as const,
    signature: bytes(signature, 'the signature', 64),
  }
}

function read(encoded: Uint8Array): unknown {
  try {
    return decode(encoded, {
      useMaps: true,
      strict: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      allowBigInt: false,
    })
  } catch (cause) {
    throw new ProofError('malformed', `this is no CBOR as a receipt has it: ${(cause as Error).message}`, { cause })
  }
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new ProofError('malformed', `${what} is no list`)
  return value
}

function map(value: unknown, what: string): Map<unknown, unknown> {
  if (!(value instanceof Map)) throw new ProofError('malformed', `${what} is no map`)
  return value
}

function bytes(value: unknown, what: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw new ProofError('malformed', `${what} is not ${length ?? 'any'} bytes`)
  return value
}

function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new ProofError('malformed', 'a size or an index is no whole number')
  return value
}
