// The tests of contracts/test/CheckpointAnchor.t.sol, by the same names, on the chaincode.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { EMPTY_ROOT } from '@entente/verify/tlog'
import { TestTree } from '../packages/entente/ledger/conformance/tree.ts'
import { logIdOf, Refusal, type RefusalCode } from './index.ts'
import { createTestLedger, identity } from './test/ledger.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const ORIGIN = sha256('an origin')
const OTHER_ORIGIN = sha256('another origin')
const OWNER = identity('owner')
const STRANGER = identity('stranger')
const tree = new TestTree('tree')
const other = new TestTree('another tree')
const NO_LOG = '00'.repeat(32)

async function registered() {
  const ledger = createTestLedger()
  const logId = (await ledger.transact(OWNER, 'register', ORIGIN)) as string
  const next = (await ledger.transact(OWNER, 'register', OTHER_ORIGIN)) as string
  const by =
    (caller: string) =>
    (name: string, ...args: (string | number)[]) =>
      ledger.transact(caller, name, ...args)
  const anchor = (id: string, of: TestTree, oldSize: number, size: number, caller = OWNER) =>
    ledger.transact(
      caller,
      'anchor',
      id,
      size,
      hex(of.root(size)),
      ...(oldSize === 0 ? [] : of.consistency(oldSize, size).map(hex)),
    )
  const assertLatest = async (id: string, of: TestTree, size: number) => {
    const { root, size: found } = (await ledger.transact(STRANGER, 'latest', id)) as { root: string; size: number }
    assert.deepEqual([found, root], [size, hex(size === 0 ? EMPTY_ROOT : of.root(size))])
  }
  return { ledger, logId, next, owner: by(OWNER), stranger: by(STRANGER), anchor, assertLatest }
}

async function refuses(call: Promise<unknown>, code: RefusalCode, details: Record<string, unknown> = {}) {
  await assert.rejects(call, error => {
    assert.ok(error instanceof Refusal, String(error))
    assert.equal(error.code, code, error.message)
    for (const [name, value] of Object.entries(details)) assert.equal(error.details[name], value, error.message)
    return true
  })
}

test('register binds the caller', async () => {
  const { ledger, logId, owner, stranger } = await registered()
  assert.equal(logId, logIdOf(OWNER, ORIGIN))
  const squatted = await stranger('register', ORIGIN)
  assert.notEqual(squatted, logId)
  assert.equal(await owner('ownerOf', logId), OWNER)
  assert.equal(await owner('ownerOf', squatted as string), STRANGER)
  assert.equal(await owner('ownerOf', NO_LOG), '')
  assert.equal(await stranger('originHashOf', logId), ORIGIN)
  assert.equal(await stranger('originHashOf', NO_LOG), undefined)
  // The same name of another organisation is somebody else
  assert.notEqual(await ledger.transact(OWNER.replace('Org1MSP', 'Org2MSP'), 'register', ORIGIN), logId)
})

test('register again changes nothing', async () => {
  const { ledger, logId, owner, anchor } = await registered()
  await anchor(logId, tree, 0, 5)
  const before = new Map(ledger.state)
  assert.equal(await owner('register', ORIGIN), logId)
  assert.deepEqual(new Map(ledger.state), before)
})

test('latest of an empty log, and of none', async () => {
  const { logId, owner, assertLatest } = await registered()
  await assertLatest(logId, tree, 0)
  await refuses(owner('latest', NO_LOG), 'UnknownLog', { logId: NO_LOG })
})

test('anchor: the first, then every consistent step', async () => {
  const { ledger, logId, owner, anchor, assertLatest } = await registered()
  await anchor(logId, tree, 0, 7)
  const transaction = ledger.transaction
  await assertLatest(logId, tree, 7)
  assert.deepEqual(await owner('rootOf', logId, 7), {
    format: 'entente/fabric-root/v1',
    log_id: logId,
    root: hex(tree.root(7)),
    size: 7,
    time: 1_800_000_000,
    transaction,
  })
  assert.equal(await owner('rootOf', logId, 6), undefined)
  let size = 7
  for (const next of [8, 9, 16, 33, 300]) {
    await anchor(logId, tree, size, next)
    size = next
    await assertLatest(logId, tree, size)
  }
})

test('anchor: the same again changes nothing, whatever the proof', async () => {
  const { ledger, logId, owner, anchor } = await registered()
  await owner('anchor', logId, 0, hex(EMPTY_ROOT))
  await anchor(logId, tree, 0, 3)
  await anchor(logId, tree, 3, 7)
  const before = new Map(ledger.state)
  assert.equal(await owner('anchor', logId, 7, hex(tree.root(7))), false)
  await anchor(logId, tree, 3, 7) // the proof of a call whose answer was lost
  assert.deepEqual(new Map(ledger.state), before)
})

