import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, after, test } from 'node:test'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Abi, type Hex, createPublicClient, createWalletClient, custom, defineChain, keccak256, toHex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { decodeRlp, rootAtSlot, verifySealedHeader, verifyTrieProof } from '@entente/verify/proof'
import { append, assertCheckpoint, rejects } from '../../conformance/anchor.ts'
import { TestTree } from '../../conformance/tree.ts'
import artifact from '../CheckpointAnchor.json' with { type: 'json' }
import { type ClosableProvider, RpcError } from '../provider.ts'
import { openEmbeddedAnchor } from './anchor.ts'
import { createEmbeddedHost } from './host.ts'
import { type EmbeddedProviderOptions, createEmbeddedProvider } from './provider.ts'

/** TEST KEY: derived from a fixed seed. */
const account = privateKeyToAccount(keccak256(toHex('entente test account of the embedded chain')))
const CHAIN_ID = 6100
const abi = artifact.abi as Abi
const tree = new TestTree('embedded')

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'entente-embedded-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
const open = (folder: string, options: Partial<EmbeddedProviderOptions> = {}) =>
  createEmbeddedProvider({ folder, chainId: CHAIN_ID, now: Date.now, worker: false, ...options })
const openAnchor = (folder: string, options: Partial<EmbeddedProviderOptions> = {}) =>
  openEmbeddedAnchor({ id: 'local', origin: 'log.example/embedded', folder, now: Date.now, worker: false, ...options })
const ask = <T = Hex>(provider: ClosableProvider, method: string, ...params: unknown[]) =>
  provider.request({ method, params }) as Promise<T>
const verify = (provider: ClosableProvider) =>
  ask<{ blocks: number; nodes: number; head: Hex }>(provider, 'entente_verify', { replay: true })
const signed = (fields: {
  nonce: number
  gas?: bigint
  to?: Hex
  data?: Hex
  gasPrice?: bigint
  value?: bigint
  chainId?: number
}) => account.signTransaction({ type: 'legacy', chainId: CHAIN_ID, gas: 3_000_000n, gasPrice: 0n, ...fields })
const answers = (code: number, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof RpcError, String(error))
  assert.equal(error.code, code, error.message)
  assert.match(error.message, message)
  return true
}

let template: string | undefined
after(() => rmSync(template ?? '', { recursive: true, force: true }))
/** A folder with three anchors in it, closed. */
async function filled(t: TestContext): Promise<string> {
  if (template === undefined) {
    template = mkdtempSync(join(tmpdir(), 'entente-embedded-'))
    const anchor = await openAnchor(template)
    for (const size of [3, 5, 9]) await append(anchor, tree, size)
    await anchor.close()
  }
  const folder = newFolder(t)
  cpSync(template, folder, { recursive: true })
  return folder
}

test('viem finds what it needs: deploy, write, read, blocks, transactions, logs, proofs', async t => {
  const provider = await open(newFolder(t))
  const chain = defineChain({
    id: CHAIN_ID,
    name: 'test',
    nativeCurrency: { name: 'none', symbol: '-', decimals: 18 },
    rpcUrls: { default: { http: [] } },
  })
  const wallet = createWalletClient({ account, chain, transport: custom(provider) })
  const client = createPublicClient({ chain, transport: custom(provider), pollingInterval: 5 })
  const deployment = await wallet.deployContract({ abi, bytecode: artifact.bytecode as Hex })
  const { contractAddress: address } = await client.waitForTransactionReceipt({ hash: deployment })
  assert.ok(address)
  const hash = await wallet.writeContract({ address, abi, functionName: 'register', args: [keccak256('0x01')] })
  const receipt = await client.waitForTransactionReceipt({ hash })
  assert.equal(receipt.status, 'success')
  assert.equal(receipt.logs.length, 1)
  assert.equal(receipt.logsBloom, (await client.getBlock({ blockHash: receipt.blockHash })).logsBloom)
  const block = await client.getBlock({ blockHash: receipt.blockHash, includeTransactions: true })
  assert.equal(block.transactions[0]?.hash, hash)
  assert.equal(block.number, 2n)
  assert.equal((await client.getTransaction({ hash })).from, account.address.toLowerCase())
  const logId = receipt.logs[0]?.topics[1]
  assert.equal(
    String(await client.readContract({ address, abi, functionName: 'ownerOf', args: [logId] })),
    account.address,
  )
  assert.equal((await client.getContractEvents({ address, abi, eventName: 'LogRegistered', fromBlock: 0n })).length, 1)
  assert.equal((await client.getLogs({ address, fromBlock: 3n })).length, 0)
  assert.equal((await client.getLogs({ blockHash: receipt.blockHash })).length, 1)
  assert.equal((await client.getLogs({ address: account.address, fromBlock: 0n })).length, 0)
  assert.equal((await client.getProof({ address, storageKeys: [toHex(0, { size: 32 })] })).storageProof.length, 1)
  assert.equal(await client.getTransactionCount({ address: account.address }), 2)
  assert.equal(await client.getBalance({ address }), 0n)
  assert.equal(keccak256((await client.getCode({ address })) ?? '0x'), artifact.codeHash)
  await provider.close()
})

