import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createMemoryChain } from '#ledger/memory/rule-chain.ts'
import type { RuleCall } from '#ledger/rule-chain.ts'
import { commitDocument } from '#product/commitment.ts'
import { readSecCerts } from '#product/sec-certs.ts'
import { rehearse } from '#registry/rehearse.ts'
import { callOfCertificate, callOfHolder, callOfScheme } from './import-calls.ts'
import { namesOf, planImport } from './import-plan.ts'

const DATA = join(import.meta.dirname, '../../../../../shared/data/sec-certs')
/** Test salts follow from a fixed seed. */
const salt = (name: string) => createHash('sha256').update(`entente test salt: ${name}`).digest()
const at = '2026-11-22T00:00:00.000Z'
const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}`

test('certificates of third countries go where they are related to most, else where most certificates are', () => {
  const row = (name: string, country: string, ...refs: string[]) =>
    `${name},${country},"{${refs.map(ref => `'${ref}'`).join()}}"\n`
  const references = [
    row('F1', 'FR') + row('F2', 'FR') + row('D1', 'DE', 'K2'),
    row('K1', 'KR', 'D1', 'F1', 'F2') + row('K2', 'KR') + row('K3', 'KR', 'K1') + row('K4', 'KR', 'F1', 'D1'),
  ]
  const data = readSecCerts(
    {
      references: `cert_id,scheme,refs\n${references.join('')}`,
      certificates: 'cert_id,manufacturer,not_valid_before\n',
    },
    { salt, at },
  )
  const plans = planImport(data)
  assert.deepEqual(
    plans.map(({ country, certificates }) => [country, certificates.map(one => one.name)]),
    [
      ['DE', ['D1', 'K2', 'K4']],
      ['FR', ['F1', 'F2', 'K1', 'K3']],
    ],
  )
  const [german] = plans
  assert.deepEqual(
    german?.schemes.map(one => one.name),
    ['Common Criteria DE', 'Common Criteria KR'],
  )
  assert.ok(german && namesOf(german, data).some(([kind, name]) => kind === 'certificate' && name === 'K2'))
})

test('all 1,523 real certificates: each on one chain, and the rules take every call', async t => {
  if (!existsSync(DATA)) return t.skip('the data of sec-certs is not here')
  const [references, certificates] = ['references.csv', 'certificates.csv'].map(name => readFileSync(join(DATA, name)))
  assert.ok(references !== undefined && certificates !== undefined)
  const plans = planImport(readSecCerts({ references, certificates }, { salt, at }))
  assert.deepEqual(
    plans.map(({ country, certificates: all }) => [country, all.length, all.filter(one => !one.isMember).length]),
    [
      ['DE', 530, 48],
      ['ES', 25, 1],
      ['FR', 810, 49],
      ['IT', 30, 0],
      ['NL', 126, 0],
      ['SE', 2, 0],
    ],
  )
  assert.equal(new Set(plans.flatMap(plan => plan.certificates.map(one => one.id))).size, 1_523)
  for (const { country, schemes, holders, certificates: all } of plans) {
    const parties = [{ id: id(1), kind: 'ncca' as const, country, key: 'ncca', act: id(9) }]
    const genesis = { chain: { kind: 'certification' as const, country }, parties }
    const chain = (await createMemoryChain({ genesis, now: () => Date.parse(at) / 1000 })).as('ncca')
    const calls: RuleCall[] = [
      ...schemes.map(scheme => callOfScheme(scheme, commitDocument(scheme.document))),
      ...holders.map(holder => callOfHolder(holder, holder.id, commitDocument(holder.document))),
      ...all.map(callOfCertificate),
    ]
    const fresh = new Set([...schemes, ...holders, ...all].map(one => one.id))
    await rehearse(chain, 'ncca', calls, fresh)
    const isRefused = (await chain.runAll(calls)).filter(one => one instanceof Error)
    assert.deepEqual(isRefused, [])
  }
})
