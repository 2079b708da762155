import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeBase64, encodeBase64 } from '#tlog/index.ts'
import { type TestKey, testCertificate, testKey, testOrganization } from '../../../test/support/x509.ts'
import { type Anchor, checkAnchors } from './anchor.ts'
import { isIssuedBy, isSignedBy, parseCertificate } from './certificate.ts'
import { ProofError, type ProofErrorCode } from './error.ts'
import { type PinnedFabric, verifyEndorsedProof } from './fabric.ts'
import { readTrust } from './trust.ts'

type Vector = { source: string; anchor: Anchor; organizations: { msp_id: string; certificates: string[] }[] }
const file = join(import.meta.dirname, '../../../test/vectors/fabric.json')
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }

/** A log's key of the vectors that are made from a fixed seed. */
const VKEY = 'entente.example/log+94c3fcb5+AaLk/YEsOaSjXZGJxgwqz02wlOj/MstL3YJY1PSuytqp'

const pinOf = ({ anchor, organizations }: Vector): PinnedFabric => ({
  chainId: anchor.chain_id as string,
  contract: anchor.contract!,
  logId: anchor.log_id!,
  organizations: organizations.map(({ msp_id: mspId, certificates }) => ({ mspId, certificates })),
})
const anchoredOf = ({ anchor: { size, root } }: Vector) => ({ size, root: decodeBase64(root, 32) })
const checkpointOf = (vector: Vector) => ({ origin: 'log.example/fabric', extensions: [], ...anchoredOf(vector) })
const refuses = (run: () => unknown, ...codes: ProofErrorCode[]) =>
  assert.throws(run, (error: unknown) => error instanceof ProofError && codes.includes(error.code))

for (const vector of vectors) {
  const { source, anchor } = vector
  const pin = pinOf(vector)
  const anchored = anchoredOf(vector)
  const proof = anchor.endorsed!
  const [one, two] = pin.organizations as [PinnedFabric['organizations'][0], PinnedFabric['organizations'][0]]

  test(`${source}: what two organisations signed`, () => {
    const endorsed = verifyEndorsedProof(proof, anchored, pin)
    assert.deepEqual(endorsed.organizations, ['Org1MSP', 'Org2MSP'])
    assert.deepEqual([endorsed.block, endorsed.transaction], [anchor.block, anchor.transaction])
    assert.ok(endorsed.timestamp > 1_700_000_000)
    const [checked] = checkAnchors([anchor], checkpointOf(vector), [], [], [pin])
    assert.deepEqual(checked?.endorsed, endorsed)
  })

  test(`${source}: a claim where nothing is pinned, or something else`, () => {
    for (const other of [
      { ...pin, chainId: 'another' },
      { ...pin, contract: 'another' },
      { ...pin, logId: '00'.repeat(32) },
    ])
      assert.deepEqual(checkAnchors([anchor], checkpointOf(vector), [], [], [other]), [{ anchor }])
    const { endorsed: _, ...claim } = anchor
    assert.deepEqual(checkAnchors([claim], checkpointOf(vector), [], [], [pin]), [{ anchor: claim }])
  })

  test(`${source}: another size, root, log, channel, chaincode, block or transaction`, () => {
    refuses(() => verifyEndorsedProof(proof, { ...anchored, size: anchored.size + 1 }, pin), 'seal')
    refuses(() => verifyEndorsedProof(proof, { ...anchored, root: new Uint8Array(32) }, pin), 'seal')
    refuses(() => verifyEndorsedProof(proof, anchored, { ...pin, logId: '00'.repeat(32) }), 'seal')
    refuses(() => verifyEndorsedProof(proof, anchored, { ...pin, chainId: 'another' }), 'seal')
    refuses(() => verifyEndorsedProof(proof, anchored, { ...pin, contract: 'another' }), 'seal')
    const check = (changed: Partial<Anchor>) => () =>
      checkAnchors([{ ...anchor, ...changed }], checkpointOf(vector), [], [], [pin])
    refuses(check({ block: anchor.block! + 1 }), 'seal')
    refuses(check({ transaction: '00'.repeat(32) }), 'seal')
    refuses(check({ size: anchor.size + 1 }), 'anchor')
    refuses(check({ block_hash: '0x00' }), 'malformed')
    refuses(check({ sealed: { header: '0x', account_proof: [], storage_proof: [] } }), 'malformed')
  })

  test(`${source}: fewer organisations than the quorum, others, other certificates`, () => {
    const alone = { ...pin, organizations: [one] }
    assert.deepEqual(verifyEndorsedProof(proof, anchored, alone).organizations, [one.mspId])
    const stranger = { mspId: 'Org3MSP', certificates: one.certificates }
    refuses(() => verifyEndorsedProof(proof, anchored, { ...pin, organizations: [one, stranger] }), 'seal')
    const three = { ...pin, organizations: [one, two, stranger] }
    assert.equal(verifyEndorsedProof(proof, anchored, three).organizations.length, 2)
    refuses(() => verifyEndorsedProof(proof, anchored, { ...three, quorum: 3 }), 'seal')
    refuses(
      () =>
        verifyEndorsedProof(proof, anchored, {
          ...pin,
          organizations: [{ ...one, certificates: two.certificates }, two],
        }),
      'seal',
    )
    // The peers' own certificates, pinned as such
    const text = Buffer.from(proof.payload, 'base64').toString('latin1')
    const pems = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g)!
    const peers = pems.filter(pem => parseCertificate(pem).units.includes('peer'))
    assert.equal(peers.length, 2)
    const pinned = [one, two].map(({ mspId, certificates }) => ({
      mspId,
      certificates: peers.filter(pem => isIssuedBy(parseCertificate(pem), parseCertificate(certificates[0]!))),
    }))
    assert.equal(verifyEndorsedProof(proof, anchored, { ...pin, organizations: pinned }).organizations.length, 2)
  })

  test(`${source}: no bit of it can be flipped`, () => {
    const bytes = decodeBase64(proof.payload)
    const step = process.env['ENTENTE_TEST_LONG'] ? 1 : 23
    for (let at = 0; at < bytes.length; at += step) {
      const flipped = bytes.slice()
      flipped[at]! ^= 1 << (at % 8)
      refuses(() => verifyEndorsedProof({ payload: encodeBase64(flipped) }, anchored, pin), 'seal', 'malformed')
    }
    for (const length of [0, 1, 100, bytes.length - 1])
      refuses(
        () => verifyEndorsedProof({ payload: encodeBase64(bytes.slice(0, length)) }, anchored, pin),
        'seal',
        'malformed',
      )
  })
}

