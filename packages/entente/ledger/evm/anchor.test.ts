import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, after, test } from 'node:test'
import { keccak256, numberToHex, toHex } from 'viem'
import { append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { startAnvil } from '../conformance/anvil.ts'
import { TestTree } from '../conformance/tree.ts'
import { ContractRefusal } from '../chain.ts'
import { LedgerError } from '../error.ts'
import { type Account, type SigningAccount, accountFromKey } from './account.ts'
import { createEvmAnchor, openEvmAnchor } from './anchor.ts'
import { openEvmChain } from './chain.ts'
import { CHECKPOINT_ANCHOR, encodeCall, logIdOf, originHash } from './contract.ts'
import { createEmbeddedProvider } from './embedded/provider.ts'
import { createHttpProvider } from './http.ts'
import type { ClosableProvider } from './provider.ts'

let accounts = 0
/** TEST KEY: derived from a fixed seed. */
const testAccount = () =>
  accountFromKey(`0x${createHash('sha256').update(`entente test account of anchor.test ${accounts++}`).digest('hex')}`)
const tree = new TestTree('anchor.test')
const ORIGIN = 'log.example/one'

async function embedded(t: TestContext): Promise<ClosableProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'entente-anchor-'))
  const provider = await createEmbeddedProvider({ folder, chainId: 6100, now: Date.now, worker: false })
  t.after(async () => {
    await provider.close()
    rmSync(folder, { recursive: true })
  })
  return provider
}
const chainOn = (provider: ClosableProvider, account: Account, chainId = 6100) =>
  openEvmChain({
    provider: { request: request => provider.request(request) },
    account,
    chainId,
    finality: 'instant',
    gasLimit: 5_000_000,
    pollMs: 5,
  })

const anvil = startAnvil('--hardfork', 'cancun')
after(async () => {
  const started = await anvil
  if (typeof started === 'object') started.stop()
})
async function funded(url: string): Promise<{ account: SigningAccount; provider: ClosableProvider }> {
  const account = testAccount()
  const provider = createHttpProvider({ urls: [url] })
  await provider.request({ method: 'anvil_setBalance', params: [account.address, numberToHex(10n ** 20n)] })
  return { account, provider }
}

test('an account finds its contract again; two logs share it', async t => {
  const provider = await embedded(t)
  const account = testAccount()
  const one = await createEvmAnchor(await chainOn(provider, account), { id: 'a', origin: ORIGIN })
  await append(one, tree, 3)
  const two = await createEvmAnchor(await chainOn(provider, account), { id: 'a', origin: 'log.example/two' })
  const again = await createEvmAnchor(await chainOn(provider, account), { id: 'a', origin: ORIGIN })
  const identities = await Promise.all([one, two, again].map(anchor => anchor.describe()))
  assert.equal(new Set(identities.map(({ contract }) => contract)).size, 1)
  assert.equal(identities[0]?.logId, logIdOf(account.address, ORIGIN))
  assert.deepEqual(identities[2], identities[0])
  assert.equal(await two.latest(), undefined)
  assertCheckpoint(await again.latest(), tree, 3)
})

test('another chain, another contract, a log of somebody else: refused', async t => {
  const provider = await embedded(t)
  const owner = testAccount()
  await rejects(chainOn(provider, owner, 1), 'mismatch')
  const { contract = '', logId = '' } = await (
    await createEvmAnchor(await chainOn(provider, owner), { id: 'a', origin: ORIGIN })
  ).describe()
  await rejects(
    createEvmAnchor(await chainOn(provider, owner), { id: 'a', origin: ORIGIN, contract: `0x${'12'.repeat(20)}` }),
    'mismatch',
  )
  const stranger = await chainOn(provider, testAccount())
  await rejects(createEvmAnchor(stranger, { id: 'a', origin: ORIGIN, contract, logId }), 'refused')
  await rejects(
    createEvmAnchor(stranger, { id: 'a', origin: ORIGIN, contract, logId: `0x${'34'.repeat(32)}` }),
    'mismatch',
  )
  // The same origin of another account is another log.
  const other = await createEvmAnchor(stranger, { id: 'a', origin: ORIGIN, contract })
  assert.notEqual((await other.describe()).logId, logId)
  await append(other, new TestTree('other'), 5)
})

