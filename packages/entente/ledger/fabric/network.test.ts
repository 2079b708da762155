// The adapter on a real Fabric network (test/support/fabric.ts); skipped where there are no binaries.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { common } from '@hyperledger/fabric-protos'
import { verifyEndorsedProof } from '@entente/verify/proof'
import {
  type Consensus,
  type FabricNetwork,
  type FabricNode,
  findFabric,
  startFabric,
} from '../../../../test/support/fabric.ts'
import type { Anchor, AnchorReceipt } from '../anchor.ts'
import { type AnchorSubject, anchorConformance, append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { recordsConformance } from '../conformance/records.ts'
import { ruleChainConformance } from '../conformance/rule-chain.ts'
import { TestTree } from '../conformance/tree.ts'
import { LedgerError } from '../error.ts'
import type { RuleChain } from '../rule-chain.ts'
import { createMemoryJournal } from '../journal.ts'
import { type FabricAnchorOptions, openFabricAnchor } from './anchor.ts'
import { openFabricConnection } from './connection.ts'
import { openFabricReader } from './reader.ts'
import { ChaincodeRefusal } from './refusal.ts'
import { openFabricRuleChain } from './rules.ts'
import { createFaults } from './test/faults.ts'

const consensus = (process.env['ENTENTE_TEST_FABRIC_CONSENSUS'] ?? 'etcdraft') as Consensus
const found = findFabric()
const folder = mkdtempSync(join(tmpdir(), 'entente-fabric-'))
let running: Promise<FabricNetwork> | undefined
after(async () => {
  await (await running?.catch(() => undefined))?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const network = async (): Promise<FabricNetwork | string> => {
  if ('reason' in found) return found.reason
  return (running ??= startFabric(found.bin, folder, consensus, { users: 4, chaincodes: ['entente', ...CHAINS] }))
}
/** Chains of the federation: the same chaincode under more names. */
const CHAINS = ['chain0', 'chain1', 'chain2', 'chain3'] as const

const optionsOf = ({ organizations, fabricChannel, chaincode }: FabricNetwork): Omit<FabricAnchorOptions, 'origin'> => {
  const [own] = organizations
  const text = (file: string) => readFileSync(file, 'utf8')
  return {
    id: 'fabric',
    endpoints: organizations.flatMap(({ peers }) =>
      peers.map(({ endpoint }) => endpoint.replace('127.0.0.1', 'localhost')),
    ),
    tlsCert: organizations.map(({ tlsCert }) => text(tlsCert)).join(''),
    mspId: own!.mspId,
    cert: text(own!.cert),
    key: text(own!.key),
    fabricChannel,
    chaincode,
    pollMs: 50,
  }
}

let logs = 0
async function subject(): Promise<AnchorSubject | string> {
  const net = await network()
  if (typeof net === 'string') return net
  const faults = createFaults()
  const options = { ...optionsOf(net), origin: `log.example/${logs++}` }
  const anchor = await openFabricAnchor({ ...options, timeoutMs: 3000, interceptors: [faults.interceptor] })
  const opened = [anchor]
  const open = async () => {
    const again = await openFabricAnchor(options)
    opened.push(again)
    return again
  }
  const bystander = await open()
  return {
    anchor,
    fault: (kind, outage) => faults.fault(kind, outage),
    heal: faults.heal,
    reopen: open,
    countAnchors: async size => ((await bystander.find(size)) === undefined ? 0 : 1),
    async dispose() {
      for (const each of opened) await each.close()
    },
  }
}

anchorConformance(`Hyperledger Fabric (${consensus})`, subject)

recordsConformance(`Hyperledger Fabric (${consensus})`, async t => {
  const net = await network()
  if (typeof net === 'string') {
    t.skip(net)
    return
  }
  const options = { ...optionsOf(net), origin: `log.example/${logs++}`, records: true }
  const open = async () => {
    const anchor = await openFabricAnchor(options)
    t.after(() => anchor.close())
    return anchor
  }
  const bystander = await open()
  return {
    open: async () => (await open()).records!,
    // A key of the state holds one value: what is counted is that it is there, whole
    count: async id => {
      const [whole] = await bystander.records!.get(id)
      return whole === undefined ? 0 : Math.max(1, Math.ceil(whole.length / 32_768))
    },
  }
})

let chains = 0
ruleChainConformance(`Hyperledger Fabric (${consensus})`, async genesis => {
  const net = await network()
  if (typeof net === 'string') return net
  const chaincode = CHAINS[chains++] ?? assert.fail('each chain is founded once')
  const opened: RuleChain[] = []
  /** Users of both organisations in turn. */
  const open = async (n: number) => {
    const { mspId, users } = net.organizations[n % 2]!
    const { cert, key } = users[n >> 1]!
    const identity = { mspId, cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
    const chain = await openFabricRuleChain({ ...optionsOf(net), ...identity, chaincode })
    opened.push(chain)
    return chain
  }
  const parties = await Promise.all(Array.from({ length: 8 }, (_, n) => open(n)))
  await parties[0]!.run(
    'found',
    genesis(n => parties[n]!.account),
  )
  return {
    level: 'asked',
    finality: 'instant',
    as: open,
    dispose: async () => void (await Promise.all(opened.map(chain => chain.close()))),
  }
})

const tree = new TestTree('network')

/** A fresh log with size 3, and what it is opened with. */
async function started(t: TestContext, more: Partial<FabricAnchorOptions> = {}) {
  const net = await network()
  if (typeof net === 'string') {
    t.skip(net)
    return
  }
  const options = { ...optionsOf(net), origin: `log.example/${logs++}`, timeoutMs: 20_000, ...more }
  const anchor = await openFabricAnchor(options)
  t.after(() => anchor.close())
  await append(anchor, tree, 3)
  return { net, anchor, options }
}
/** Until the network has found itself again; every method may be repeated at any time. */
async function untilAppended(anchor: Anchor, size: number): Promise<AnchorReceipt> {
  for (const end = Date.now() + 60_000; ; ) {
    try {
      return await append(anchor, tree, size)
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'unreachable' || Date.now() > end) throw error
    }
  }
}

test('a peer away: another one of the organisation is asked and endorses', async t => {
  const run = await started(t)
  if (!run) return
  const { net, anchor } = run
  const [first] = net.organizations[0]!.peers
  await first!.stop('SIGKILL')
  try {
    const receipt = await untilAppended(anchor, 7)
    assertCheckpoint(await anchor.latest(), tree, 7)
    assert.deepEqual(await anchor.read(receipt.transaction), receipt)
  } finally {
    await first!.start()
  }
  await untilAppended(anchor, 8)
})

test('the only peer of an organisation away: nothing is endorsed, nothing is ordered, and it goes on when it is back', async t => {
  const run = await started(t, { timeoutMs: 4000 })
  if (!run) return
  const { net, anchor } = run
  const [only] = net.organizations[1]!.peers
  await only!.stop('SIGKILL')
  try {
    await rejects(append(anchor, tree, 7), 'unreachable')
    assertCheckpoint(await anchor.latest(), tree, 3) // reading needs none of it
  } finally {
    await only!.start()
  }
  await untilAppended(anchor, 7)
  assert.equal(await anchor.find(4), undefined)
})

test('a chaincode service away: its organisation endorses nothing until it is back', async t => {
  const run = await started(t, { timeoutMs: 4000 })
  if (!run) return
  const { net, anchor } = run
  const { chaincode } = net.organizations[1]!
  await chaincode.stop('SIGKILL')
  try {
    await rejects(append(anchor, tree, 7), 'unreachable')
  } finally {
    await chaincode.start()
  }
  await untilAppended(anchor, 7)
})

test('an orderer away: the others order; too few of them: nothing, then the same transaction', async t => {
  const disk = createMemoryJournal()
  const run = await started(t, { timeoutMs: 4000, journal: disk })
  if (!run) return
  const { net, anchor } = run
  const [one, two, three] = net.orderers as [FabricNode, FabricNode, FabricNode]
  await one.stop('SIGKILL')
  let transaction: string
  try {
    await untilAppended(anchor, 7)
    await two.stop('SIGKILL')
    if (consensus === 'BFT') await three.stop('SIGKILL') // one of four may lie, so one may be away
    await assert.rejects(append(anchor, tree, 9), (error: LedgerError) => error.code === 'unreachable')
    assertCheckpoint(await anchor.latest(), tree, 7)
    const pending = await disk.read()
    assert.ok(pending)
    transaction = (JSON.parse(Buffer.from(pending).toString()) as { transaction: string }).transaction
  } finally {
    for (const node of consensus === 'BFT' ? [one, two, three] : [one, two]) await node.start()
  }
  const receipt = await untilAppended(anchor, 9)
  assert.equal(receipt.transaction, transaction)
  assert.equal(await disk.read(), undefined)
})

test('a peer wiped and joined again: it has the same blocks, and anchors go on from there', async t => {
  const run = await started(t)
  if (!run) return
  const { net, options } = run
  const endpoints = [net.organizations[0]!.peers[1]!.endpoint.replace('127.0.0.1', 'localhost')]
  const anchor = await openFabricAnchor({ ...options, endpoints })
  t.after(() => anchor.close())
  const receipt = await append(anchor, tree, 7)
  await net.wipe(0, 1)
  let found: AnchorReceipt | undefined
  for (const end = Date.now() + 60_000; found === undefined && Date.now() < end; await sleep(200))
    found = await anchor.find(7).catch(() => undefined) // away, or not so far yet
  assert.deepEqual(found, receipt)
  await untilAppended(anchor, 8)
  assertCheckpoint(await anchor.latest(), tree, 8)
})

test('a fork is refused by endorsement: in the words of the chaincode, and nothing is ordered', async t => {
  const run = await started(t, { endorsers: ['Org1MSP', 'Org2MSP'] })
  if (!run) return
  const { anchor } = run
  await append(anchor, tree, 6)
  const other = new TestTree('another history')
  for (const size of [6, 9])
    await assert.rejects(append(anchor, other, size), (error: LedgerError) => {
      assert.ok(error.code === 'fork' && error.cause instanceof ChaincodeRefusal, String(error))
      assert.equal(error.cause.code, 'Fork')
      t.diagnostic(error.cause.message)
      return true
    })
  await rejects(append(anchor, tree, 5), 'stale')
  assertCheckpoint(await anchor.latest(), tree, 6)
  assert.equal(await anchor.find(9), undefined)
})

test('two processes at once: real MVCC conflicts, each size once', async t => {
  const run = await started(t)
  if (!run) return
  const other = await openFabricAnchor(run.options)
  t.after(() => other.close())
  for (const size of [7, 8, 20, 21]) {
    const receipts: AnchorReceipt[] = await Promise.all([run.anchor, other].map(each => append(each, tree, size)))
    assert.deepEqual(receipts[0], receipts[1])
  }
  const log = readFileSync(run.net.organizations[1]!.peers[0]!.log, 'utf8')
  t.diagnostic(`${log.split('MVCC').length - 1} lines of a peer's log speak of MVCC`)
})

test('kill -9 behind the journal: the next process sends the same transaction, or finds it', async t => {
  const faults = createFaults()
  const disk = createMemoryJournal()
  const run = await started(t, { timeoutMs: 2000, journal: disk, interceptors: [faults.interceptor] })
  if (!run) return
  for (const [kind, size] of [
    ['dropped', 7],
    ['answer-lost', 9],
  ] as const) {
    faults.fault(kind, true)
    await rejects(append(run.anchor, tree, size), 'unreachable')
    const { transaction } = JSON.parse(Buffer.from((await disk.read())!).toString()) as { transaction: string }
    const { interceptors: _, ...options } = run.options
    const next = await openFabricAnchor({ ...options, timeoutMs: 20_000 })
    t.after(() => next.close())
    assert.equal((await append(next, tree, size)).transaction, transaction)
    assert.equal(await disk.read(), undefined)
    faults.heal()
  }
})

test('somebody else of the channel: his own log, and none of ours', async t => {
  const run = await started(t)
  if (!run) return
  const { net, anchor, options } = run
  const [, other] = net.organizations
  const text = (file: string) => readFileSync(file, 'utf8')
  const theirs = { ...options, mspId: other!.mspId, cert: text(other!.cert), key: text(other!.key) }
  const squatter = await openFabricAnchor(theirs)
  t.after(() => squatter.close())
  const { logId = '' } = await anchor.describe()
  assert.notEqual((await squatter.describe()).logId, logId)
  await rejects(openFabricAnchor({ ...theirs, logId }), 'refused')
  const reader = await openFabricAnchor({ ...theirs, logId, readOnly: true })
  t.after(() => reader.close())
  assertCheckpoint(await reader.latest(), tree, 3)
  await rejects(append(reader, tree, 4), 'refused')
})

test('an auditor of the other organisation reads it by its transaction, from his own peer', async t => {
  const run = await started(t)
  if (!run) return
  const { net, anchor, options } = run
  const [, other] = net.organizations
  const text = (file: string) => readFileSync(file, 'utf8')
  const endpoints = other!.peers.map(({ endpoint }) => endpoint.replace('127.0.0.1', 'localhost'))
  const identity = { mspId: other!.mspId, cert: text(other!.cert), key: text(other!.key) }
  const reader = openFabricReader({ ...options, ...identity, endpoints })
  t.after(() => reader.close())
  const { contract = '', logId = '' } = await anchor.describe()
  const { ledger, transaction, size, root, block, blockHash } = (await anchor.find(3))!
  const claim = { ledger, transaction, size, root, contract, logId }
  const reading = await reader.read(claim)
  assert.deepEqual([reading.block, reading.blockHash, reading.final], [block, blockHash, true])
  assert.equal(reading.originHash, createHash('sha256').update(options.origin).digest('hex'))
  assertCheckpoint(await reader.latest!({ contract, logId }), tree, 3)
  await rejects(reader.read({ ...claim, size: 4 }), 'mismatch')
  await rejects(reader.read({ ...claim, root: tree.root(4) }), 'mismatch')
  await rejects(reader.read({ ...claim, transaction: 'ab'.repeat(32) }), 'mismatch')
  await rejects(reader.read({ ...claim, logId: '00'.repeat(32) }), 'mismatch')
  await rejects(reader.latest!({ contract: 'another', logId }), 'mismatch')
})

test('what both organisations sign is verified without any of it running', async t => {
  const run = await started(t)
  if (!run) return
  const { anchor } = run
  await append(anchor, tree, 7)
  const { chainId, contract = '', logId = '', organizations = [] } = await anchor.describe()
  const pin = { chainId, contract, logId, organizations }
  for (const size of [3, 7]) {
    const receipt = await anchor.find(size)
    const { payload, ...evidence } = (await anchor.proveEndorsed!(size))!
    assert.equal(evidence.blockHash, receipt?.blockHash)
    const proven = verifyEndorsedProof({ payload: Buffer.from(payload).toString('base64') }, receipt!, pin)
    assert.deepEqual(proven.organizations, ['Org1MSP', 'Org2MSP'])
    assert.deepEqual([proven.block, proven.transaction], [receipt?.block, receipt?.transaction])
  }
  assert.equal(await anchor.proveEndorsed!(4), undefined)
})

test('hashes of blocks are those that the next blocks name', async t => {
  const run = await started(t)
  if (!run) return
  const connection = openFabricConnection(run.options)
  t.after(() => connection.close())
  const query = (name: string, ...args: string[]) => connection.evaluate(name, [run.net.fabricChannel, ...args], 'qscc')
  const { block, blockHash } = (await run.anchor.find(3))!
  await append(run.anchor, tree, 4)
  for (const [number, hash] of [
    [0, (await run.anchor.describe()).genesis],
    [block, blockHash],
  ] as const) {
    const next = common.Block.deserializeBinary(await query('GetBlockByNumber', String(number + 1)))
    assert.equal(Buffer.from(next.getHeader()!.getPreviousHash_asU8()).toString('hex'), hash)
  }
})

test('what network it was', async t => {
  const run = await started(t)
  if (!run) return
  const { net, anchor } = run
  const { genesis } = await anchor.describe()
  const { block, blockHash, transaction } = (await anchor.find(3))!
  assert.ok(net.version.startsWith('v'))
  t.diagnostic(
    `Fabric ${net.version}, ${consensus}, ${net.orderers.length} orderers, packages ${net.packageIds.join(' ')}`,
  )
  t.diagnostic(`block 0 ${genesis}; block ${block} ${blockHash}, transaction ${transaction}`)
})