test('anchor refuses forks, and says at which size', async () => {
  const { ledger, logId, owner, anchor } = await registered()
  await anchor(logId, tree, 0, 3)
  const before = new Map(ledger.state)
  const [root3, other3] = [hex(tree.root(3)), hex(other.root(3))]
  await refuses(anchor(logId, other, 0, 3), 'Fork', { size: 3, expected: root3, actual: other3, latestSize: 3 })
  await refuses(anchor(logId, other, 3, 7), 'Fork', { size: 3, expected: root3, actual: other3 })
  const proof = tree.consistency(3, 7).map(hex)
  await refuses(owner('anchor', logId, 7, hex(other.root(7)), ...proof), 'Fork', {
    size: 7,
    expected: hex(other.root(7)),
    actual: hex(tree.root(7)),
  })
  await refuses(owner('anchor', logId, 0, '11'.repeat(32)), 'Stale')
  assert.deepEqual(new Map(ledger.state), before)
})

test('anchor: one flipped bit anywhere in the proof is refused', async () => {
  const { logId, owner, anchor } = await registered()
  await anchor(logId, tree, 0, 5)
  const proof = tree.consistency(5, 13)
  for (let hash = 0; hash < proof.length; hash++) {
    for (const bit of [0, 77, 255]) {
      const damaged = proof.map(Buffer.from)
      damaged[hash]![bit >> 3]! ^= 1 << (bit & 7)
      await refuses(owner('anchor', logId, 13, hex(tree.root(13)), ...damaged.map(hex)), 'Fork')
    }
  }
  await anchor(logId, tree, 5, 13)
})

test('anchor refuses what is stale, has a proof of another length, has no root, or is of somebody else', async () => {
  const { logId, owner, stranger, anchor } = await registered()
  await refuses(owner('anchor', logId, 3, '00'.repeat(32)), 'ZeroRoot', { size: 3 })
  await refuses(owner('anchor', logId, 3, hex(tree.root(3)), '00'.repeat(32)), 'BadProof', {
    actualLength: 1,
    latestSize: 0,
  })
  await refuses(anchor(logId, tree, 0, 3, STRANGER), 'NotOwner', { owner: OWNER, caller: STRANGER })
  await refuses(owner('anchor', NO_LOG, 3, hex(tree.root(3))), 'UnknownLog')
  await anchor(logId, tree, 0, 7)
  await refuses(owner('anchor', logId, 6, hex(tree.root(6))), 'Stale', { latestSize: 7, size: 6 })
  await refuses(owner('anchor', logId, 9, hex(tree.root(9))), 'BadProof', { actualLength: 0, latestSize: 7 })
  await refuses(owner('anchor', logId, 9, hex(tree.root(9)), ...Array(9).fill('00'.repeat(32))), 'BadProof', {
    actualLength: 9,
  })
  await refuses(stranger('offerOwnership', logId, STRANGER), 'NotOwner')
})

test('verifyInclusion, under every stored root and under no other', async () => {
  const { logId, owner, anchor } = await registered()
  await anchor(logId, tree, 0, 2)
  await anchor(logId, tree, 2, 9)
  const [leaf0, leaf1] = [new TestTree('tree').root(1), tree.consistency(1, 2)[0]!] // the tree of one leaf has its hash as root
  assert.equal(await owner('verifyInclusion', logId, 2, 0, hex(leaf0), hex(leaf1)), true)
  assert.equal(await owner('verifyInclusion', logId, 2, 1, hex(leaf1), hex(leaf0)), true)
  const path = tree.consistency(1, 9).map(hex) // from leaf 0 up, since a tree of one leaf is where the proof starts
  assert.equal(await owner('verifyInclusion', logId, 9, 0, hex(leaf0), ...path), true)
  for (const args of [
    [9, 1, hex(leaf0), ...path],
    [9, 9, hex(leaf0), ...path],
    [8, 0, hex(leaf0), ...path],
    [9, 0, hex(leaf1), ...path],
    [9, 0, hex(leaf0), ...path.slice(1)],
    [9, 0, hex(leaf0), ...path, path[0]!],
  ])
    assert.equal(await owner('verifyInclusion', logId, ...args), false)
  assert.equal(await owner('verifyInclusion', logId, 1, 0, '00'.repeat(32)), false)
  assert.equal(await owner('verifyInclusion', NO_LOG, 2, 0, hex(leaf0), hex(leaf1)), false)
})