test('a log that was handed over, and one that was closed', async t => {
  const provider = await embedded(t)
  const [first, second] = [testAccount(), testAccount()]
  const chain = await chainOn(provider, first)
  const anchor = await createEvmAnchor(chain, { id: 'a', origin: ORIGIN })
  const { contract = '', logId = '' } = await anchor.describe()
  await append(anchor, tree, 5)
  const chain2 = await chainOn(provider, second)
  await chain.submit({ contract, data: encodeCall('offerOwnership', logId, second.address) })
  await chain2.submit({ contract, data: encodeCall('acceptOwnership', logId) })
  await rejects(append(anchor, tree, 8), 'refused')
  const handed = await createEvmAnchor(chain2, { id: 'a', origin: ORIGIN, contract, logId })
  assertCheckpoint(await handed.latest(), tree, 5)
  await append(handed, tree, 9)

  const origin = 'log.example/after-the-loss'
  const next = logIdOf(second.address, origin)
  await chain2.submit({ contract, data: encodeCall('register', originHash(origin)) })
  await chain2.submit({ contract, data: encodeCall('succeed', logId, 5n, next) })
  await rejects(append(handed, tree, 12), 'closed')
  const successor = await createEvmAnchor(await chainOn(provider, second), { id: 'a', origin, contract })
  assertCheckpoint(await successor.latest(), tree, 5)
  assert.equal((await successor.find(5))?.size, 5)
  await append(successor, tree, 7)
})

test('a log that ended: another one of its owner goes on from the largest checkpoint that both have, once', async t => {
  const provider = await embedded(t)
  const account = testAccount()
  const chain = await chainOn(provider, account)
  const old = await createEvmAnchor(chain, { id: 'a', origin: ORIGIN })
  for (const size of [3, 5, 9]) await append(old, tree, size)
  const shared = [2, 3, 5, 6].map(size => ({ size, root: tree.root(size) }))
  const open = (origin: string) => createEvmAnchor(chain, { id: 'a', origin })
  const next = await open('log.example/2')
  await rejects(next.succeed!(ORIGIN, [{ size: 5, root: Buffer.alloc(32, 1) }]), 'fork')
  const transactions = () =>
    provider.request({ method: 'eth_getTransactionCount', params: [account.address, 'latest'] })
  assert.deepEqual(await next.succeed!(ORIGIN, shared), { latest: 9, size: 5 })
  const before = await transactions()
  assert.deepEqual(await (await open('log.example/2')).succeed!(ORIGIN, shared), { latest: 9, size: 5 }, 'and again')
  assert.equal(await transactions(), before)
  assertCheckpoint(await next.latest(), tree, 5)
  await rejects(append(old, tree, 12), 'closed')
  await append(next, tree, 7)
  const third = await open('log.example/3')
  await rejects(third.succeed!(ORIGIN, shared), 'closed')
  assert.deepEqual(await third.succeed!('log.example/never', shared), { latest: 0, size: 0 })
  assert.deepEqual(await third.succeed!('log.example/2', [{ size: 6, root: tree.root(6) }]), { latest: 7, size: 0 })
  assert.equal(await third.latest(), undefined)
  const { logId = '', contract = '' } = await next.describe()
  const named = await createEvmAnchor(chain, { id: 'a', origin: 'log.example/4', contract, logId })
  await rejects(named.succeed!(ORIGIN, shared), 'unsupported')
})

