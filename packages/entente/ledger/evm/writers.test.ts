import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytesToHex, hexToBytes, type Hex, type TransactionSerializable } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { RpcError } from './provider.ts'
import { guardProvider } from './writers.ts'

/** TEST KEYS. */
const writer = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const stranger = privateKeyToAccount(`0x${'22'.repeat(32)}`)
const to = `0x${'ab'.repeat(20)}` as const
const base = { to, nonce: 3, gas: 90_000n, value: 0n, data: '0x1234', chainId: 6100 } as const
const KINDS: Record<string, TransactionSerializable> = {
  'of before EIP-155': { ...base, type: 'legacy', gasPrice: 0n, chainId: undefined } as never,
  legacy: { ...base, type: 'legacy', gasPrice: 0n },
  'with an access list': { ...base, type: 'eip2930', gasPrice: 7n, accessList: [{ address: to, storageKeys: [] }] },
  'EIP-1559': { ...base, type: 'eip1559', maxFeePerGas: 9n, maxPriorityFeePerGas: 1n },
  'that creates a contract': { ...base, to: undefined, type: 'eip1559', maxFeePerGas: 9n, maxPriorityFeePerGas: 1n },
}

function guarded(writers: ReadonlySet<string> | undefined = new Set([writer.address.toLowerCase()])) {
  const passed: { method: string; params?: readonly unknown[] }[] = []
  const provider = guardProvider({
    provider: {
      request: async request => {
        passed.push(request)
        return 'done'
      },
    },
    writers: () => writers,
  })
  return { passed, ask: (method: string, ...params: unknown[]) => provider.request({ method, params }) }
}
const refused = (code: number, message: RegExp) => (error: unknown) =>
  error instanceof RpcError && error.code === code && message.test(error.message)

for (const [name, transaction] of Object.entries(KINDS)) {
  test(`a transaction ${name} passes when a writer signed it, and in no other case`, async () => {
    const { passed, ask } = guarded()
    const raw = await writer.signTransaction(transaction as never)
    assert.equal(await ask('eth_sendRawTransaction', raw), 'done')
    assert.deepEqual(passed, [{ method: 'eth_sendRawTransaction', params: [raw] }])
    const foreign = await stranger.signTransaction(transaction as never)
    await assert.rejects(ask('eth_sendRawTransaction', foreign), refused(-32000, /none of the 1 writers/))
    assert.equal(passed.length, 1)
  })
}

test('one flipped bit of what a writer signed never passes', async () => {
  const { passed, ask } = guarded()
  for (const transaction of Object.values(KINDS)) {
    const raw = hexToBytes(await writer.signTransaction(transaction as never))
    await fc.assert(
      fc.asyncProperty(fc.nat(raw.length * 8 - 1), async bit => {
        const bent = Uint8Array.from(raw)
        bent[bit >> 3] = (bent[bit >> 3] as number) ^ (1 << (bit & 7))
        await assert.rejects(ask('eth_sendRawTransaction', bytesToHex(bent)), RpcError)
      }),
      { seed: 20_261_122, numRuns: 60 },
    )
  }
  assert.equal(passed.length, 0)
})

test('other bytes of the same transaction, and what is none, are refused', async () => {
  const { passed, ask } = guarded()
  const raw = await writer.signTransaction(KINDS['legacy'] as never)
  // A list whose length takes a byte more than it has to (RLP asks for the shortest).
  const longer = `0xf900${raw.slice(4)}` as Hex
  for (const bad of [
    longer,
    `${raw}00`,
    raw.slice(0, -2),
    '0x',
    '0x0',
    '0xzz',
    '',
    undefined,
    7,
    [raw],
    `0x${'00'.repeat(600_000)}`,
  ])
    await assert.rejects(ask('eth_sendRawTransaction', bad), refused(-32602, /transaction/))
  assert.equal(passed.length, 0)
})

test('reads pass; whatever signs, sends, votes or administers does not', async () => {
  const { passed, ask } = guarded()
  for (const method of ['eth_call', 'eth_getProof', 'eth_getLogs', 'clique_getSigners']) await ask(method)
  assert.equal(passed.length, 4)
  const others = [
    'eth_sendTransaction',
    'eth_sign',
    'eth_accounts',
    'personal_unlockAccount',
    'admin_addPeer',
    'clique_propose',
  ]
  for (const method of [
    ...others,
    'istanbul_propose',
    'miner_stop',
    'debug_setHead',
    'eth_sendRawPrivateTransaction',
    'constructor',
  ])
    await assert.rejects(ask(method), refused(-32601, /not offered/))
  assert.equal(passed.length, 4)
})

test('a chain without such a set takes what anybody signed, and still nothing but that', async () => {
  const open = guardProvider({ provider: { request: async () => 'done' }, writers: () => 'anyone' })
  const raw = await stranger.signTransaction(KINDS['legacy'] as never)
  assert.equal(await open.request({ method: 'eth_sendRawTransaction', params: [raw] }), 'done')
  await assert.rejects(open.request({ method: 'eth_sendTransaction', params: [{}] }), refused(-32601, /not offered/))
})

test('nobody writes before the registry has said who may', async () => {
  const raw = await writer.signTransaction(KINDS['legacy'] as never)
  const unknown = guardProvider({ provider: { request: async () => 'done' }, writers: () => undefined })
  await assert.rejects(
    unknown.request({ method: 'eth_sendRawTransaction', params: [raw] }),
    refused(-32000, /not known yet/),
  )
  const { ask } = guarded(new Set())
  await assert.rejects(ask('eth_sendRawTransaction', raw), refused(-32000, /none of the 0 writers/))
})