test('what the chain refuses changes nothing', async t => {
  const provider = await open(newFolder(t))
  const send = async (fields: Parameters<typeof signed>[0]) =>
    ask(provider, 'eth_sendRawTransaction', await signed(fields))
  const refused: [() => Promise<unknown>, number, RegExp][] = [
    [() => send({ nonce: 1 }), -32000, /nonce too high: next nonce 0/],
    [() => send({ nonce: 0, gas: 20_000n }), -32000, /needs at least 53000/],
    [() => send({ nonce: 0, gas: 30_000_001n }), -32000, /a block has 30000000/],
    [() => send({ nonce: 0, gasPrice: 1n }), -32000, /no currency/],
    [() => send({ nonce: 0, value: 1n, to: account.address }), -32000, /no currency/],
    [() => send({ nonce: 0, chainId: 1 }), -32000, /chain/i],
    [() => send({ nonce: 0, data: '0xfd' }), -32000, /stack underflow/],
    [() => send({ nonce: 0, data: '0x60006000fd' }), 3, /execution reverted/],
    [() => ask(provider, 'eth_sendRawTransaction', '0x'), -32000, /no transaction/],
    [() => ask(provider, 'eth_sendRawTransaction', '0xc0'), -32000, /no transaction/],
    [() => ask(provider, 'eth_sendRawTransaction', `0x${'00'.repeat(128 * 1024 + 1)}`), -32602, /at most 131072 bytes/],
    [() => ask(provider, 'eth_sendRawTransaction', 7), -32602, /expected/],
    [() => ask(provider, 'eth_call', { to: '0x12' }), -32602, /20 bytes/],
    [() => ask(provider, 'eth_call', { data: '0x60006000fd' }), 3, /reverted/],
    [() => ask(provider, 'eth_call', { data: '0x5b600056', gas: '0x186a0' }), -32000, /out of gas/],
    [() => ask(provider, 'eth_call', null), -32602, /call object/],
    [() => ask(provider, 'eth_getBalance', account.address, '0x5'), -32001, /block 5 does not exist/],
    [() => ask(provider, 'eth_getLogs', { topics: ['0xzz'] }), -32602, /32 bytes/],
    [() => ask(provider, 'eth_getLogs', { blockHash: `0x${'11'.repeat(32)}` }), -32001, /does not exist/],
    [
      () =>
        ask(
          provider,
          'eth_getProof',
          account.address,
          Array.from({ length: 65 }, () => '0x0'),
        ),
      -32005,
      /at most 64/,
    ],
    [() => ask(provider, 'debug_traceBlock'), -32601, /does not exist/],
    [() => ask(provider, 'constructor'), -32601, /does not exist/],
  ]
  for (const [call, code, message] of refused) await assert.rejects(call, answers(code, message))
  assert.equal(await ask(provider, 'eth_blockNumber'), '0x0')
  assert.equal(await ask(provider, 'eth_getTransactionByHash', `0x${'11'.repeat(32)}`), null)
  assert.equal(await ask(provider, 'eth_getBlockByNumber', '0x9', false), null)
  await send({ nonce: 0, data: '0x00' })
  await assert.rejects(send({ nonce: 0, data: '0x00' }), answers(-32000, /already known/))
  await assert.rejects(send({ nonce: 0, data: '0x01' }), answers(-32000, /nonce too low: next nonce 1/))
  await verify(provider)
  await provider.close()
})

