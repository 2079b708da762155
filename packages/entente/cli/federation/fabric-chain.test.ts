// A country's chain on Fabric by its configuration: on a double of a gateway peer, which is not Fabric. test/federation/technologies.test.ts has a real one.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startDouble } from '#ledger/fabric/test/double.ts'
import type { Genesis, NewParty } from '@entente/rules'
import { stringify } from 'yaml'
import { temporaryFolder } from '../../../../test/support/server.ts'
import { foundChain, keyFileOf, readSigner } from './chains.ts'
import { loadCountry } from './config.ts'
import { connectChain } from './connect.ts'

const FR = { country: 'FR', kind: 'artifact' } as const
const AUTHORITIES = ['ncca', 'nab', 'coordinator'] as const

/** The folder of a country with one chain, whose authorities are not in its genesis yet. */
async function open(t: TestContext) {
  const double = await startDouble(Date.now, { tls: true })
  t.after(() => double.stop())
  const dir = temporaryFolder(t)
  const folder = join(dir, 'FR')
  mkdirSync(join(folder, 'keys/fabric'), { recursive: true })
  const [org] = double.organizations
  const { mspId, issue } = org ?? assert.fail()
  for (const name of [...AUTHORITIES, 'reader']) {
    const { cert, key } = issue('client', name)
    writeFileSync(join(folder, 'keys/fabric', `${name}.crt`), cert)
    writeFileSync(join(folder, 'keys/fabric', `${name}.key`), key.pem, { mode: 0o600 })
  }
  writeFileSync(join(folder, 'tls-ca.pem'), double.tlsCert ?? assert.fail())
  const entry = {
    kind: 'fabric',
    endpoints: [double.endpoint],
    tlsCert: 'tls-ca.pem',
    mspId,
    cert: 'keys/fabric/reader.crt',
    key: 'keys/fabric/reader.key',
    fabricChannel: double.fabricChannel,
    chaincode: double.chaincode,
    genesis: 'genesis.json',
  }
  const configure = (change: object = {}) =>
    writeFileSync(
      join(folder, 'federation.yaml'),
      stringify({
        country: 'FR',
        rpc: { port: 0 },
        deployer: `0x${'00'.repeat(20)}`,
        chains: { artifact: { ...entry, ...change } },
      }),
    )
  const begin = (key: (authority: string) => string) => {
    const party = (kind: (typeof AUTHORITIES)[number], n: number): NewParty => ({
      id: `0x${String(n + 1).repeat(64)}`,
      kind,
      country: 'FR',
      key: key(kind),
      act: `0x${'ac'.repeat(32)}`,
    })
    const genesis: Genesis = { chain: { kind: 'artifact', country: 'FR' }, parties: AUTHORITIES.map(party) }
    writeFileSync(join(folder, 'genesis.json'), JSON.stringify(genesis))
  }
  configure()
  const connect = async () => {
    const chain = await connectChain(dir, FR)
    t.after(() => chain.close())
    return chain
  }
  const found = async () => foundChain(loadCountry(dir, 'FR'), await connect())
  const signer = (name: string) => {
    const { config, paths } = loadCountry(dir, 'FR')
    const chain = config.chains.artifact ?? assert.fail()
    return readSigner(chain, keyFileOf(chain, paths, name))
  }
  return { double, folder, configure, begin, connect, found, signer }
}

test('it is founded once with what the genesis file says, and signed by identities of the folder', async t => {
  const { begin, connect, found, signer, double } = await open(t)
  begin(name => `0x${name.length.toString(16).padStart(40, '0')}`)
  await assert.rejects(found(), {
    code: 'usage',
    message: /has addresses as keys of ncca, nab, coordinator.*federation key FR\/artifact --as FR\/ncca/,
  })
  const chain = await connect()
  const names = new Map<string, string>()
  for (const name of AUTHORITIES) names.set(name, await chain.accountOf(signer(name)))
  assert.match(names.get('ncca') ?? '', /^Org1MSP:x509::.*CN=ncca/)
  begin(name => names.get(name) ?? assert.fail(name))
  await found()
  const written = double.ordered()
  await found()
  assert.equal(double.ordered(), written)
  const ncca = await chain.as(signer('ncca'))
  const maker = {
    id: `0x${'aa'.repeat(32)}`,
    kind: 'manufacturer',
    country: 'FR',
    key: 'its key',
    act: `0x${'ac'.repeat(32)}`,
  } as const
  await ncca.run('registerParty', maker)
  const { value, level } = await (await chain.reader()).get('party', maker.id)
  assert.deepEqual([value?.kind, level], ['manufacturer', 'asked'])
  await assert.rejects(
    (await chain.as()).run('registerParty', { ...maker, id: `0x${'bb'.repeat(32)}`, key: 'another' }),
    { name: 'Refusal', code: 'UnknownKey' },
  )
  begin(name => `${names.get(name)} of somebody else`)
  await assert.rejects(found(), {
    code: 'usage',
    message: /began otherwise than genesis\.json says: it does not know ncca/,
  })
})

test('what is wrong with an identity or with where the chain is, is said by its name', async t => {
  const { folder, configure, connect, signer } = await open(t)
  const at = (name: string) => join(folder, 'keys/fabric', name)
  assert.throws(() => signer('nobody'), {
    code: 'usage',
    message: /private key .*nobody\.key .*ENOENT.*the CA of its organisation/,
  })
  writeFileSync(at('nobody.key'), 'no key', { mode: 0o600 })
  assert.throws(() => signer('nobody'), { code: 'usage', message: /certificate .*nobody\.crt .*ENOENT/ })
  writeFileSync(at('nobody.crt'), 'no certificate')
  assert.throws(() => signer('nobody'), { code: 'usage', message: /no certificate and private key in PEM/ })
  chmodSync(at('nab.key'), 0o644)
  assert.throws(() => signer('nab'), { code: 'usage', message: /chmod 600/ })
  for (const [change, code, message] of [
    [{ cert: 'keys/fabric/ncca.crt' }, 'usage', /reader\.key is not the private key of the certificate .*ncca\.crt/],
    [{ tlsCert: 'none.pem' }, 'usage', /CAs of the peers' TLS certificates, .*none\.pem/],
    [
      { endpoints: ['localhost:1'] },
      'unreachable',
      /^FR\/artifact, chaincode \w+ on channel \w+, asked as Org1MSP: localhost:1/,
    ],
  ] as const) {
    configure(change)
    await assert.rejects((await connect()).reader(), { code, message })
  }
})
