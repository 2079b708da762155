import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { Transaction } from '@scure/btc-signer'
import { formatBitcoinAnchor, verifyBitcoinProof } from '@entente/verify/proof'
import { BTCD_USER } from '../../../../test/support/btcd.ts'
import type { Anchor, AnchorReceipt } from '../anchor.ts'
import { append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { TestTree } from '../conformance/tree.ts'
import { LedgerError } from '../error.ts'
import { RpcError } from '../evm/provider.ts'
import { createMemoryJournal, openFileJournal } from '../journal.ts'
import { type BitcoinAnchorOptions, openBitcoinAnchor } from './anchor.ts'
import { BITCOIN_NETWORKS } from './network.ts'
import type { Rpc } from './node.ts'
import { readPending } from './pending.ts'
import { createBitcoinRpc } from './rpc.ts'
import { readBitcoinStatus } from './status.ts'
import { MINER, type Simnet, simnetAccount, spend, startSimnet, testKey } from './test/simnet.ts'

let simnet: Simnet
let reason: string | undefined
before(async () => {
  const started = await startSimnet()
  if (typeof started === 'string') reason = started
  else simnet = started
})
after(() => simnet?.stop())

const origin = 'log.example/test'
let accounts = 0

type Subject = { name: string; anchor: Anchor; tree: TestTree; key: string; options: BitcoinAnchorOptions }
/** A test on an account of its own with some coins. */
const onSimnet = (
  name: string,
  run: (subject: Subject, t: TestContext) => Promise<void>,
  coins: readonly number[] = [1_000_000],
) =>
  test(name, async t => {
    if (reason !== undefined) return t.skip(reason)
    const key = `anchor ${accounts++}`
    const account = simnetAccount(key)
    for (const value of coins) await simnet.fund(account, value)
    const options: BitcoinAnchorOptions = {
      id: 'btc',
      rpc: (method, ...params) => direct(method, params),
      network: BITCOIN_NETWORKS.simnet,
      account,
      origin,
      journal: createMemoryJournal(),
      depth: 3,
      waitMs: 0,
      pollMs: 10,
    }
    const anchor = await openBitcoinAnchor(options)
    t.after(() => anchor.close())
    await run({ name, anchor, tree: new TestTree(name), key, options }, t)
  })

async function direct(method: string, params: readonly unknown[]): Promise<unknown> {
  if (method === 'estimatefee') return -1 // its estimates depend on the tests before
  const rpc = createBitcoinRpc(simnet.node.url, BTCD_USER)
  try {
    return await rpc(method, ...params)
  } finally {
    await rpc.close()
  }
}
const waiting = async () => (await simnet.node.rpc('getrawmempool')) as string[]
const rawOf = async (txid: string) => (await simnet.node.rpc('getrawtransaction', txid, 0)) as string
const feeOf = (raw: string, coin: number) =>
  coin - Number(Transaction.fromRaw(Buffer.from(raw, 'hex'), { allowUnknownOutputs: true }).getOutput(1).amount)
async function send(anchor: Anchor, tree: TestTree, size: number): Promise<string> {
  let transaction: string | undefined
  await assert.rejects(append(anchor, tree, size), error => {
    assert.ok(error instanceof LedgerError && error.code === 'pending', String(error))
    transaction = error.transaction
    return true
  })
  return transaction as string
}
async function mineNow(anchor: Anchor, tree: TestTree, size: number): Promise<AnchorReceipt> {
  await send(anchor, tree, size)
  await simnet.node.mine()
  return append(anchor, tree, size)
}

onSimnet('what waits says so, with its transaction; the same call goes on', async ({ anchor, tree }) => {
  const transaction = await send(anchor, tree, 3)
  assert.deepEqual(await waiting(), [transaction])
  assert.equal(await send(anchor, tree, 3), transaction)
  assert.equal(await anchor.latest(), undefined)
  assert.equal(await anchor.find(3), undefined)
  // A larger one waits for the outcome of the smaller; a smaller or another one is refused although nothing is in a block yet.
  assert.equal(await send(anchor, tree, 4), transaction)
  await rejects(append(anchor, tree, 2), 'stale')
  await rejects(append(anchor, new TestTree('another'), 3), 'fork')
  await simnet.node.mine()
  const receipt = await append(anchor, tree, 3)
  assert.equal(receipt.transaction, transaction)
  assert.deepEqual(await anchor.read(transaction), receipt)
})

onSimnet('what is there to pay with is told, and for how many anchors it lasts', async ({ anchor, tree, options }) => {
  const status = () => readBitcoinStatus(options)
  const { address } = options.account
  const costs = { address, fee: 181, highestFee: 18_100 }
  assert.deepEqual(await status(), { ...costs, balance: 1_000_000, anchors: 5523, fewestAnchors: 55 })
  await send(anchor, tree, 3)
  assert.equal((await status()).balance, 999_819, 'of what waits the fee is spent')
  await simnet.node.mine()
  await append(anchor, tree, 3)
  assert.deepEqual(await status(), { ...costs, balance: 999_819, anchors: 5522, fewestAnchors: 55 })
  const account = simnetAccount('nobody pays')
  const poor = await readBitcoinStatus({ ...options, account, journal: createMemoryJournal() })
  assert.deepEqual([poor.balance, poor.anchors, poor.fewestAnchors], [0, 0, 0])
})

onSimnet('finality looks at the present chain; the evidence comes with it', async ({ anchor, tree, options }) => {
  const receipt = await mineNow(anchor, tree, 3)
  const identity = await anchor.describe()
  const pin = { depth: 3, minWork: identity.minWork ?? 0n }
  assert.equal(identity.enforces, false)
  for (const confirmations of [0, 1, 2, 3]) {
    const final = confirmations >= 3
    assert.deepEqual(await anchor.finality(receipt), { final, confirmations })
    assert.equal((await anchor.proveMined?.(3)) !== undefined, final)
    await simnet.node.mine()
  }
  const evidence = await anchor.proveMined?.(3)
  const proven = verifyBitcoinProof(
    evidence?.bitcoin as never,
    { origin, ...(evidence as never as AnchorReceipt) },
    pin,
  )
  assert.equal(proven.height, receipt.block)
  // On another branch: first it waits again, then it is in another block.
  await simnet.node.rpc('invalidateblock', receipt.blockHash)
  await simnet.restart()
  assert.deepEqual(await anchor.finality(receipt), { final: false, confirmations: 0 })
  await simnet.node.mine(5)
  assert.deepEqual(await anchor.finality(receipt), { final: false, confirmations: 0 })
  assert.deepEqual(await waiting(), [receipt.transaction], 'sent again')
  await simnet.node.mine(4)
  const again = await anchor.find(3)
  assert.notEqual(again?.blockHash, receipt.blockHash)
  assert.equal(again?.transaction, receipt.transaction)
  assert.deepEqual(await anchor.finality(again as AnchorReceipt), { final: true, confirmations: 3 })
  assert.equal((await simnet.anchors(options.account, origin)).length, 1)
})

onSimnet(
  'what is stuck is replaced by what pays more, up to the ceiling; one of them is mined',
  async ({ options, tree, anchor: unused }) => {
    await unused.close()
    let now = 1_780_000_000_000
    const fees = { min: 2, max: 4, target: 6, bumpMs: 60_000 }
    const anchor = await openBitcoinAnchor({ ...options, fees, now: () => now })
    const attempts = [await send(anchor, tree, 3)]
    now += 59_000
    assert.equal(await send(anchor, tree, 3), attempts[0])
    const paid = [feeOf(await rawOf(attempts[0] as string), 1_000_000)]
    for (;;) {
      now += 61_000
      await send(anchor, tree, 3)
      const next = await send(anchor, tree, 3)
      if (next === attempts.at(-1)) break
      assert.deepEqual(await waiting(), [next], 'the one before is gone')
      attempts.push(next)
      paid.push(feeOf(await rawOf(next), 1_000_000))
    }
    assert.ok(attempts.length >= 3, `${attempts.length}`)
    for (const [i, fee] of paid.entries())
      assert.ok(fee <= 4 * 181 && (i === 0 || fee >= (paid[i - 1] as number) + 181), `${paid}`)
    await simnet.node.mine()
    const receipt = await append(anchor, tree, 3)
    assert.equal(receipt.transaction, attempts.at(-1))
    assert.equal((await simnet.anchors(options.account, origin)).length, 1)
    await anchor.close()
  },
)

onSimnet(
  'whichever attempt is mined counts; a reorganisation that picks another takes what came after with it',
  async ({ options, tree, anchor: unused }) => {
    await unused.close()
    let now = 1_780_000_000_000
    const anchor = await openBitcoinAnchor({ ...options, now: () => now })
    const older = await send(anchor, tree, 3)
    const raw = await rawOf(older)
    now += 4_000_000
    await send(anchor, tree, 3)
    const newer = await send(anchor, tree, 3)
    assert.notEqual(newer, older)
    await simnet.node.mine()
    const receipt = await append(anchor, tree, 3)
    assert.equal(receipt.transaction, newer)
    const lost = await mineNow(anchor, tree, 5)

    await simnet.node.rpc('invalidateblock', receipt.blockHash)
    await simnet.restart()
    await simnet.node.rpc('sendrawtransaction', raw)
    await simnet.node.mine(3)
    assert.equal((await anchor.find(3))?.transaction, older)
    assert.equal(await anchor.find(5), undefined)
    assert.deepEqual(await anchor.finality(lost), { final: false, confirmations: 0 })
    const again = await mineNow(anchor, tree, 5)
    assert.notEqual(again.transaction, lost.transaction)
    assert.deepEqual(
      (await simnet.anchors(options.account, origin)).map(({ size }) => size),
      [3, 5],
    )
    await anchor.close()
  },
)

onSimnet('an anchor that somebody else pays us is none', async ({ anchor, tree, options: { account } }) => {
  await mineNow(anchor, tree, 3)
  const miner = simnetAccount(MINER)
  const hash = (await simnet.node.rpc('getblockhash', 200)) as string
  const { tx } = (await simnet.node.rpc('getblock', hash, 1)) as { tx: string[] }
  const value = 5_000_000_000
  const transaction = new Transaction({ allowUnknownOutputs: true })
  transaction.addInput({
    txid: tx[0] as string,
    index: 0,
    witnessUtxo: { script: miner.script, amount: BigInt(value) },
  })
  const forged = formatBitcoinAnchor(origin, { size: 1_000_000, root: tree.root(9) })
  transaction.addOutput({ script: forged, amount: 0n })
  transaction.addOutput({ script: account.script, amount: BigInt(value - 1000) })
  transaction.sign(Buffer.from(testKey(MINER), 'hex'))
  transaction.finalize()
  await simnet.node.rpc('sendrawtransaction', transaction.hex)
  await simnet.node.mine()
  assert.equal(await anchor.read(transaction.id), undefined)
  assertCheckpoint(await anchor.latest(), tree, 3)
  await mineNow(anchor, tree, 4)
})

onSimnet(
  'without coins the address is named; small ones are put together',
  async ({ anchor, tree, options: { account } }) => {
    await assert.rejects(append(anchor, tree, 3), error => {
      assert.ok(error instanceof LedgerError && error.code === 'refused', String(error))
      assert.ok(error.message.includes(account.address) && error.message.includes('pay to'), error.message)
      return true
    })
    for (const value of [300, 310]) await simnet.fund(account, value)
    const { transaction } = await mineNow(anchor, tree, 3)
    const { inputsLength } = Transaction.fromRaw(Buffer.from(await rawOf(transaction), 'hex'), {
      allowUnknownOutputs: true,
    })
    assert.ok(inputsLength > 1, `${inputsLength}`)
    await rejects(append(anchor, tree, 4), 'refused')
    await simnet.fund(account)
    await mineNow(anchor, tree, 4)
  },
  [],
)

onSimnet(
  'somebody else spends the second of two coins: it is anchored with another',
  async ({ anchor, tree, key, options: { account, journal } }) => {
    await send(anchor, tree, 3)
    const [entry] = await readPending(journal)
    const [, second] = entry?.coins ?? []
    assert.equal(second?.value, 420)
    await simnet.restart()
    await simnet.node.rpc('sendrawtransaction', spend(key, account, second, 120))
    await simnet.node.mine()
    await simnet.fund(account)
    await mineNow(anchor, tree, 3)
    assert.equal((await simnet.anchors(account, origin)).length, 1)
  },
  [420, 430],
)

onSimnet(
  'a journal that is lost, and another process with the same key: still one of each size',
  async ({ anchor, tree, options }) => {
    await mineNow(anchor, tree, 3)
    const sent = await send(anchor, tree, 5)
    const second = await openBitcoinAnchor({ ...options, journal: createMemoryJournal() })
    assertCheckpoint(await second.latest(), tree, 3)
    // The node has a transaction that spends the coin: its own is replaced or replaces, never added.
    await append(second, tree, 5).catch((error: LedgerError) =>
      assert.ok(['pending', 'refused'].includes(error.code), String(error)),
    )
    await simnet.node.mine()
    const receipt = await append(second, tree, 5)
    assert.deepEqual(await append(anchor, tree, 5), receipt, `was ${sent}`)
    await mineNow(second, tree, 8)
    await rejects(append(anchor, tree, 7), 'stale')
    await mineNow(anchor, tree, 9)
    await second.close()
    const sizes = (await simnet.anchors(options.account, origin)).map(({ size }) => size)
    assert.deepEqual(sizes, [3, 5, 8, 9])
  },
)

onSimnet('another network is refused, so is a node that does not answer', async ({ options }) => {
  await assert.rejects(openBitcoinAnchor({ ...options, network: BITCOIN_NETWORKS.mainnet }), { code: 'mismatch' })
  // Block 0 can be copied, the work of the others can't.
  const copied = { ...BITCOIN_NETWORKS.mainnet, genesis: BITCOIN_NETWORKS.simnet.genesis }
  await assert.rejects(openBitcoinAnchor({ ...options, network: copied }), { code: 'corrupt', message: /hashes/ })
  const rpc = createBitcoinRpc(simnet.node.url, 'test:wrong')
  await assert.rejects(openBitcoinAnchor({ ...options, rpc }), { code: 'unreachable', message: /401/ })
  await rpc.close()
})

onSimnet(
  'a Bitcoin Core that does not find mined transactions is refused, or waited for',
  async ({ options, tree }) => {
    let index: object = {}
    const rpc: Rpc = (method, ...params) => {
      if (method === 'searchrawtransactions') throw new RpcError(-32601, 'Method not found')
      return method === 'getindexinfo' ? Promise.resolve(index) : direct(method, params)
    }
    await assert.rejects(openBitcoinAnchor({ ...options, rpc }), { code: 'unsupported', message: /-txindex=1/ })
    index = { txindex: { synced: false, best_block_height: 7 } }
    const anchor = await openBitcoinAnchor({ ...options, rpc })
    await rejects(anchor.latest(), 'unreachable')
    await rejects(append(anchor, tree, 3), 'unreachable')
    assert.deepEqual(await waiting(), [])
    await anchor.close()
  },
)

onSimnet('a damaged journal is said so', async ({ options, tree }) => {
  for (const text of ['{', '{}', '{"format":"entente/bitcoin-journal/v1","pending":[{"size":3}]}']) {
    const anchor = await openBitcoinAnchor({ ...options, journal: createMemoryJournal(Buffer.from(text)) })
    await rejects(append(anchor, tree, 3), 'corrupt')
    await anchor.close()
  }
})

for (const point of ['before-journal', 'after-journal', 'after-send'] as const) {
  onSimnet(
    `kill -9 ${point.replace('-', ' the ').replace('the send', 'it sent')}: the next start anchors it once`,
    async ({ name, key, tree, options, anchor }, t) => {
      await mineNow(anchor, tree, 3)
      const folder = mkdtempSync(join(tmpdir(), 'entente-bitcoin-'))
      t.after(() => rmSync(folder, { recursive: true }))
      const file = join(folder, 'btc.journal')
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'test', 'kill.child.ts'), simnet.node.url, key, file, name, point],
        { stdio: ['ignore', 'inherit', 'inherit'] },
      )
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
      assert.equal(signal, 'SIGKILL')
      assert.equal((await waiting()).length, point === 'after-send' ? 1 : 0)
      const again = await openBitcoinAnchor({ ...options, journal: openFileJournal(file) })
      await mineNow(again, tree, 7)
      await again.close()
      const sizes = (await simnet.anchors(options.account, origin)).map(({ size }) => size)
      assert.deepEqual(sizes, [3, 7])
    },
  )
}