test('transactions sent together share a block, in order; what is refused leaves no trace in it', async t => {
  const provider = await open(newFolder(t))
  /** Creation code that writes to storage and then returns, or refuses. */
  const [writes, writesAndRefuses] = ['0x600160005560006000f3', '0x600160005560006000fd'] as const
  const others = [1, 2].map(n =>
    privateKeyToAccount(keccak256(toHex(`entente test account ${n} of the embedded chain`))),
  )
  const fields = { type: 'legacy', chainId: CHAIN_ID, gas: 3_000_000n, gasPrice: 0n, nonce: 0 } as const
  const raws = [
    await signed({ nonce: 0, data: writes }),
    await others[0]!.signTransaction({ ...fields, data: writesAndRefuses }),
    await signed({ nonce: 1, data: writes }),
    await others[1]!.signTransaction({ ...fields, data: writes }),
  ]
  const settled = await Promise.allSettled(raws.map(raw => ask(provider, 'eth_sendRawTransaction', raw)))
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  assert.equal(await ask(provider, 'eth_blockNumber'), '0x1')
  assert.equal(await ask(provider, 'eth_getTransactionCount', account.address, 'pending'), '0x2')
  assert.equal(await ask(provider, 'eth_getTransactionCount', others[0]!.address, 'latest'), '0x0')
  const { transactions } = await ask<{ transactions: Hex[] }>(provider, 'eth_getBlockByNumber', 'latest', false)
  assert.deepEqual(
    transactions,
    [0, 2, 3].map(i => keccak256(raws[i]!)),
  )
  // Executed again without the refused one, the block gives the same state.
  assert.equal((await verify(provider)).blocks, 2)
  await provider.close()
})

test('a write that fails leaves the chain as it was, and usable', async t => {
  let fail = false
  const provider = await open(newFolder(t), {
    hook: point => {
      if (fail && point === 'before-commit') throw new Error('disk full')
    },
  })
  await ask(provider, 'eth_sendRawTransaction', await signed({ nonce: 0, data: '0x00' }))
  const before = await ask<{ hash: Hex }>(provider, 'eth_getBlockByNumber', 'latest', false)
  fail = true
  const raw = await signed({ nonce: 1, data: artifact.bytecode as Hex })
  await rejects(ask(provider, 'eth_sendRawTransaction', raw), 'busy')
  assert.deepEqual(await ask(provider, 'eth_getBlockByNumber', 'latest', false), before)
  assert.equal(await ask(provider, 'eth_getTransactionCount', account.address, 'pending'), '0x1')
  fail = false
  await ask(provider, 'eth_sendRawTransaction', await signed({ nonce: 1, data: artifact.bytecode as Hex }))
  assert.equal((await verify(provider)).blocks, 3)
  await provider.close()
})

test('blocks never go back in time', async t => {
  let now = 1_800_000_000_000
  const provider = await open(newFolder(t), { now: () => now })
  const times: number[] = []
  for (const [nonce, at] of [1_800_000_005_000, 1_700_000_000_000, 1_800_000_004_999, 1_800_000_006_000].entries()) {
    now = at
    await ask(provider, 'eth_sendRawTransaction', await signed({ nonce, data: '0x00' }))
    times.push(Number((await ask<{ timestamp: Hex }>(provider, 'eth_getBlockByNumber', 'latest', false)).timestamp))
  }
  assert.deepEqual(times, [1_800_000_005, 1_800_000_005, 1_800_000_005, 1_800_000_006])
  await provider.close()
})

test('old states go, the newest stay and can be proven', async t => {
  const folder = newFolder(t)
  const keepStates = 4
  const anchor = await openAnchor(folder, { keepStates })
  for (let size = 1; size <= 20; size++) await append(anchor, tree, size)
  const { contract = '' } = await anchor.describe()
  await anchor.close()
  const provider = await open(folder, { keepStates })
  const head = Number(await ask(provider, 'eth_blockNumber'))
  for (let number = head; number > head - keepStates; number--) {
    await ask(provider, 'eth_getProof', contract, [toHex(0, { size: 32 })], toHex(number))
    await ask(provider, 'eth_call', { to: contract, data: '0x' }, toHex(number)).catch(answers(3, /reverted/))
  }
  await assert.rejects(
    ask(provider, 'eth_getProof', contract, [], toHex(head - keepStates)),
    answers(-32001, /the newest 4 states are kept/),
  )
  assert.ok((await verify(provider)).nodes < 200)
  await provider.close()
})