test('a reader whose configuration makes no sense is told so', () => {
  const pin = pinOf(vectors[0]!)
  const read = (fabric: PinnedFabric) => () => readTrust({ vkeys: [VKEY], fabric: [fabric] })
  assert.equal(read(pin)().fabric.length, 1)
  for (const wrong of [
    { ...pin, chainId: '' },
    { ...pin, logId: '0x00' },
    { ...pin, organizations: [] },
    { ...pin, organizations: [pin.organizations[0]!, pin.organizations[0]!] },
    { ...pin, organizations: [{ mspId: 'Org1MSP', certificates: [] }] },
    { ...pin, organizations: [{ mspId: 'Org1MSP', certificates: ['no certificate'] }] },
    { ...pin, quorum: 0 },
    { ...pin, quorum: 3 },
  ])
    refuses(read(wrong), 'trust')
})
test('certificates: who issued them, for what, and what is none', () => {
  const organization = testOrganization('Org1MSP')
  const ca = parseCertificate(organization.ca.cert)
  const { cert, key } = organization.issue('peer', 'peer0')
  const peer = parseCertificate(cert)
  assert.deepEqual(peer.units, ['peer'])
  assert.ok(isIssuedBy(peer, ca))
  assert.ok(!isIssuedBy(ca, peer))
  assert.ok(!isIssuedBy(peer, parseCertificate(testOrganization('Org2MSP').ca.cert)))
  // The name of the CA with another key
  const forger: TestKey = testKey('a forger')
  const forged = testCertificate(
    {
      name: [
        ['OU', 'peer'],
        ['CN', 'peer0'],
      ],
      key,
    },
    { name: organization.ca.name, key: forger },
  )
  assert.ok(!isIssuedBy(parseCertificate(forged), ca))
  const message = Buffer.from('message')
  const signature = key.sign(message)
  assert.ok(isSignedBy(signature, message, peer, true))
  assert.ok(!isSignedBy(signature, Buffer.from('another'), peer, true))
  assert.ok(!isSignedBy(signature.slice(1), message, peer, true))
  for (const text of [
    '',
    cert.replace('BEGIN', 'START'),
    `${cert}${cert}`,
    cert.replace(/\n.{64}\n/, '\n'),
    `x${cert}`,
  ])
    refuses(() => parseCertificate(text), 'malformed')
  const der = decodeBase64(cert.split('\n').slice(1, -2).join(''))
  for (let at = 0; at < der.length; at++) {
    const changed = der.slice()
    changed[at]! ^= 0x55
    const pem = `-----BEGIN CERTIFICATE-----\n${encodeBase64(changed)}\n-----END CERTIFICATE-----\n`
    try {
      assert.ok(!isIssuedBy(parseCertificate(pem), ca), `byte ${at}`)
    } catch (error) {
      assert.ok(error instanceof ProofError && error.code === 'malformed', String(error))
    }
  }
})
