import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { listCountries, loadCountry } from './config.ts'
import { initFederation } from './init.ts'
import { chainIdOf, NATIONAL, parseChainName } from './layout.ts'

function newFolder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'entente-federation-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const DOCS = join(import.meta.dirname, '../../../../docs/federation.md')

test('the example of docs/federation.md has one of everything, and is valid', t => {
  const dir = newFolder(t)
  const yaml = /```yaml\n(# federation\.yaml[\s\S]*?)```/.exec(readFileSync(DOCS, 'utf8'))?.[1] ?? ''
  mkdirSync(join(dir, 'FR'))
  writeFileSync(join(dir, 'FR/federation.yaml'), yaml)
  const { config } = loadCountry(dir, 'FR')
  assert.deepEqual(Object.keys(config).sort(), [
    'chains',
    'country',
    'deployer',
    'documents',
    'eu',
    'facts',
    'metrics',
    'rpc',
    'testKeys',
  ])
  const { artifact, certification, vulnerability } = config.chains
  assert.deepEqual([artifact?.kind, certification?.kind, vulnerability?.kind], ['embedded', 'evm', 'fabric'])
  const broken: [string, RegExp][] = [
    [yaml.replace('testKeys: false', 'testkeys: false'), /unknown key testkeys/],
    [yaml.replace('country: FR', 'country: DE'), /is of DE, its folder is called FR/],
    [
      yaml.replace(
        'chains:',
        'chains:\n  eu: { kind: embedded, path: eu, chainId: 1, validators: ["0x70997970c51812dc3a010c7d01b50e0d17dc79c8"], genesis: g }',
      ),
      /the chain eu is of the country EU/,
    ],
    [yaml.replace('kind: embedded', 'kind: paper'), /is not valid/],
    [yaml.replace('mspId: Org1MSP', 'mspid: Org1MSP'), /is not valid/],
    [yaml.replace('["peer0.org1.example:7051"', '["https://peer0.org1.example:7051"'), /is not valid/],
  ]
  for (const [text, message] of broken) {
    writeFileSync(join(dir, 'FR/federation.yaml'), text)
    assert.throws(() => loadCountry(dir, 'FR'), { code: 'usage', message })
  }
  assert.throws(() => loadCountry(dir, 'SE'), { code: 'usage', message: /has no SE/ })
})

test('init: every chain has an id of its own, and the EU chain names the validators that each has', t => {
  const dir = join(newFolder(t), 'federation')
  initFederation({ dir, members: ['FR', 'DE'], port: 6200, testSeed: 'entente test' })
  assert.deepEqual(listCountries(dir), ['EU', 'DE', 'FR'])
  const sets = (
    JSON.parse(readFileSync(join(dir, 'EU/genesis/eu.json'), 'utf8')) as { chains: { validators: string[] }[] }
  ).chains
  const chains = listCountries(dir).flatMap(country => Object.values(loadCountry(dir, country).config.chains))
  assert.equal(new Set(chains.map(chain => 'chainId' in chain && chain.chainId)).size, 7)
  assert.equal(sets.length, 7)
  for (const chain of chains) {
    const validators = 'validators' in chain ? chain.validators?.join() : undefined
    assert.ok(sets.some(set => set.validators.join() === validators))
  }
  assert.deepEqual(
    ['EU', 'DE', 'FR'].map(c => loadCountry(dir, c).config.rpc.port),
    [6200, 6202, 6201],
  )
  assert.throws(() => initFederation({ dir, members: ['SE', 'FR'], port: 0 }), { code: 'usage' })
  assert.deepEqual(listCountries(dir), ['EU', 'DE', 'FR'])
  for (const members of [[], ['FR', 'FR'], ['EU'], ['fr']])
    assert.throws(() => initFederation({ dir: join(dir, 'other'), members, port: 0 }), { code: 'usage' })
})

test('names of chains', () => {
  assert.deepEqual(parseChainName('FR/artifact'), { country: 'FR', kind: 'artifact' })
  assert.deepEqual(parseChainName('EU'), { country: 'EU', kind: 'eu' })
  for (const wrong of ['', 'FR', 'fr/artifact', 'FR/eu', 'FR/artifact/x', 'EU/artifact', 'FRA/artifact'])
    assert.equal(parseChainName(wrong), undefined, wrong)
  const ids = ['AA', 'AB', 'FR', 'ZZ'].flatMap(country => NATIONAL.map(kind => chainIdOf({ country, kind })))
  assert.equal(new Set(ids).size, ids.length)
})
