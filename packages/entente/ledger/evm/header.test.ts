import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Hex, keccak256, toHex } from 'viem'
import { privateKeyToAccount, sign } from 'viem/accounts'
import { rejects } from '../conformance/anchor.ts'
import { headerOf, validatorsOf } from './header.ts'
import {
  BFT_MIX_HASH,
  FIELD,
  type HeaderFields,
  checkSeals,
  encodeHeader,
  formatExtra,
  parseExtra,
  parseHeader,
  plainHash,
  qbftHash,
  quorum,
  sealMessage,
} from './qbft.ts'

/** TEST KEYS: derived from a fixed seed. */
const keys = [1, 2, 3, 4].map(n => keccak256(toHex(`entente test validator ${n}`)))
const validators = keys.map(key => privateKeyToAccount(key).address.toLowerCase() as Hex).sort()
const bytes = (hex: Hex) => Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))

/** A block as JSON-RPC gives it, with the header fields of Berlin. */
const block = (extra: Uint8Array, more: Record<string, string> = {}) => ({
  parentHash: keccak256('0x01'),
  sha3Uncles: keccak256('0x02'),
  miner: `0x${'11'.repeat(20)}`,
  stateRoot: keccak256('0x03'),
  transactionsRoot: keccak256('0x04'),
  receiptsRoot: keccak256('0x05'),
  logsBloom: `0x${'00'.repeat(256)}`,
  difficulty: '0x1',
  number: '0x1e',
  gasLimit: '0x1c9c380',
  gasUsed: '0x0',
  timestamp: '0x65f00000',
  extraData: toHex(extra),
  mixHash: BFT_MIX_HASH,
  nonce: '0x0000000000000000',
  ...more,
})
const fieldsOf = (json: ReturnType<typeof block>): HeaderFields => {
  const guess = { ...json, hash: `0x${'00'.repeat(32)}` }
  // Encoded by hand: headerOf gives no bytes while the hash is a guess.
  const order = [
    'parentHash',
    'sha3Uncles',
    'miner',
    'stateRoot',
    'transactionsRoot',
    'receiptsRoot',
    'logsBloom',
    'difficulty',
    'number',
    'gasLimit',
    'gasUsed',
    'timestamp',
    'extraData',
    'mixHash',
    'nonce',
    'baseFeePerGas',
    'withdrawalsRoot',
  ] as const
  const numbers = ['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp', 'baseFeePerGas']
  return order.flatMap(name => {
    const value = (guess as Record<string, string>)[name]
    if (value === undefined) return []
    const digits = value.slice(2)
    if (!numbers.includes(name)) return [bytes(value as Hex)]
    return [BigInt(value) === 0n ? new Uint8Array(0) : bytes(`0x${digits.length % 2 === 0 ? digits : `0${digits}`}`)]
  })
}
const seal = async (hash: Hex, key: Hex) => {
  const { r, s, yParity = 0 } = await sign({ hash, privateKey: key })
  return Uint8Array.of(...bytes(r), ...bytes(s), yParity)
}

test('QBFT: seals are over the round, the hash is not', async () => {
  const extra = (round: number, seals: Uint8Array[]) => formatExtra({ validators: validators.map(bytes), seals, round })
  const hashes = [0, 1, 300].map(round => qbftHash(fieldsOf(block(extra(round, [])))))
  assert.equal(new Set(hashes).size, 1)
  const messages = [0, 1, 300].map(round => sealMessage(fieldsOf(block(extra(round, [])))))
  assert.equal(new Set(messages).size, 3)
  assert.equal(messages[0], hashes[0])
  const seals = await Promise.all(keys.map(key => seal(messages[2] ?? '0x', key)))
  assert.equal(await checkSeals(fieldsOf(block(extra(300, seals))), validators), hashes[0])
  await rejects(checkSeals(fieldsOf(block(extra(0, seals))), validators), 'corrupt')
})