test('the evidence of an anchor verifies offline, and not after one bit was flipped', async t => {
  const anchor = await openAnchor(newFolder(t))
  for (const size of [4, 7, 11]) await append(anchor, tree, size)
  const { validators = [], contract = '', logId = '' } = await anchor.describe()
  assert.equal(validators.length, 4)
  for (const size of [4, 7, 11]) {
    const evidence = (await anchor.prove?.(size)) ?? assert.fail()
    const header = verifySealedHeader(evidence.header, validators)
    assert.equal(toHex(header.hash), evidence.blockHash)
    assert.equal(header.number, evidence.block)
    const [, , storageRoot] = decodeRlp(
      verifyTrieProof(header.stateRoot, Buffer.from(contract.slice(2), 'hex'), evidence.accountProof),
    ) as Uint8Array[]
    const slot = rootAtSlot(Buffer.from(logId.slice(2), 'hex'), size)
    const stored = decodeRlp(verifyTrieProof(storageRoot ?? assert.fail(), slot, evidence.storageProof)) as Uint8Array
    assert.deepEqual(Buffer.from(stored), Buffer.from(tree.root(size)))
    // All but the seals themselves, of which one may be missing: they lie before mixHash and nonce.
    const [sealsFrom, sealsTo] = [evidence.header.length - 42 - 4 * 67, evidence.header.length - 42]
    for (let bit = 0; bit < evidence.header.length * 8; bit += 97) {
      if (bit >> 3 >= sealsFrom && bit >> 3 < sealsTo) continue
      const flipped = Uint8Array.from(evidence.header)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.throws(() => {
        const { hash } = verifySealedHeader(flipped, validators)
        assert.equal(toHex(hash), evidence.blockHash)
      })
    }
  }
  await anchor.close()
})

test('only one process has a folder', async t => {
  const folder = await filled(t)
  const provider = await open(folder)
  await rejects(open(folder), 'locked')
  await rejects(open(folder, { worker: true }), 'locked')
  const code = `import { createEmbeddedProvider } from ${JSON.stringify(join(import.meta.dirname, 'provider.ts'))}
    await createEmbeddedProvider({ folder: ${JSON.stringify(folder)}, chainId: ${CHAIN_ID}, now: Date.now, worker: false }).catch(error => console.log(error.code))`
  assert.equal(
    execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }).trim(),
    'locked',
  )
  await ask(provider, 'eth_blockNumber')
  await provider.close()
  await (await open(folder)).close()
})

test('another chain id, other validators, a lost or changed key: refused', async t => {
  const folder = await filled(t)
  const key = (name: string) => join(folder, `${name}.key`)
  assert.equal(statSync(key('validator-1')).mode & 0o777, 0o600)
  assert.equal(statSync(key('account')).mode & 0o777, 0o600)
  await rejects(open(folder, { chainId: 1 }), 'mismatch')
  await rejects(open(folder, { validators: 5 }), 'mismatch')
  await rejects(open(folder, { validators: 0 }), 'invalid')
  renameSync(key('validator-2'), key('elsewhere'))
  await rejects(open(folder), 'corrupt')
  writeFileSync(key('validator-2'), `${'11'.repeat(32)}\n`)
  await rejects(open(folder), 'mismatch')
  writeFileSync(key('validator-2'), 'no key')
  await rejects(open(folder), 'corrupt')
  renameSync(key('elsewhere'), key('validator-2'))
  const accountKey = readFileSync(key('account'))
  rmSync(key('account'))
  await rejects(openAnchor(folder), 'corrupt') // never a new account on an old chain
  writeFileSync(key('account'), accountKey)
  const anchor = await openAnchor(folder)
  assertCheckpoint(await anchor.latest(), tree, 9)
  await anchor.close()
})

/** Changes the database behind the chain's back. */
function tamper(folder: string, sql: string): void {
  const db = new DatabaseSync(join(folder, 'ledger.db'))
  db.exec(sql)
  db.close()
}

for (const [what, sql] of [
  [
    'a header with one bit changed',
    `update block set header = cast(substr(header, 1, 99) || x'ff' || substr(header, 101) as blob) where number = (select max(number) from block)`,
  ],
  ['a block that is missing', 'delete from block where number = (select max(number) - 1 from block)'],
  [
    'the newest block under another number',
    'update block set number = number + 1 where number = (select max(number) from block)',
  ],
  ['no state', 'delete from node'],
  ['a later schema', 'pragma user_version = 99'],
] as const) {
  test(`a folder with ${what} does not open`, async t => {
    const folder = await filled(t)
    tamper(folder, sql)
    await rejects(open(folder), what === 'a later schema' ? 'mismatch' : 'corrupt')
  })
}

