import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Hex, numberToHex } from 'viem'
import { append, rejects } from '../conformance/anchor.ts'
import { startAnvil } from '../conformance/anvil.ts'
import { testAccount } from '../conformance/evm.ts'
import { TestTree } from '../conformance/tree.ts'
import { createEvmAnchor } from './anchor.ts'
import { openEvmChain } from './chain.ts'
import { cliqueDepth, cliqueSigners, finalizedBlock, resolveFinality } from './finality.ts'
import { createHttpProvider } from './http.ts'
import { RpcError } from './provider.ts'
import { askOf } from './rpc.ts'

const anvil = startAnvil('--hardfork', 'cancun', '--slots-in-an-epoch', '1')
after(async () => {
  const started = await anvil
  if (typeof started === 'object') started.stop()
})
const SIGNERS = ['0x37550a4263223ed6f06179be0617d67ab2ff4f87', '0x2ef5d5c7b1c7016246f4685e33e85835f91eca51']
const asked = (answers: (method: string, params: readonly unknown[]) => unknown) =>
  askOf({ request: async ({ method, params = [] }) => answers(method, params) })

test('Clique: N/2 + 1 blocks of its signers', async () => {
  assert.deepEqual([1, 2, 3, 4, 5, 7, 10].map(cliqueDepth), [1, 2, 2, 3, 3, 4, 6])
  const sorted = SIGNERS.toSorted()
  assert.deepEqual(
    await cliqueSigners(asked(() => SIGNERS.map(address => address.toUpperCase().replace('0X', '0x')))),
    sorted,
  )
  assert.deepEqual(
    await resolveFinality(
      asked(() => SIGNERS),
      'clique',
    ),
    { finality: { depth: 2 }, signers: sorted },
  )

  // Where the API is off, the last header that lists them says it.
  const blocks: Hex[] = []
  const extra = `0x${'00'.repeat(32)}${SIGNERS.map(address => address.slice(2)).join('')}${'00'.repeat(65)}`
  const withoutApi = (extraData: string) =>
    asked((method, params) => {
      if (method === 'clique_getSigners') throw new RpcError(-32601, 'the method does not exist')
      if (method === 'eth_blockNumber') return numberToHex(65_123)
      blocks.push(params[0] as Hex)
      return { extraData }
    })
  assert.deepEqual(await cliqueSigners(withoutApi(extra)), sorted)
  assert.deepEqual(blocks.map(Number), [60_000])
  for (const extraData of ['0x', `0x${'00'.repeat(97)}`, `0x${'00'.repeat(100)}`])
    await rejects(resolveFinality(withoutApi(extraData), 'clique'), 'unsupported')
})

test('finalized: what the chain says, if it says anything', async () => {
  const says = (answer: unknown) =>
    asked(() => {
      if (answer instanceof Error) throw answer
      return answer
    })
  assert.equal(await finalizedBlock(says({ number: '0x10' })), 16)
  assert.equal(await finalizedBlock(says(null)), undefined)
  assert.equal(await finalizedBlock(says(new RpcError(-39001, 'finalized block not found'))), undefined)
  const unknown = new RpcError(-32602, 'invalid argument 0: hex string without 0x prefix')
  await rejects(resolveFinality(says(unknown), 'finalized'), 'unsupported')
  assert.deepEqual(await resolveFinality(says(null), 'finalized'), { finality: 'finalized' })
})

test('an anchor is final once its block is finalized', async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const provider = createHttpProvider({ urls: [started.url] })
  const account = testAccount()
  await provider.request({ method: 'anvil_setBalance', params: [account.address, numberToHex(10n ** 20n)] })
  const anchor = await createEvmAnchor(
    await openEvmChain({ provider, account, chainId: 31337, finality: 'finalized', pollMs: 5 }),
    { id: 'a', origin: 'log.example/finality' },
  )
  assert.equal((await anchor.describe()).finality, 'finalized')
  const tree = new TestTree('finality')
  const receipt = await append(anchor, tree, 3)
  assert.deepEqual(await anchor.finality(receipt), { final: false, confirmations: 0 })
  for (let mined = 0; mined < 5; mined++) {
    const { final, confirmations } = await anchor.finality(receipt)
    const block = (await provider.request({ method: 'eth_getBlockByNumber', params: ['finalized', false] })) as {
      number: Hex
    }
    assert.equal(final, Number(block.number) >= receipt.block)
    assert.equal(confirmations, mined)
    await provider.request({ method: 'anvil_mine', params: ['0x1'] })
  }
  assert.equal((await anchor.finality(receipt)).final, true)
  await anchor.close()
})
