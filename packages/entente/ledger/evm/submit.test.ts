import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, after, test } from 'node:test'
import { type Hex, numberToHex } from 'viem'
import { append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { startAnvil } from '../conformance/anvil.ts'
import { testAccount } from '../conformance/evm.ts'
import { TestTree } from '../conformance/tree.ts'
import { LedgerError } from '../error.ts'
import { createMemoryJournal, openFileJournal } from '../journal.ts'
import { accountOfNode } from './account.ts'
import { createEvmAnchor } from './anchor.ts'
import { type EvmChainOptions, openEvmChain } from './chain.ts'
import { CHECKPOINT_ANCHOR, anchoredTopics, encodeCall, originHash } from './contract.ts'
import { createHttpProvider } from './http.ts'
import { priceOf } from './fees.ts'
import { decodePending } from './pending.ts'
import { type Eip1193Provider, RpcError } from './provider.ts'
import { until } from '../../../../test/support/until.ts'

const tree = new TestTree('submit')
let worlds = 0
const anvil = startAnvil('--hardfork', 'cancun')
after(async () => {
  const started = await anvil
  if (typeof started === 'object') started.stop()
})

async function world(t: TestContext, n = 2 + worlds++) {
  const started = await anvil
  if (typeof started === 'string') {
    t.skip(started)
    return undefined
  }
  const { url } = started
  const provider = createHttpProvider({ urls: [url] })
  const ask = <T>(method: string, ...params: unknown[]) => provider.request({ method, params }) as Promise<T>
  const account = testAccount(n)
  await ask('anvil_setBalance', account.address, numberToHex(10n ** 20n))
  const journal = createMemoryJournal()
  const open = (options: Partial<EvmChainOptions> = {}) =>
    openEvmChain({
      provider,
      account,
      chainId: 31337,
      finality: 'instant',
      journal,
      pollMs: 5,
      timeoutMs: 10_000,
      ...options,
    })
  return { url, provider, ask, account, journal, open }
}
const register = (n: number) => encodeCall('register', originHash(`log.example/${n}`))

for (const [n, point] of (['journal', 'sent'] as const).entries()) {
  const what = point === 'journal' ? 'between the journal write and the send' : 'after the send'
  test(`kill -9 ${what}: the next process anchors once`, async t => {
    const here = await world(t, n)
    if (here === undefined) return
    const { url, ask } = here
    const folder = mkdtempSync(join(tmpdir(), 'entente-submit-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'evm.journal')
    const child = spawnSync(process.execPath, [join(import.meta.dirname, 'submit.child.ts'), url, file, point, `${n}`])
    assert.equal(child.signal, 'SIGKILL', child.stderr.toString())
    const bytes = await openFileJournal(file).read()
    const { attempts } = decodePending(bytes ?? assert.fail('an empty journal'))
    const receipt = await ask('eth_getTransactionReceipt', attempts[0]?.hash)
    assert.equal(receipt === null, point === 'journal')

    const chain = await here.open({ journal: openFileJournal(file) })
    const anchor = await createEvmAnchor(chain, { id: 'submit', origin: 'log.example/submit' })
    assertCheckpoint(await anchor.latest(), tree, 7) // what was under way came to its end
    const { transaction } = await append(anchor, tree, 7)
    assert.equal(transaction, attempts[0]?.hash)
    const { contract = '', logId = '' } = await anchor.describe()
    const filter = { address: contract, topics: anchoredTopics(logId as Hex, 7), fromBlock: '0x0' }
    assert.equal((await ask<unknown[]>('eth_getLogs', filter)).length, 1)
    assert.equal(await openFileJournal(file).read(), undefined)
  })
}

test('the same call after a lost answer takes up what is under way; another one waits for its end', async t => {
  const here = await world(t)
  if (here === undefined) return
  const { ask } = here
  const patient = await here.open()
  const { created = '' } = await patient.submit({ data: CHECKPOINT_ANCHOR.bytecode })
  const chain = await here.open({ timeoutMs: 100 })
  await ask('evm_setAutomine', false)
  const lost = await chain.submit({ contract: created, data: register(1) }).catch((error: unknown) => error)
  assert.ok(lost instanceof LedgerError && lost.code === 'unreachable', String(lost))
  await rejects(chain.submit({ contract: created, data: register(2) }), 'unreachable')
  await ask('evm_setAutomine', true)
  await ask('anvil_mine', '0x1')
  const receipt = await (await here.open()).submit({ contract: created, data: register(1) })
  assert.equal(receipt.transaction, lost.transaction)
  assert.equal((await patient.submit({ contract: created, data: register(2) })).events.length, 1)
})

test('a price that is too low is raised under the same nonce, and not without end', async t => {
  const here = await world(t)
  if (here === undefined) return
  const { ask, account, journal } = here
  const { created = '' } = await (await here.open()).submit({ data: CHECKPOINT_ANCHOR.bytecode })
  const chain = await here.open({ replaceAfterMs: 50, timeoutMs: 1500 })
  await ask('evm_setAutomine', false)
  const nonce = Number(await ask<Hex>('eth_getTransactionCount', account.address, 'latest'))
  await rejects(chain.submit({ contract: created, data: register(1) }), 'unreachable')
  const { attempts, nonce: kept } = decodePending((await journal.read()) ?? assert.fail())
  assert.equal(kept, nonce)
  assert.ok(attempts.length > 2, `${attempts.length} attempts`)
  const prices = attempts.map(({ fees }) => ('gasPrice' in fees ? fees.gasPrice : fees.maxFeePerGas))
  for (const [i, price] of prices.entries()) {
    if (i > 0) assert.ok(price * 8n >= (prices[i - 1] ?? 0n) * 9n, `${price} after ${prices[i - 1]}`)
    assert.ok(price <= 10n * (prices[0] ?? 0n))
  }
  // The pool holds the one that pays most, and the next process finds whichever was mined.
  await ask('anvil_mine', '0x1')
  await ask('evm_setAutomine', true)
  const receipt = await (await here.open()).submit({ contract: created, data: register(1) })
  assert.ok(attempts.some(({ hash }) => hash === receipt.transaction))
  assert.equal(Number(await ask<Hex>('eth_getTransactionCount', account.address, 'latest')), nonce + 1)

  await ask('evm_setAutomine', false)
  await rejects(
    (await here.open({ replaceAfterMs: 5, timeoutMs: 500 })).submit({ contract: created, data: register(2) }),
    'unreachable',
  )
  assert.ok(decodePending((await journal.read()) ?? assert.fail()).attempts.length <= 9)
  await ask('evm_setAutomine', true)
  await ask('anvil_mine', '0x1')
})

test('the base fee rises above what a transaction pays: it is replaced', async t => {
  const here = await world(t)
  if (here === undefined) return
  const { ask, journal } = here
  const chain = await here.open({ replaceAfterMs: 200 })
  const { created = '' } = await chain.submit({ data: CHECKPOINT_ANCHOR.bytecode })
  await ask('evm_setAutomine', false)
  const submitted = chain.submit({ contract: created, data: register(1) })
  let bytes: Uint8Array | undefined
  await until(async () => (bytes = await journal.read()))
  const [first] = decodePending(bytes ?? assert.fail()).attempts
  await ask('anvil_setNextBlockBaseFeePerGas', numberToHex(2n * priceOf(first?.fees ?? assert.fail())))
  await ask('anvil_mine', '0x1')
  const mining = setInterval(() => void ask('anvil_mine', '0x1').catch(() => {}), 300)
  t.after(async () => {
    clearInterval(mining)
    await ask('evm_setAutomine', true)
  })
  const { events, transaction } = await submitted
  assert.equal(events.length, 1)
  assert.notEqual(transaction, first?.hash)
})

test('an account of the node signs there; after a lost answer it is found by its nonce', async t => {
  const here = await world(t)
  if (here === undefined) return
  const { ask, provider, journal } = here
  const [first = ''] = await ask<string[]>('eth_accounts')
  let isLost = false
  let isDown = false
  const lossy: Eip1193Provider = {
    async request(request) {
      if (isDown) throw new Error('connection reset')
      const answer = await provider.request(request)
      isDown = isLost && request.method === 'eth_sendTransaction'
      if (isDown) throw new Error('connection reset')
      return answer
    },
  }
  const account = accountOfNode(first)
  const anchor = await createEvmAnchor(await here.open({ account, provider: lossy, timeoutMs: 1500 }), {
    id: 'node',
    origin: 'log.example/node',
  })
  await append(anchor, tree, 3)
  isLost = true
  await rejects(append(anchor, tree, 7), 'unreachable')
  const { attempts } = decodePending((await journal.read()) ?? assert.fail())
  assert.deepEqual(
    attempts.map(({ hash, raw }) => [hash, raw]),
    [[undefined, undefined]],
  )
  await ask('anvil_mine', '0x20')
  const again = await createEvmAnchor(await here.open({ account }), { id: 'node', origin: 'log.example/node' })
  const receipt = await append(again, tree, 7)
  assert.equal((await again.find(7))?.transaction, receipt.transaction)
  await append(again, tree, 9)
  const { contract = '', logId = '' } = await again.describe()
  const filter = { address: contract, topics: anchoredTopics(logId as Hex, 7), fromBlock: '0x0' }
  assert.equal((await ask<unknown[]>('eth_getLogs', filter)).length, 1)
})

test('what a node refuses is said with what to do, and leaves nothing under way', async t => {
  const here = await world(t)
  if (here === undefined) return
  const { ask, provider, journal, account } = here
  const refusing = (method: string, code: number, message: string): Eip1193Provider => ({
    async request(request) {
      if (request.method === method) throw new RpcError(code, message)
      return provider.request(request)
    },
  })
  const deploy = { data: CHECKPOINT_ANCHOR.bytecode }
  const cases: [Eip1193Provider, string, RegExp][] = [
    [
      refusing('eth_sendRawTransaction', -32000, 'insufficient funds for gas * price + value'),
      'refused',
      /cannot pay for the transaction: send funds to it/,
    ],
    [
      refusing('eth_sendRawTransaction', -32000, 'sender account not authorized'),
      'refused',
      /have its operators authorise/,
    ],
    [refusing('eth_sendRawTransaction', -32601, 'the method does not exist'), 'unsupported', /switch its API "eth" on/],
    [refusing('eth_estimateGas', -32601, 'the method does not exist'), 'unsupported', /switch its API "eth" on/],
    [refusing('eth_sendRawTransaction', -32000, 'exceeds block gas limit'), 'refused', /exceeds block gas limit/],
  ]
  for (const [broken, code, message] of cases) {
    const chain = await here.open({ provider: broken })
    await assert.rejects(chain.submit(deploy), error => {
      assert.ok(error instanceof LedgerError)
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      return true
    })
    assert.equal(await journal.read(), undefined)
  }
  const stranger = accountOfNode(`0x${'12'.repeat(20)}`)
  await assert.rejects(
    (await here.open({ account: stranger, gasLimit: 5_000_000 })).submit(deploy),
    /does not sign for|cannot pay/,
  )
  await ask('anvil_setBalance', account.address, '0x0')
  await assert.rejects((await here.open()).submit(deploy), /cannot pay for the transaction: send funds to it/)
})

test('a journal of another account, and one that is damaged, stop it', async t => {
  const here = await world(t)
  if (here === undefined) return
  const { ask, journal } = here
  const chain = await here.open({ timeoutMs: 50 })
  await ask('evm_setAutomine', false)
  await rejects(chain.submit({ data: CHECKPOINT_ANCHOR.bytecode }), 'unreachable')
  await rejects((await here.open({ account: testAccount(1000) })).settle(), 'mismatch')
  await rejects((await here.open({ journal: createMemoryJournal(Buffer.from('{"v":1}')) })).settle(), 'corrupt')
  await rejects((await here.open({ journal: createMemoryJournal(Buffer.from('{"v":2}')) })).settle(), 'corrupt')
  await ask('evm_setAutomine', true)
  await ask('anvil_mine', '0x1')
  await (await here.open()).settle()
  assert.equal(await journal.read(), undefined)
})

test('without a journal that can be written nothing is sent', async t => {
  const here = await world(t)
  if (here === undefined) return
  const sent: string[] = []
  const provider: Eip1193Provider = {
    request(request) {
      if (request.method.startsWith('eth_send')) sent.push(request.method)
      return here.provider.request(request)
    },
  }
  const full = {
    read: async () => undefined,
    write: async () => {
      throw new Error('ENOSPC: no space left on device')
    },
  }
  const chain = await here.open({ provider, journal: full })
  await assert.rejects(chain.submit({ data: CHECKPOINT_ANCHOR.bytecode }), /ENOSPC/)
  assert.deepEqual(sent, [])
})
