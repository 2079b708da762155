import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Abi } from 'viem'
import { encodeFunctionData, hexToBytes, keccak256, toHex } from 'viem/utils'
import { startAnvil } from '../conformance/anvil.ts'
import { withFaults } from '../conformance/faults.ts'
import { recordsConformance } from '../conformance/records.ts'
import { accountFromKey } from './account.ts'
import { openEvmChain } from './chain.ts'
import { createEmbeddedProvider } from './embedded/provider.ts'
import { createHttpProvider } from './http.ts'
import type { ClosableProvider } from './provider.ts'
import { createEvmRecords } from './records.ts'
import artifact from './RecordStore.json' with { type: 'json' }

/** TEST KEY: anybody can derive it. */
const account = accountFromKey(keccak256(toHex('entente test account of records')))
const TOPIC = keccak256(toHex('ChunkStored(bytes32,address,uint32,uint32,bytes)'))

const openChain = (provider: ClosableProvider, chainId: number) =>
  openEvmChain({ provider, account, chainId, finality: 'instant', pollMs: 5, timeoutMs: 10_000 })

async function subjectOn(provider: ClosableProvider, chainId: number) {
  return {
    open: async () => createEvmRecords(await openChain(provider, chainId)),
    count: async (id: Uint8Array) => {
      const filter = { topics: [TOPIC, toHex(id)], fromBlock: '0x0', toBlock: 'latest' }
      return ((await provider.request({ method: 'eth_getLogs', params: [filter] })) as unknown[]).length
    },
  }
}

async function embedded(t: { after(f: () => Promise<void>): void }): Promise<ClosableProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'entente-records-'))
  const provider = await createEmbeddedProvider({ folder, chainId: 6100, now: Date.now, worker: false })
  t.after(async () => {
    await provider.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return provider
}

recordsConformance('embedded', async t => subjectOn(await embedded(t), 6100))

recordsConformance('anvil', async t => {
  const anvil = await startAnvil()
  if (typeof anvil === 'string') {
    t.skip(anvil)
    return undefined
  }
  t.after(() => anvil.stop())
  const provider = createHttpProvider({ urls: [anvil.url] })
  await provider.request({ method: 'anvil_setBalance', params: [account.address, toHex(10n ** 20n)] })
  return subjectOn(provider, 31337)
})

for (const fault of ['dropped', 'answer-lost'] as const) {
  test(`records: a transaction ${fault}: the same call again puts each piece once`, async t => {
    const faulty = withFaults(await embedded(t))
    const { open, count } = await subjectOn(faulty.provider, 6100)
    const keeper = await open()
    await keeper.put([{ id: hexToBytes(`0x${'01'.repeat(32)}`), bytes: Buffer.from('first') }])
    const record = { id: hexToBytes(`0x${'02'.repeat(32)}`), bytes: Buffer.alloc(50_000, 7) }
    faulty.fault(fault, false)
    await keeper.put([record]).catch(() => keeper.put([record]))
    assert.equal(await count(record.id), 2)
    assert.deepEqual(
      (await keeper.get(record.id)).map(b => b.length),
      [50_000],
    )
  })
}

test('records: what somebody else puts under the same id is a second candidate, whatever it is', async t => {
  const provider = await embedded(t)
  const { open } = await subjectOn(provider, 6100)
  const keeper = await open()
  const id = hexToBytes(`0x${'03'.repeat(32)}`)
  await keeper.put([{ id, bytes: Buffer.from('ours') }])
  const filter = { topics: [TOPIC], fromBlock: '0x0', toBlock: 'latest' }
  const [{ address }] = (await provider.request({ method: 'eth_getLogs', params: [filter] })) as [{ address: string }]
  const stranger = accountFromKey(keccak256(toHex('entente test account of a stranger')))
  const chain = await openEvmChain({ provider, account: stranger, chainId: 6100, finality: 'instant', pollMs: 5 })
  const chunk = { id: toHex(id), index: 0, count: 1, data: toHex('theirs') }
  const data = encodeFunctionData({ abi: artifact.abi as Abi, functionName: 'put', args: [[chunk]] })
  await chain.submit({ contract: address, data: hexToBytes(data) })
  const texts = (await keeper.get(id)).map(b => Buffer.from(b).toString())
  assert.deepEqual(texts, ['ours', 'theirs'])
})
