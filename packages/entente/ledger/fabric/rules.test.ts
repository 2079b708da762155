// The suite of RuleChain on a double of a gateway peer (test/double.ts), which is not Fabric; network.test.ts runs it on Fabric.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Change, CONSORTIUM, type Genesis } from '@entente/rules'
import { ruleChainConformance } from '../conformance/rule-chain.ts'
import type { RuleChain } from '../rule-chain.ts'
import { LedgerError } from '../error.ts'
import { createMemoryJournal } from '../journal.ts'
import { parseTransactions } from './block.ts'
import { openFabricConnection } from './connection.ts'
import { openFabricRuleChain } from './rules.ts'
import { startDouble } from './test/double.ts'
import { clientOf } from './test/client.ts'

ruleChainConformance('Fabric, a double of its gateway', async genesis => {
  const double = await startDouble()
  const opened: RuleChain[] = []
  const clients = Array.from({ length: 8 }, (_, n) => clientOf(double, `party${n}`, n % 2))
  const open = async (n: number) => {
    const chain = await openFabricRuleChain(clients[n]!)
    opened.push(chain)
    return chain
  }
  const accounts = await Promise.all(clients.map(async (_, n) => (await open(n)).account))
  const [first] = opened
  await first!.run(
    'found',
    genesis(n => accounts[n]!),
  )
  return {
    level: 'asked',
    finality: 'instant',
    as: open,
    async dispose() {
      for (const chain of opened) await chain.close()
      await double.stop()
    },
  }
})

const KEY = 'Org1MSP:x509::/CN=state::/CN=ca'
const genesis = (key: string): Genesis => ({
  chain: { kind: 'eu', country: 'EU' },
  parties: [{ id: `0x${'01'.repeat(32)}`, kind: 'commission', country: 'EU', key, act: `0x${'02'.repeat(32)}` }],
  consortium: { numerator: 1, denominator: 9, period: 86_400 },
})
/** A member that one vote admits. */
const admission = (n: number): Change => ({
  do: 'admit',
  member: `0x${`0${n}`.repeat(32)}`,
  kind: 'state',
  country: 'FR',
  key: `${KEY} ${n}`,
  act: `0x${'aa'.repeat(32)}`,
})

test('a call whose outcome was lost: the same call again takes up its transaction, another one waits for it', async t => {
  const double = await startDouble()
  t.after(() => double.stop())
  const journal = createMemoryJournal()
  const open = async (timeoutMs = 5000) => {
    const chain = await openFabricRuleChain({ ...clientOf(double), journal, timeoutMs })
    t.after(() => chain.close())
    return chain
  }
  /** It is ordered once nobody waits for it any more. */
  const lose = async (change: Change): Promise<string> => {
    double.held = true
    const failed = (await open(300)).run('propose', change).then(
      () => assert.fail('it has an outcome'),
      (error: unknown) => error,
    )
    const error = await failed
    assert.ok(error instanceof LedgerError && error.code === 'unreachable', String(error))
    double.release()
    return error.transaction ?? assert.fail()
  }
  const chain = await open()
  await chain.run('found', genesis(chain.account))
  const lost = await lose(admission(5))
  assert.equal((await (await open()).run('propose', admission(5))).transaction, lost)
  await assert.rejects(chain.run('propose', admission(5)), { name: 'Refusal', code: 'Exists', row: 2 })
  await lose(admission(6))
  await chain.run('addKey', `${KEY} second`)
  assert.equal((await chain.get('consortium', CONSORTIUM)).value?.members, 3)
  assert.equal(await journal.read(), undefined)
  assert.equal((await chain.history()).filter(({ name }) => name === 'ChangeMade').length, 2)
})

test('a block whose transactions are not those of its header is refused', async t => {
  const double = await startDouble()
  t.after(() => double.stop())
  const chain = await openFabricRuleChain(clientOf(double))
  const { block } = await chain.run('found', genesis(chain.account))
  await chain.close()
  const connection = openFabricConnection(clientOf(double))
  const bytes = await connection.evaluate('GetBlockByNumber', [double.fabricChannel, String(block)], 'qscc')
  connection.close()
  assert.equal(parseTransactions(bytes, double.chaincode).transactions.length, 1)
  const text = Buffer.from(bytes)
  const at = text.indexOf('"commission"')
  assert.ok(at > 0)
  text.write('"commossion"', at)
  assert.throws(() => parseTransactions(text, double.chaincode), { name: 'LedgerError', code: 'corrupt' })
})
