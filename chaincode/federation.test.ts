// The federation's rules through the chaincode, on a world state in memory (stub only): what they decide is tested in packages/rules.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from './index.ts'
import { createTestLedger, identity } from './test/ledger.ts'

const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}`
const NCCA = identity('ncca')
const MAKER = identity('maker')
const STRANGER = identity('stranger')

async function founded() {
  const ledger = createTestLedger()
  const chain = { kind: 'artifact', country: 'FR' }
  const parties = [{ id: id(1), kind: 'ncca', country: 'FR', key: NCCA, act: id(9) }]
  const rule = (caller: string, name: string, ...args: unknown[]) =>
    ledger.transact(caller, 'rule', name, JSON.stringify(args))
  await rule(STRANGER, 'found', { chain, parties })
  await rule(NCCA, 'registerParty', { id: id(2), kind: 'manufacturer', country: 'JP', key: MAKER, act: id(9) })
  return { ledger, rule }
}

test('a rule puts its entities and tells what it did, under the identity that the MSP vouches for', async () => {
  const { ledger, rule } = await founded()
  await rule(MAKER, 'registerArtifact', id(3), id(4))
  const found = await ledger.transact(STRANGER, 'entity', 'artifact', id(3))
  assert.deepEqual(found, { manufacturer: id(2), description: id(4), history: 0 })
  const event = ledger.events.at(-1)
  assert.equal(event?.name, 'federation')
  assert.deepEqual(JSON.parse(event?.payload ?? ''), [{ name: 'ArtifactRegistered', subject: id(3), by: id(2) }])
  assert.equal(await ledger.transact(STRANGER, 'entity', 'artifact', id(5)), undefined)
})

test('a refusal has the code of the rule and its row, and nothing of the call counts', async () => {
  const { ledger, rule } = await founded()
  const before = ledger.state.size
  const refuses = (call: Promise<unknown>, code: string, row: number) =>
    assert.rejects(call, error => {
      assert.ok(error instanceof Refusal, String(error))
      assert.deepEqual([error.code, error.details['row']], [code, row])
      return true
    })
  await refuses(rule(STRANGER, 'registerArtifact', id(3), id(4)), 'UnknownKey', 14)
  await refuses(rule(NCCA, 'registerArtifact', id(3), id(4)), 'WrongRole', 14)
  await refuses(rule(MAKER, 'registerArtifact', 'x', id(4)), 'Invalid', 0)
  await refuses(rule(MAKER, 'found', { chain: { kind: 'artifact', country: 'FR' }, parties: [] }), 'Exists', 0)
  await assert.rejects(ledger.transact(MAKER, 'rule', 'found', '[{'), /Invalid/)
  await assert.rejects(ledger.transact(MAKER, 'rule', '__proto__', '[]'), /Invalid/)
  assert.equal(ledger.state.size, before)
})