test('a checkpoint that another process anchored in between is met again', async t => {
  const provider = await embedded(t)
  const account = testAccount()
  const one = await createEvmAnchor(await chainOn(provider, account), { id: 'a', origin: ORIGIN })
  const two = await createEvmAnchor(await chainOn(provider, account), { id: 'a', origin: ORIGIN })
  await append(one, tree, 4)
  await append(two, tree, 6)
  const receipt = await append(two, tree, 9)
  assert.deepEqual(await append(one, tree, 9), receipt) // `one` remembers size 4
  await append(one, tree, 11)
  await rejects(append(two, tree, 10), 'stale')
})

test('processes that share an account race for nonces and both get through', async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const { account } = await funded(started.url)
  const open = (origin: string, contract?: string) =>
    openEvmAnchor({
      id: 'a',
      urls: [started.url],
      chainId: 31337,
      account,
      finality: 'instant',
      origin,
      pollMs: 10,
      ...(contract === undefined ? {} : { contract }),
    })
  const first = await open('log.example/0')
  const { contract = '' } = await first.describe()
  const anchors = [first, await open('log.example/1', contract), await open('log.example/2', contract)]
  const receipts = await Promise.all(anchors.flatMap(anchor => [2, 3, 7].map(size => append(anchor, tree, size))))
  assert.equal(new Set(receipts.map(({ transaction }) => transaction)).size, 9)
  for (const anchor of anchors) {
    assertCheckpoint(await anchor.latest(), tree, 7)
    await anchor.close()
  }
})

test("a transaction that is reverted in a block gives the contract's reason", async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const { account, provider } = await funded(started.url)
  const options = { provider, account, chainId: 31337, finality: 'instant', pollMs: 10 } as const
  const anchor = await createEvmAnchor(await openEvmChain(options), { id: 'a', origin: ORIGIN })
  const { contract = '', logId = '' } = await anchor.describe()
  await append(anchor, tree, 5)
  const blind = await openEvmChain({ ...options, gasLimit: 1_000_000 }) // sends without a trial
  await assert.rejects(
    blind.submit({ contract, data: encodeCall('anchor', logId, 4n, toHex(tree.root(4)), []) }),
    error => {
      assert.ok(
        error instanceof LedgerError && error.code === 'refused' && error.transaction !== undefined,
        String(error),
      )
      assert.ok(error.cause instanceof ContractRefusal)
      assert.equal(
        toHex(error.cause.data.subarray(0, 4)),
        keccak256(toHex('Stale(bytes32,uint64,uint64)')).slice(0, 10),
      )
      return true
    },
  )
  assertCheckpoint(await anchor.latest(), tree, 5)
  await anchor.close()
})

test('finality by depth; a block that is reorganised away is no longer final', async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const { account, provider } = await funded(started.url)
  const anchor = await createEvmAnchor(
    await openEvmChain({ provider, account, chainId: 31337, finality: { depth: 3 }, pollMs: 10 }),
    { id: 'a', origin: ORIGIN },
  )
  const snapshot = await provider.request({ method: 'evm_snapshot' })
  const receipt = await append(anchor, tree, 5)
  assert.deepEqual(await anchor.finality(receipt), { final: false, confirmations: 0 })
  await provider.request({ method: 'anvil_mine', params: ['0x2'] })
  assert.deepEqual(await anchor.finality(receipt), { final: false, confirmations: 2 })
  await provider.request({ method: 'anvil_mine', params: ['0x1'] })
  assert.deepEqual(await anchor.finality(receipt), { final: true, confirmations: 3 })
  await provider.request({ method: 'evm_revert', params: [snapshot] })
  assert.deepEqual(await anchor.finality(receipt), { final: false, confirmations: 0 })
  assert.equal(await anchor.latest(), undefined)
  const again = await append(anchor, tree, 5) // the ledger is asked, not what we remember
  assertCheckpoint(await anchor.latest(), tree, 5)
  assert.deepEqual(await anchor.find(5), again)
  await anchor.close()
})