test('QBFT: ceil(2N/3) distinct seals of the pinned validators', async () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 10].map(quorum), [1, 2, 2, 3, 4, 4, 5, 7])
  const stranger = keccak256(toHex('entente test stranger'))
  const withSeals = async (signers: Hex[]) => {
    const message = sealMessage(
      fieldsOf(block(formatExtra({ validators: validators.map(bytes), seals: [], round: 0 }))),
    )
    const seals = await Promise.all(signers.map(key => seal(message, key)))
    return fieldsOf(block(formatExtra({ validators: validators.map(bytes), seals, round: 0 })))
  }
  const [a, b, c, d] = keys as [Hex, Hex, Hex, Hex]
  for (const signers of [
    [a, b, c],
    [d, c, b, a],
    [a, b, c, stranger],
  ])
    await checkSeals(await withSeals(signers), validators)
  for (const signers of [[], [a, b], [a, a, a], [a, b, b], [a, b, stranger]])
    await rejects(checkSeals(await withSeals(signers), validators), 'corrupt')
  await rejects(checkSeals(await withSeals([a, b, c]), [...validators, `0x${'22'.repeat(20)}`]), 'corrupt')
})

test('a header of JSON-RPC is encoded where its hash comes out', () => {
  const plain = { baseFeePerGas: '0x7', withdrawalsRoot: keccak256('0x06') }
  for (const [json, hashOf] of [
    [block(formatExtra({ validators: validators.map(bytes), seals: [new Uint8Array(65)], round: 2 })), qbftHash],
    [block(new Uint8Array(97)), plainHash], // Clique: vanity and seal
    [block(new Uint8Array(0), { ...plain, mixHash: keccak256('0x07') }), plainHash],
  ] as const) {
    const fields = fieldsOf(json)
    const header = headerOf({ ...json, hash: hashOf(fields) })
    assert.deepEqual(header.bytes, encodeHeader(fields))
    assert.equal(header.number, 30)
    assert.equal(header.time, 0x65f00000)
    assert.equal(header.stateRoot, json.stateRoot)
    assert.deepEqual(parseHeader(encodeHeader(fields)), [...fields])
    assert.equal(headerOf({ ...json, hash: keccak256('0x99') }).bytes, undefined) // another kind of hash, as IBFT has
  }
  const fields = fieldsOf(block(formatExtra({ validators: validators.map(bytes), seals: [], round: 0 })))
  assert.deepEqual(validatorsOf(fields), validators)
  assert.equal(validatorsOf(fieldsOf(block(new Uint8Array(97)))), undefined)
  const nanoseconds = block(new Uint8Array(0), { timestamp: '0x17b9f0ce5b8e3a00' })
  assert.equal(headerOf({ ...nanoseconds, hash: keccak256('0x99') }).time, 1_709_662_302)
})

test('what is no header is refused', async () => {
  for (const wrong of [
    {},
    { hash: '0x12' },
    { parentHash: 7 },
    { number: '0x' },
    { number: '-1' },
    { extraData: '0x1' },
  ]) {
    await rejects(
      async () =>
        headerOf({
          ...block(new Uint8Array(0)),
          hash: keccak256('0x99'),
          ...wrong,
          ...(Object.keys(wrong).length === 0 ? { hash: undefined } : {}),
        }),
      'corrupt',
    )
  }
  for (const rlp of ['0x', '0xc0', '0x80', '0xf8', `0x${'ff'.repeat(70_000)}`] as Hex[])
    await rejects(async () => parseHeader(bytes(rlp)), 'corrupt')
  for (const extra of [
    '0x',
    '0xc0',
    '0xf8',
    '0xc5c0c0c0c0c0',
    toHex(formatExtra({ validators: [new Uint8Array(19)], seals: [], round: 0 })),
  ] as Hex[]) {
    assert.equal(parseExtra(bytes(extra)), undefined)
  }
  assert.equal(FIELD.extra, 12)
})