for (const [what, sql] of [
  ['an old header changed', `update block set header = (select header from block where number = 0) where number = 1`],
  [
    'a transaction changed',
    `update tx set raw = (select raw from tx order by place desc limit 1) where place = (select min(place) from tx)`,
  ],
  [
    'a receipt changed',
    `update tx set receipt = (select receipt from tx order by place desc limit 1) where place = (select min(place) from tx)`,
  ],
  [
    'a trie node changed',
    `update node set data = cast(x'00' || substr(data, 2) as blob) where key = (select max(key) from node where refs > 0)`,
  ],
  [
    'a count of references changed',
    'update node set refs = refs + 1 where key = (select min(key) from node where refs > 0)',
  ],
] as const) {
  test(`verify finds ${what}`, async t => {
    const folder = await filled(t)
    tamper(folder, sql)
    // Opening looks at the newest blocks only; it may find it already.
    const provider = await open(folder).catch(async (error: unknown) => {
      await rejects(Promise.reject(error), 'corrupt')
    })
    if (provider === undefined) return
    await rejects(verify(provider), 'corrupt')
    await provider.close()
  })
}

test('a file that is no database, or may not be read', async t => {
  const folder = newFolder(t)
  writeFileSync(join(folder, 'ledger.db'), 'x'.repeat(5000))
  await rejects(open(folder), 'corrupt')
  if (process.getuid?.() === 0) return // root reads everything
  chmodSync(join(folder, 'ledger.db'), 0)
  await rejects(open(folder), 'corrupt')
})

test('in a worker thread: the event loop stays free, errors keep their kind, close ends it', async t => {
  const folder = newFolder(t)
  await rejects(open(folder, { worker: true, validators: 0 }), 'invalid')
  const anchor = await openAnchor(folder, { worker: true })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  for (let size = 1; size <= 5; size++) await append(anchor, tree, size)
  delay.enable()
  for (let size = 6; size <= 25; size++) await append(anchor, tree, size)
  delay.disable()
  t.diagnostic(
    `event loop delay while anchoring: median ${(delay.percentile(50) / 1e6).toFixed(1)} ms, 99 % ${(delay.percentile(99) / 1e6).toFixed(1)} ms`,
  )
  await rejects(append(anchor, tree, 3), 'stale')
  await rejects(append(anchor, new TestTree('other'), 30), 'fork')
  await anchor.close()
  const provider = await open(folder, { worker: true })
  await assert.rejects(ask(provider, 'eth_nothing'), answers(-32601, /eth_nothing/))
  const pending = ask(provider, 'eth_blockNumber')
  await Promise.all([provider.close(), provider.close()])
  assert.match(await pending, /^0x/)
  await rejects(ask(provider, 'eth_blockNumber'), 'unreachable')
})

test('a host keeps several chains in one thread: each its own, closed by itself or all together', async t => {
  const host = createEmbeddedHost({ now: Date.now })
  const folders = [newFolder(t), newFolder(t)] as const
  const [first, second] = await Promise.all(folders.map((folder, i) => host.open({ folder, chainId: CHAIN_ID + i })))
  assert.ok(first && second)
  await rejects(host.open({ folder: folders[0], chainId: CHAIN_ID }), 'locked')
  await ask(first, 'eth_sendRawTransaction', await signed({ nonce: 0, data: artifact.bytecode as Hex }))
  assert.deepEqual(
    await Promise.all([first, second].flatMap(p => [ask(p, 'eth_chainId'), ask(p, 'eth_blockNumber')])),
    [toHex(CHAIN_ID), '0x1', toHex(CHAIN_ID + 1), '0x0'],
  )
  await first.close()
  await rejects(ask(first, 'eth_blockNumber'), 'unreachable')
  const again = await host.open({ folder: folders[0], chainId: CHAIN_ID })
  assert.equal(await ask(again, 'eth_blockNumber'), '0x1')
  await Promise.all([host.close(), host.close()])
  await rejects(ask(second, 'eth_blockNumber'), 'unreachable')
  await rejects(host.open({ folder: folders[0], chainId: CHAIN_ID }), 'unreachable')
})