test('ownership in two steps', async () => {
  const { logId, owner, stranger, anchor, assertLatest } = await registered()
  await anchor(logId, tree, 0, 3)
  await refuses(stranger('acceptOwnership', logId), 'NotOwner', { owner: '', caller: STRANGER })
  await owner('offerOwnership', logId, STRANGER)
  assert.deepEqual([await owner('ownerOf', logId), await owner('offeredTo', logId)], [OWNER, STRANGER])
  await owner('offerOwnership', logId, '') // taken back
  await refuses(stranger('acceptOwnership', logId), 'NotOwner')
  await owner('offerOwnership', logId, STRANGER)
  await stranger('acceptOwnership', logId)
  assert.deepEqual([await owner('ownerOf', logId), await owner('offeredTo', logId)], [STRANGER, ''])
  await anchor(logId, tree, 3, 8, STRANGER)
  assert.equal(await owner('register', ORIGIN), logId) // does not bring it back
  await refuses(anchor(logId, tree, 8, 9), 'NotOwner', { owner: STRANGER, caller: OWNER })
  await assertLatest(logId, tree, 8)
  await refuses(owner('acceptOwnership', NO_LOG), 'UnknownLog')
})

test('succeed: an empty successor goes on from there, and the old log takes nothing more', async () => {
  const { logId, next, owner, anchor, assertLatest } = await registered()
  await anchor(logId, tree, 0, 5)
  await anchor(logId, tree, 5, 9)
  await owner('succeed', logId, 5, next)
  assert.deepEqual(await owner('successorOf', logId), { finalSize: 5, newLogId: next })
  await assertLatest(next, tree, 5)
  await anchor(next, tree, 5, 8)
  assert.equal(((await owner('rootOf', logId, 9)) as { root: string }).root, hex(tree.root(9)))
  const closed = { logId, successor: next }
  await refuses(owner('anchor', logId, 9, hex(tree.root(9))), 'Closed', closed)
  await refuses(owner('succeed', logId, 9, next), 'Closed', closed)
  await refuses(owner('offerOwnership', logId, STRANGER), 'Closed', closed)
})

test('succeed: a used successor holds the same root, or it is a fork', async () => {
  const { logId, next, owner, anchor, assertLatest } = await registered()
  await anchor(logId, tree, 0, 5)
  await anchor(next, tree, 0, 5)
  await anchor(next, tree, 5, 6)
  await owner('succeed', logId, 5, next)
  await assertLatest(next, tree, 6)
  const again = await registered()
  await again.anchor(again.logId, tree, 0, 5)
  await again.anchor(again.next, other, 0, 5)
  const roots = { expected: hex(tree.root(5)), actual: hex(other.root(5)) }
  await refuses(again.owner('succeed', again.logId, 5, again.next), 'Fork', { logId: next, size: 5, ...roots })
})

test('succeed: at nothing when all is lost, and not where it cannot be', async () => {
  const { logId, next, owner, stranger, anchor, assertLatest } = await registered()
  await anchor(logId, tree, 0, 5)
  await refuses(owner('succeed', logId, 4, next), 'UnknownSize', { size: 4 })
  await refuses(owner('succeed', logId, 5, logId), 'OwnSuccessor')
  await refuses(owner('succeed', logId, 5, NO_LOG), 'UnknownLog')
  const foreign = (await stranger('register', ORIGIN)) as string
  await refuses(stranger('succeed', logId, 5, foreign), 'NotOwner', { owner: OWNER })
  await refuses(owner('succeed', logId, 5, foreign), 'NotOwner', { logId: foreign, owner: STRANGER })
  await owner('succeed', logId, 0, next)
  await assertLatest(next, tree, 0)
  await anchor(next, other, 0, 2)
})

test('what is no call of the contract is refused before the rules see it', async () => {
  const { ledger, logId, owner } = await registered()
  const root = hex(tree.root(1))
  for (const [name, ...args] of [
    ['nothing'],
    ['toString'],
    ['register'],
    ['register', ORIGIN.toUpperCase()],
    ['register', ORIGIN, ORIGIN],
    ['anchor', logId, '01', root],
    ['anchor', logId, '-1', root],
    ['anchor', logId, '1e3', root],
    ['anchor', logId, String(2 ** 53), root],
    ['anchor', logId, '1', root.slice(2)],
    ['anchor', logId, '1', root, 'proof'],
    ['offerOwnership', logId, 'somebody'],
    ['latest', `${logId}/`],
    ['getRecord', logId, '../latest', '0'],
  ] as [string, ...string[]][])
    await refuses(owner(name, ...args), 'Invalid')
  await refuses(ledger.transact('Org1MSP:x509::/CN=two\nlines::/CN=ca', 'register', ORIGIN), 'Invalid')
  await refuses(ledger.transact('Org1/MSP:x509::/CN=a::/CN=ca', 'register', ORIGIN), 'Invalid')
  assert.equal(await owner('caller'), OWNER)
})
