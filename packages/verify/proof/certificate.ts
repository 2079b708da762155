import { sha256 } from '#sha256'
import { p256 } from '@noble/curves/nist.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { decodeBase64, equalHashes } from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'

/** As much of an X.509 certificate (RFC 5280) as is needed to see who signed it and with what its subject signs. */
export type Certificate = {
  /** the whole, DER */
  bytes: Uint8Array
  /** what its issuer signed */
  body: Uint8Array
  signature: Uint8Array
  /** names as they are encoded */
  issuer: Uint8Array
  subject: Uint8Array
  /** organizational units of the subject */
  units: string[]
  /** P-256, uncompressed: 65 bytes */
  key: Uint8Array
}

const MAX_CERTIFICATE = 65_536
const SEQUENCE = 0x30
const SET = 0x31
const OID = 0x06
const BIT_STRING = 0x03
/** Object identifiers: ecdsa-with-SHA256 (RFC 5758), id-ecPublicKey with secp256r1 (RFC 5480), organizationalUnitName (X.520). */
const ECDSA_SHA256 = '2a8648ce3d040302'
const EC_P256 = ['2a8648ce3d0201', '2a8648ce3d030107']
const UNIT = '55040b'

type Element = { tag: number; content: Uint8Array; whole: Uint8Array }

/**
 * Parse a certificate from PEM (RFC 7468): one, with nothing around it but white space.
 *
 * @throws ProofError `malformed`; also for keys and signatures that are not ECDSA on P-256 with SHA-256, the only ones that we check
 */
export function parseCertificate(pem: string): Certificate {
  const lines = pem.trim().split(/\r?\n/)
  if (
    pem.length > MAX_CERTIFICATE ||
    lines[0] !== '-----BEGIN CERTIFICATE-----' ||
    lines.at(-1) !== '-----END CERTIFICATE-----'
  )
    throw new ProofError('malformed', `no certificate in PEM: ${JSON.stringify(pem.slice(0, 40))}`)
  const bytes = asProofError(() => decodeBase64(lines.slice(1, -1).join('')), 'malformed')
  const [certificate] = elements(bytes, 1)
  const [body, algorithm, signature] = elements(content(certificate, SEQUENCE), 3)
  checkObject(algorithm, [ECDSA_SHA256])
  const fields = elements(content(body, SEQUENCE))
  // [0] version comes first, but in certificates of version 1
  const [, , issuer, , subject, info] = fields[0]?.tag === 0xa0 ? fields.slice(1) : fields
  const [keyAlgorithm, key] = elements(content(info, SEQUENCE), 2)
  checkObject(keyAlgorithm, EC_P256)
  return {
    bytes,
    body: body!.whole,
    signature: bits(signature),
    issuer: issuer!.whole,
    subject: subject!.whole,
    units: unitsOf(content(subject, SEQUENCE)),
    key: bits(key),
  }
}

/** Was `certificate` issued by the holder of `issuer`? Dates and revocation are not looked at: there is no time that could be believed. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  return (
    equalHashes(certificate.issuer, issuer.subject) &&
    isSignedBy(certificate.signature, certificate.body, issuer, false)
  )
}

/**
 * Did the subject's key sign these bytes: ECDSA over their SHA-256, in DER?
 *
 * @param lowS whether s has to be in the lower half, as Fabric wants it (else every signature had a twin)
 */
export function isSignedBy(signature: Uint8Array, bytes: Uint8Array, { key }: Certificate, lowS: boolean): boolean {
  try {
    return p256.verify(signature, sha256(bytes), key, { format: 'der', lowS, prehash: false })
  } catch {
    return false
  }
}

function unitsOf(name: Uint8Array): string[] {
  const attributes = elements(name).flatMap(set => elements(content(set, SET)))
  return attributes.flatMap(attribute => {
    const [type, value] = elements(content(attribute, SEQUENCE), 2)
    return bytesToHex(content(type, OID)) === UNIT ? [new TextDecoder().decode(value!.content)] : []
  })
}

function checkObject(algorithm: Element | undefined, wanted: readonly string[]): void {
  const objects = elements(content(algorithm, SEQUENCE)).map(({ tag, content: bytes }) =>
    tag === OID ? bytesToHex(bytes) : '',
  )
  if (wanted.some((oid, i) => objects[i] !== oid))
    throw new ProofError(
      'malformed',
      `the certificate has an algorithm that is not ECDSA on P-256 with SHA-256: ${objects.join(' ')}`,
    )
}

function bits(element: Element | undefined): Uint8Array {
  const bytes = content(element, BIT_STRING)
  if (bytes[0] !== 0) throw new ProofError('malformed', 'a bit string of the certificate ends within a byte')
  return bytes.subarray(1)
}

function content(element: Element | undefined, tag: number): Uint8Array {
  if (element?.tag !== tag)
    throw new ProofError('malformed', `the certificate has tag ${element?.tag}, expected ${tag}`)
  return element.content
}

/** The DER elements that lie one after the other in `bytes`; exactly `count`, where that is given. */
function elements(bytes: Uint8Array, count?: number): Element[] {
  const list: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const from = at
    const tag = bytes[at++]!
    let length = bytes[at++] ?? 0x80
    if (length > 0x80 && length <= 0x83) {
      const size = length - 0x80
      length = 0
      for (let i = 0; i < size; i++) length = length * 256 + (bytes[at++] ?? 0)
    } else if (length >= 0x80) throw new ProofError('malformed', `the certificate has a length of form ${length}`)
    if (length > bytes.length - at) throw new ProofError('malformed', 'the certificate ends early')
    list.push({ tag, content: bytes.subarray(at, at + length), whole: bytes.subarray(from, at + length) })
    at += length
  }
  if (count !== undefined && list.length !== count)
    throw new ProofError('malformed', `the certificate has ${list.length} elements in place of ${count}`)
  return list
}