test('after a reorganisation the next anchor goes on from what is there, although more was remembered', async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const { account, provider } = await funded(started.url)
  const chain = await openEvmChain({ provider, account, chainId: 31337, finality: { depth: 1 }, pollMs: 10 })
  const anchor = await createEvmAnchor(chain, { id: 'a', origin: ORIGIN })
  await append(anchor, tree, 3)
  const snapshot = await provider.request({ method: 'evm_snapshot' })
  await append(anchor, tree, 5)
  await append(anchor, tree, 6)
  await provider.request({ method: 'evm_revert', params: [snapshot] })
  const receipt = await append(anchor, tree, 9) // 6 is remembered, 3 is there
  assertCheckpoint(await anchor.latest(), tree, 9)
  assert.equal(await anchor.find(6), undefined)
  assert.deepEqual(await anchor.find(9), receipt)
  await anchor.close()
})

test('a contract that is missing, or another one, and an account that is not the owner: refused with what to do', async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const { account, provider } = await funded(started.url)
  const chain = await openEvmChain({ provider, account, chainId: 31337, finality: 'instant', pollMs: 10 })
  const open = (options: { contract?: string; logId?: string; readOnly?: boolean }, on = chain) =>
    createEvmAnchor(on, { id: 'a', origin: ORIGIN, ...options })
  const says = (promise: Promise<unknown>, code: string, message: RegExp) =>
    assert.rejects(promise, error => {
      assert.ok(error instanceof LedgerError, String(error))
      assert.equal(error.code, code)
      assert.match(error.message, message)
      return true
    })
  const nothing = `0x${'12'.repeat(20)}`
  await says(
    open({ contract: nothing }),
    'mismatch',
    /there is no contract at 0x1212.* on chain 31337: correct the address, or leave it out/,
  )
  // PUSH1 1, PUSH1 0, RETURN: a contract of one byte, STOP.
  const { created: other = '' } = await chain.submit({ data: Uint8Array.from([0x60, 1, 0x60, 0, 0xf3]) })
  await says(
    open({ contract: other }),
    'mismatch',
    /is not the CheckpointAnchor of this version \(code hash 0x[0-9a-f]{64}, it should be 0x/,
  )
  await says(open({ readOnly: true }), 'mismatch', /has created no CheckpointAnchor on chain 31337/)

  const anchor = await open({})
  const { contract = '', logId = '' } = await anchor.describe()
  const { account: second } = await funded(started.url)
  const theirs = await openEvmChain({ provider, account: second, chainId: 31337, finality: 'instant', pollMs: 10 })
  await says(
    open({ contract, logId }, theirs),
    'refused',
    /belongs to 0x[0-9a-f]{40}, the account is 0x[0-9a-f]{40}: use the owner's account/,
  )
  await says(open({ contract, readOnly: true }, theirs), 'mismatch', /is not registered in/)
  // A reader needs no account of the log.
  const reader = await open({ contract, logId, readOnly: true }, theirs)
  assert.equal((await reader.describe()).owner, account.address)
})

test('a reorganisation that undoes the registration: the log is registered again', async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const { account, provider } = await funded(started.url)
  const chain = await openEvmChain({ provider, account, chainId: 31337, finality: { depth: 1 }, pollMs: 10 })
  await createEvmAnchor(chain, { id: 'a', origin: 'log.example/first' }) // deploys
  for (const remembers of [false, true]) {
    const snapshot = await provider.request({ method: 'evm_snapshot' })
    const anchor = await createEvmAnchor(chain, { id: 'a', origin: `log.example/${remembers}` })
    if (remembers) await append(anchor, tree, 5)
    await provider.request({ method: 'evm_revert', params: [snapshot] })
    await rejects(anchor.latest(), 'refused')
    assertCheckpoint(await append(anchor, tree, 7), tree, 7)
    assertCheckpoint(await anchor.latest(), tree, 7)
  }
})

