// Certificates for tests (RFC 5280), of keys that derive from a fixed seed: TEST KEYS.
import { createHash } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'

const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}
const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const pem = (label: string, bytes: Uint8Array) =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes).toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`

/** RFC 5480: id-ecPublicKey with the curve secp256r1. */
const EC_P256 = sequence(oid('2a8648ce3d0201'), oid('2a8648ce3d030107'))
/** RFC 5758: ecdsa-with-SHA256. */
const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'))
const ATTRIBUTES = { CN: '550403', O: '55040a', OU: '55040b' }

export type Name = [keyof typeof ATTRIBUTES, string][]

export interface TestKey {
  readonly secret: Uint8Array
  /** Uncompressed point. */
  readonly point: Uint8Array
  /** PKCS #8. */
  readonly pem: string
  /** ECDSA over SHA-256 of the bytes, DER, with s in the lower half. */
  sign(bytes: Uint8Array): Uint8Array
}

export function testKey(seed: string): TestKey {
  const secret = Uint8Array.from(createHash('sha256').update(`entente test key ${seed}`).digest())
  const point = p256.getPublicKey(secret, false)
  const inner = sequence(der(0x02, Buffer.of(1)), der(0x04, secret), der(0xa1, der(0x03, Buffer.of(0), point)))
  return {
    secret,
    point,
    pem: pem('PRIVATE KEY', sequence(der(0x02, Buffer.of(0)), EC_P256, der(0x04, inner))),
    sign: bytes => p256.sign(bytes, secret, { format: 'der' }),
  }
}

const name = (attributes: Name) =>
  sequence(
    ...attributes.map(([type, value]) => der(0x31, sequence(oid(ATTRIBUTES[type]), der(0x0c, Buffer.from(value))))),
  )

/** A certificate (PEM) of `subject`'s key, signed by `issuer`'s. */
export function testCertificate(
  subject: { name: Name; key: TestKey },
  issuer: { name: Name; key: TestKey },
  { isCa = false, hosts = [] }: { isCa?: boolean; hosts?: readonly string[] } = {},
): string {
  const serial = createHash('sha256')
    .update(JSON.stringify([subject.name, issuer.name]))
    .digest()
    .subarray(0, 8)
  const utc = (text: string) => der(0x17, Buffer.from(text))
  const caOnly = sequence(oid('551d13'), der(0x01, Buffer.of(0xff)), der(0x04, sequence(der(0x01, Buffer.of(0xff)))))
  const dnsNames = hosts.map(host => der(0x82, Buffer.from(host)))
  const names = sequence(oid('551d11'), der(0x04, sequence(...dnsNames)))
  const extensions = [...(isCa ? [caOnly] : []), ...(hosts.length > 0 ? [names] : [])]
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, Buffer.of(1), serial),
    ECDSA_SHA256,
    name(issuer.name),
    sequence(utc('250101000000Z'), utc('450101000000Z')),
    name(subject.name),
    sequence(EC_P256, der(0x03, Buffer.of(0), subject.key.point)),
    ...(extensions.length > 0 ? [der(0xa3, sequence(...extensions))] : []),
  )
  const signature = der(0x03, Buffer.of(0), issuer.key.sign(body))
  return pem('CERTIFICATE', sequence(body, ECDSA_SHA256, signature))
}

/** An organisation as Fabric's MSPs have it: a CA, and what it issued. */
export function testOrganization(mspId: string) {
  const ca = {
    name: [
      ['O', mspId],
      ['CN', `ca.${mspId}`],
    ] as Name,
    key: testKey(`${mspId} ca`),
  }
  const issue = (role: string, who: string, hosts: readonly string[] = []) => {
    const key = testKey(`${mspId} ${role} ${who}`)
    const name: Name = [
      ['OU', role],
      ['CN', who],
    ]
    return { key, cert: testCertificate({ name, key }, ca, { hosts }) }
  }
  return { mspId, ca: { ...ca, cert: testCertificate(ca, ca, { isCa: true }) }, issue }
}
