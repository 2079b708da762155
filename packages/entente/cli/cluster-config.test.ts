import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stringify } from 'yaml'
import { temporaryFolder } from '../../../test/support/server.ts'
import { toHostPort } from './cluster-config.ts'
import { loadConfig } from './config.ts'

const STORE = { kind: 'mongodb', url: 'mongodb://db.example/' }
const CLUSTER = { listen: '10.0.0.5:6102' }

function load(t: TestContext, config: Record<string, unknown>) {
  const folder = temporaryFolder(t)
  const file = join(folder, 'entente.yaml')
  writeFileSync(file, stringify(config))
  return loadConfig({ file, data: join(folder, 'data'), env: {} }).config
}

test('several servers share a database, and name where they reach each other', t => {
  const given = { store: STORE, ledgers: [], cluster: { listen: '0.0.0.0:6102', address: 'taxii1.example:6102' } }
  assert.deepEqual(load(t, given).cluster, given.cluster)
  assert.equal(load(t, { store: STORE, ledgers: [] }).cluster, undefined)
  assert.deepEqual(toHostPort('taxii1.example:6102'), { host: 'taxii1.example', port: 6102 })
  assert.deepEqual(toHostPort('[2001:db8::1]:6102'), { host: '2001:db8::1', port: 6102 })
})

test('what several servers can not share is refused, with the way out', t => {
  const recorded = [{ path: '/api/', title: 'a', collections: [{ alias: 'a', title: 'Recorded', record: 'full' }] }]
  const evm = { id: 'main', kind: 'evm', urls: ['http://127.0.0.1:1'], chainId: 5, keyFile: 'k', records: true }
  for (const [config, message] of [
    [{ cluster: CLUSTER, ledgers: [] }, /store\.kind/],
    [{ cluster: CLUSTER, store: STORE }, /"local" is embedded/],
    [{ cluster: CLUSTER, store: STORE, ledgers: [evm], apiRoots: recorded }, /"Recorded" is full/],
    [{ cluster: { listen: '0.0.0.0:6102' }, store: STORE, ledgers: [] }, /cluster\.address/],
    [{ cluster: { listen: '[::]:6102' }, store: STORE, ledgers: [] }, /cluster\.address/],
    [{ cluster: { listen: 'taxii1.example' }, store: STORE, ledgers: [] }, /cluster\/listen/],
    [{ cluster: {}, store: STORE, ledgers: [] }, /cluster/],
  ] as const)
    assert.throws(() => load(t, config), { code: 'usage', message })
})