test('nodes behind one URL that are at different blocks do not make a fork of it', async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const { account, provider } = await funded(started.url)
  let behind: string | undefined
  let estimates = 0
  // Every other estimate is made by a node that has not seen the newest anchors yet.
  const balanced: ClosableProvider = {
    async request({ method, params = [] }) {
      if (behind === undefined || method !== 'eth_estimateGas' || estimates++ % 2 === 1)
        return provider.request({ method, params })
      return provider.request({ method: 'eth_call', params: [params[0], behind] }).then(() => '0x100000')
    },
    close: async () => {},
  }
  const chain = await openEvmChain({ provider: balanced, account, chainId: 31337, finality: 'instant', pollMs: 10 })
  const anchor = await createEvmAnchor(chain, { id: 'a', origin: ORIGIN })
  const { block } = await append(anchor, tree, 3)
  await append(anchor, tree, 6)
  behind = numberToHex(block)
  assertCheckpoint(await append(anchor, tree, 9), tree, 9)
  assertCheckpoint(await append(anchor, tree, 12), tree, 12)
  assert.ok(estimates >= 4)
  await rejects(append(anchor, new TestTree('another history'), 15), 'fork') // one is still found
  await rejects(append(anchor, tree, 10), 'stale')
})

test('a contract whose block is reorganised away is not deployed a second time', async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  const { account, provider } = await funded(started.url)
  const ask = <T>(method: string, ...params: unknown[]) => provider.request({ method, params }) as Promise<T>
  let hook: (() => Promise<unknown>) | undefined
  const reorganising: ClosableProvider = {
    async request(request) {
      const answer = await provider.request(request)
      // The receipt was seen, and now its block goes: the transaction waits in the pool again.
      if (request.method === 'eth_getTransactionReceipt' && answer !== null && hook !== undefined) {
        const run = hook
        hook = undefined
        await run()
      }
      return answer
    },
    close: async () => {},
  }
  const options = { account, chainId: 31337, finality: { depth: 1 }, pollMs: 10 } as const
  const sent: string[] = []
  const open = async () => {
    const chain = await openEvmChain({ ...options, provider: reorganising })
    return createEvmAnchor(chain, { id: 'a', origin: ORIGIN })
  }
  const snapshot = await ask('evm_snapshot')
  hook = async () => {
    await ask('evm_revert', snapshot)
    await ask('evm_setAutomine', false)
    const nonce = Number(await ask<string>('eth_getTransactionCount', account.address, 'latest'))
    const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 10n ** 9n }
    const signed = await account.sign({
      chainId: 31337,
      nonce,
      gas: 3_000_000n,
      to: undefined,
      data: toHex(CHECKPOINT_ANCHOR.bytecode),
      fees,
    })
    sent.push(signed.hash)
    await ask('eth_sendRawTransaction', signed.raw)
  }
  await rejects(open(), 'unreachable') // its block is gone
  await rejects(open(), 'unreachable') // it waits in the pool
  await ask('evm_setAutomine', true)
  await ask('anvil_mine', '0x1')
  const anchor = await open()
  const { contractAddress } = await ask<{ contractAddress: string }>('eth_getTransactionReceipt', sent[0])
  assert.equal((await anchor.describe()).contract, contractAddress.toLowerCase())
  assert.equal(await ask('eth_getTransactionCount', account.address, 'latest'), '0x2') // created, registered
})

test('of several contracts of an account, the one that has the log', async t => {
  const provider = await embedded(t)
  const account = testAccount()
  const chain = await chainOn(provider, account)
  await chain.submit({ data: CHECKPOINT_ANCHOR.bytecode })
  const { created: second = '' } = await chain.submit({ data: CHECKPOINT_ANCHOR.bytecode })
  await append(await createEvmAnchor(chain, { id: 'a', origin: ORIGIN, contract: second }), tree, 3)
  const found = await createEvmAnchor(await chainOn(provider, account), { id: 'a', origin: ORIGIN })
  assert.equal((await found.describe()).contract, second)
  assertCheckpoint(await found.latest(), tree, 3)
})
