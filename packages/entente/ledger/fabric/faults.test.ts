// Every fault before and after the journal write, and every no of a peer, on a double of a gateway peer (test/double.ts), which is not Fabric.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { StatusCode } from '@hyperledger/fabric-gateway'
import type { Anchor } from '../anchor.ts'
import { append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { TestTree } from '../conformance/tree.ts'
import { LedgerError } from '../error.ts'
import { createMemoryJournal, type SubmitJournal } from '../journal.ts'
import { type FabricAnchorOptions, openFabricAnchor } from './anchor.ts'
import { clientOf } from './test/client.ts'
import { type FabricDouble, startDouble } from './test/double.ts'
import { createFaults } from './test/faults.ts'

const tree = new TestTree('faults')
const anchorsOf = (double: FabricDouble, size: number): number =>
  double.writes().filter(key => key.startsWith('root/') && key.endsWith(`/${size}`)).length

class Crash extends Error {}

/** The process ends at the journal: at the next write, before it is durable or right after. */
function dyingJournal(inner: SubmitJournal, when: 'before' | 'after', isArmed: () => boolean): SubmitJournal {
  return {
    read: () => inner.read(),
    async write(bytes) {
      if (bytes === undefined || !isArmed()) return inner.write(bytes)
      if (when === 'after') await inner.write(bytes)
      throw new Crash(`${when} the journal write`)
    },
  }
}

async function started(t: TestContext) {
  const double = await startDouble()
  const opened: Anchor[] = []
  t.after(async () => {
    double.held = false
    await double.stop()
    for (const each of opened) await each.close()
  })
  const open = async (options: Partial<FabricAnchorOptions> = {}, who = 'user1') => {
    const anchor = await openFabricAnchor({ ...clientOf(double, who), ...options })
    opened.push(anchor)
    return anchor
  }
  return { double, open }
}

/** A log with size 3, whose process then dies while it anchors size 7. @returns what is on disk afterwards */
async function died(t: TestContext, when: 'before' | 'after') {
  const { double, open } = await started(t)
  const disk = createMemoryJournal()
  let armed = false
  const anchor = await open({ journal: dyingJournal(disk, when, () => armed) })
  await append(anchor, tree, 3)
  armed = true
  await assert.rejects(append(anchor, tree, 7), Crash)
  await anchor.close()
  assert.equal((await disk.read()) === undefined, when === 'before')
  assert.equal(anchorsOf(double, 7), 0)
  return { double, open, disk }
}

/** What has to be so in the end, whatever happened. */
async function assertOnce(double: FabricDouble, anchor: Anchor, disk: SubmitJournal, size = 7) {
  assertCheckpoint(await anchor.latest(), tree, size)
  assert.equal(anchorsOf(double, size), 1)
  assert.equal(await disk.read(), undefined)
  const receipt = await anchor.find(size)
  assert.deepEqual(await append(anchor, tree, size), receipt)
  await append(anchor, tree, size + 10)
  assert.equal(anchorsOf(double, size), 1)
}

const journaled = async (disk: SubmitJournal): Promise<string> =>
  (JSON.parse(Buffer.from((await disk.read())!).toString()) as { transaction: string }).transaction

for (const when of ['before', 'after'] as const) {
  test(`the process dies ${when} the journal write: the next one ends it`, async t => {
    const { double, open, disk } = await died(t, when)
    const transaction = when === 'after' ? await journaled(disk) : undefined
    const anchor = await open({ journal: disk })
    const receipt = await append(anchor, tree, 7)
    if (transaction !== undefined) assert.equal(receipt.transaction, transaction, 'sent the same bytes')
    await assertOnce(double, anchor, disk)
  })

  test(`endorsement refused, ${when} the journal write`, async t => {
    const { double, open, disk } = await died(t, when)
    const anchor = await open({ journal: disk, timeoutMs: 600 })
    double.refuse = mspId => (mspId === 'Org2MSP' ? 'could not launch chaincode: connection refused' : undefined)
    if (when === 'before') {
      const ordered = double.ordered()
      await rejects(append(anchor, tree, 7), 'unreachable')
      assert.equal(double.ordered(), ordered)
      assert.equal(await disk.read(), undefined)
      double.refuse = undefined
    }
    await append(anchor, tree, 7) // after: endorsed already, and sent
    double.refuse = undefined
    await assertOnce(double, anchor, disk)
  })

  test(`MVCC conflict, ${when} the journal write`, async t => {
    const { double, open, disk } = await died(t, when)
    const other = await open()
    await append(other, tree, 5)
    const anchor = await open({ journal: disk })
    if (when === 'before') double.codes.push(StatusCode.MVCC_READ_CONFLICT, StatusCode.PHANTOM_READ_CONFLICT)
    const ordered = double.ordered()
    await append(anchor, tree, 7)
    assert.equal(double.ordered() - ordered, when === 'before' ? 3 : 2) // after: what was endorsed over size 3 is void
    await assertOnce(double, anchor, disk)
  })

  test(`commit timeout, ${when} the journal write`, async t => {
    const { double, open, disk } = await died(t, when)
    const pending = when === 'after' ? await journaled(disk) : undefined
    double.held = true
    const anchor = await open({ journal: disk, timeoutMs: 600 })
    await assert.rejects(append(anchor, tree, 7), error => {
      assert.ok(error instanceof LedgerError && error.code === 'unreachable', String(error))
      assert.match(error.transaction ?? '', /^[0-9a-f]{64}$/)
      if (pending !== undefined) assert.equal(error.transaction, pending)
      return true
    })
    const transaction = await journaled(disk)
    double.release()
    const receipt = await append(anchor, tree, 7)
    assert.equal(receipt.transaction, transaction)
    await assertOnce(double, anchor, disk)
  })

  test(`mined, but the answer lost, ${when} the journal write`, async t => {
    const { double, open, disk } = await died(t, when)
    const faults = createFaults()
    const anchor = await open({ journal: disk, timeoutMs: 600, interceptors: [faults.interceptor] })
    faults.fault('answer-lost', true)
    await rejects(append(anchor, tree, 7), 'unreachable')
    assert.equal(anchorsOf(double, 7), 1)
    const transaction = await journaled(disk)
    const ordered = double.ordered()
    const next = await open({ journal: disk }) // after kill -9
    assert.equal((await append(next, tree, 7)).transaction, transaction)
    assert.equal(double.ordered(), ordered, 'found in its block, not sent again')
    await assertOnce(double, next, disk)
  })

  test(`the answer of the commit lost, again and again, ${when} the journal write`, async t => {
    const { double, open, disk } = await died(t, when)
    const faults = createFaults()
    const anchor = await open({ journal: disk, interceptors: [faults.interceptor] })
    faults.fault('answer-lost', false, 'CommitStatus', 3)
    await append(anchor, tree, 7)
    await assertOnce(double, anchor, disk)
  })

  test(`node restarted, ${when} the journal write`, async t => {
    const { double, open, disk } = await died(t, when)
    const anchor = await open({ journal: disk, timeoutMs: 600 })
    await double.stop()
    await rejects(append(anchor, tree, 7), 'unreachable')
    await rejects(anchor.latest(), 'unreachable')
    await double.start()
    const next = await open({ journal: disk })
    await append(next, tree, 7)
    await assertOnce(double, next, disk)
  })
}

test('a peer that is behind: its fork is none, and nobody is told of one', async t => {
  const { double, open } = await started(t)
  const anchor = await open()
  await append(anchor, tree, 3)
  const old = double.snapshot()
  await append(anchor, tree, 6)
  let looks = 0
  double.view = mspId => (mspId === 'Org2MSP' && looks++ < 3 ? old : undefined)
  await append(anchor, tree, 9) // Org2 sees size 3, for which the proof from 6 is none
  assert.ok(looks > 3)
  assert.equal(anchorsOf(double, 9), 1)
  // Behind for good: no outcome is claimed
  const hurried = await open({ timeoutMs: 600 })
  double.view = mspId => (mspId === 'Org2MSP' ? old : undefined)
  await rejects(append(hurried, tree, 12), 'unreachable')
  double.view = undefined
  await append(anchor, tree, 12)
})

test('peers that answer differently are asked again', async t => {
  const { double, open } = await started(t)
  const anchor = await open()
  const empty = double.snapshot()
  await append(anchor, tree, 3)
  // A log of which one peer does not know yet that it is there: UnknownLog, of which no latest size is known
  double.view = mspId => (mspId === 'Org2MSP' ? empty : undefined)
  await append(anchor, tree, 3) // there already: nobody is asked to endorse
  double.view = undefined
  await append(anchor, tree, 4)
})

test('two processes with one identity: each anchor once, both get it', async t => {
  const { double, open } = await started(t)
  const [one, two] = [await open(), await open()]
  for (const size of [3, 4, 8, 20]) {
    const [a, b] = await Promise.all([append(one, tree, size), append(two, tree, size)])
    assert.deepEqual(a, b)
    assert.equal(anchorsOf(double, size), 1)
  }
})

test('a second endpoint is asked while the first is away', async t => {
  const { double, open } = await started(t)
  const anchor = await open({ endpoints: ['127.0.0.1:9', double.endpoint] })
  await append(anchor, tree, 3)
  await rejects(open({ endpoints: ['127.0.0.1:9'], timeoutMs: 600 }), 'unreachable')
})

test('a peer that shows another chain than the others: an alarm, and nothing is final', async t => {
  const { double, open } = await started(t)
  const liar = await startDouble(() => Date.now() - 5000)
  t.after(() => liar.stop())
  const theirs = await openFabricAnchor(clientOf(liar))
  t.after(() => theirs.close())
  for (const size of [2, 3, 4]) await append(theirs, new TestTree('a liar'), size)
  const anchor = await open({ endpoints: [double.endpoint, liar.endpoint] })
  const receipt = await append(anchor, tree, 3)
  await assert.rejects(anchor.finality(receipt), (error: LedgerError) => {
    assert.equal(error.code, 'mismatch')
    assert.ok(error.message.includes(liar.endpoint), error.message)
    return true
  })
  await liar.stop()
  assert.equal((await anchor.finality(receipt)).final, true)
})

test('a fork, a rolled-back log, a late checkpoint: refused by the endorsers of both organisations', async t => {
  const { double, open } = await started(t)
  const anchor = await open({ endorsers: ['Org1MSP', 'Org2MSP'] })
  await append(anchor, tree, 6)
  const ordered = double.ordered()
  const other = new TestTree('another history')
  await rejects(append(anchor, other, 6), 'fork')
  await rejects(append(anchor, other, 9), 'fork')
  await rejects(append(anchor, tree, 5), 'stale')
  assert.equal(double.ordered(), ordered, 'nothing came to the orderers')
})

test('a squatted log, a rotated owner, a closed log', async t => {
  const { double, open } = await started(t)
  const anchor = await open()
  await append(anchor, tree, 5)
  const { logId = '', owner } = await anchor.describe()
  const squatter = await open({}, 'user2')
  const squatted = await squatter.describe()
  assert.notEqual(squatted.logId, logId)
  assert.equal(owner, 'Org1MSP:x509::/OU=client/CN=user1::/O=Org1MSP/CN=ca.Org1MSP')
  await rejects(open({ logId }, 'user2'), 'refused')
  await rejects(open({ logId: '00'.repeat(32) }), 'mismatch')
  const reader = await open({ logId, readOnly: true }, 'user2')
  assertCheckpoint(await reader.latest(), tree, 5)
  await rejects(append(reader, tree, 6), 'refused')
  await rejects(open({ origin: 'log.example/none', readOnly: true }), 'mismatch')

  await submit(double, 'user1', 'offerOwnership', logId, squatted.owner)
  await submit(double, 'user2', 'acceptOwnership', logId)
  await rejects(append(anchor, tree, 8), 'refused')
  const rotated = await open({ logId }, 'user2')
  await append(rotated, tree, 8)
  await submit(double, 'user2', 'succeed', logId, '8', squatted.logId!)
  await rejects(append(rotated, tree, 9), 'closed')
  assertCheckpoint(await squatter.latest(), tree, 8)
  await append(squatter, tree, 9)
})

test('what the peers find invalid is refused with its code, and nothing stays under way', async t => {
  const { double, open } = await started(t)
  const disk = createMemoryJournal()
  const anchor = await open({ journal: disk })
  double.codes.push(StatusCode.ENDORSEMENT_POLICY_FAILURE)
  await assert.rejects(append(anchor, tree, 3), (error: LedgerError) => {
    assert.equal(error.code, 'refused')
    assert.match(error.message, /ENDORSEMENT_POLICY_FAILURE.*`endorsers`/)
    return true
  })
  assert.equal(await disk.read(), undefined)
  await append(anchor, tree, 3)
})

test('a journal of another channel, a key that is none, a chaincode that is not there', async t => {
  const { double, open } = await started(t)
  const other = { fabricChannel: 'other', chaincode: 'entente', transaction: '00', prepared: '' }
  const anchor = await open()
  const wrong = await open({ journal: createMemoryJournal(Buffer.from(JSON.stringify(other))) })
  await rejects(append(wrong, tree, 3), 'mismatch')
  await append(anchor, tree, 3)
  await rejects(open({ key: 'no key' }), 'invalid')
  await rejects(open({ chaincode: 'other' }), 'unreachable')
  await rejects(open({ fabricChannel: 'other' }), 'unreachable')
  assert.equal(double.ordered(), 2)
})

test('a proposal of another time is endorsed by nobody', async t => {
  const double = await startDouble(() => Date.now() + 61_000)
  t.after(() => double.stop())
  const anchor = await openFabricAnchor(clientOf(double))
  t.after(() => anchor.close())
  await rejects(append(anchor, tree, 3), 'refused')
  assert.equal(await anchor.time(), undefined)
})

/** A call of the chaincode by somebody's own client. */
async function submit(double: FabricDouble, who: string, name: string, ...args: string[]) {
  const { createSubmitter } = await import('./submit.ts')
  const { openFabricConnection } = await import('./connection.ts')
  const connection = openFabricConnection(clientOf(double, who))
  const timing = { timeoutMs: 1000, pollMs: 5, wait: async () => {}, now: () => performance.now() }
  const { is } = await createSubmitter({ connection, journal: createMemoryJournal(), ...timing }).submit(name, args)
  assert.equal(is, 'valid')
  connection.close()
}
