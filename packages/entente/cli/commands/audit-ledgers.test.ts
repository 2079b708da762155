// One operator, one key, two histories: each on a ledger of its own, each good by itself. Who compares the ledgers sees it.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { type Anvil, startAnvil } from '#ledger/conformance/anvil.ts'
import { loadConfig } from '../config.ts'
import { startServer } from '../serve.ts'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

/** TEST KEY: the first account of every development chain, published with anvil. */
const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

const configuration = (chains: { anvil: Anvil; chainId: number }[]) => `
server: { port: 0 }
ledgers: ${JSON.stringify(
  chains.map(({ anvil, chainId }) => ({
    id: `chain-${chainId}`,
    kind: 'evm',
    urls: [anvil.url],
    chainId,
    keyFile: 'dev.key',
    finality: 'instant',
  })),
)}
anchoring: { intervalMs: 50 }
apiRoots: [ { path: /api/, title: Tests, collections: [ { alias: default, title: Default collection } ] } ]
`

async function anvilFor(t: TestContext, chainId: number): Promise<Anvil | string> {
  const anvil = await startAnvil('--chain-id', String(chainId))
  if (typeof anvil !== 'string') t.after(() => anvil.stop())
  return anvil
}

test('fork X on one ledger and fork Y on another: found by a client that compares', async t => {
  const [first, second] = [await anvilFor(t, 71_001), await anvilFor(t, 71_002)]
  if (typeof first === 'string' || typeof second === 'string') return t.skip(String(first))
  const one = { anvil: first, chainId: 71_001 }
  const two = { anvil: second, chainId: 71_002 }
  const site = await startSite(t, configuration([one, two]), { 'dev.key': KEY })
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const add = async (url: string, objects: ReturnType<typeof indicators>) => {
    const collection = createTaxiiClient({ url, auth }).collection(`${url}/api/collections/default/`)
    const [status] = await collection.add(objects)
    await collection.waitFor(status!)
  }
  const variables = { X: site.server.url, L1: first.url, L2: second.url, VKEY: site.server.context.vkey }
  const run = (script: string) => runScript(script, { cwd: site.folder, variables })
  await add(site.server.url, indicators(3))
  writeFileSync(
    join(site.folder, 'pins.json'),
    JSON.stringify(await (await fetch(`${site.server.url}/log/ledgers`)).json()),
  )
  await run(`
    $ entente audit --url $X --key $VKEY --ledger $L1 --ledger $L2 --no-memory
    entente.local/…: size …, key pinned
      ledger $L1/: agrees up to size …
      ledger $L2/: agrees up to size …
    no problem found
  `)

  // The operator goes on with two copies: X anchors on the first ledger only, Y on the second.
  await site.server.close()
  const fork = join(site.folder, 'fork')
  cpSync(site.data, fork, { recursive: true })
  const started = async (data: string, chain: typeof one) => {
    const file = join(site.folder, `${chain.chainId}.yaml`)
    writeFileSync(file, configuration([chain]))
    const { config, paths } = loadConfig({ file, data, env: {} })
    const server = await startServer(config, paths, () => {})
    t.after(() => server.close())
    return server
  }
  const x = await started(site.data, one)
  const y = await started(fork, two)
  await add(x.url, indicators(2, 10))
  await add(y.url, indicators(1, 20))
  variables.X = x.url

  // Each ledger by itself agrees with the history that was anchored there.
  await run(`
    $ entente audit --url $X --key $VKEY --ledger $L1 --ledger-pin pins.json --no-memory
    …
      ledger $L1/: agrees up to size …
    no problem found
  `)
  await run(`
    $ entente audit --url $X --key $VKEY --ledger $L1 --ledger $L2 --ledger-pin pins.json --no-memory
    …
      ledger $L1/: agrees up to size …
    PROBLEM ledger: ledger $L2/ has another log than the one that is shown: it has size … with root …, $X/ shows size … with root …
    The evidence is in …
    1 problem found
    [exit 4]
  `)
  const evidence = readdirSync(site.folder).find(name => name.includes('evidence'))
  assert.ok(evidence, readdirSync(site.folder).join())
  await run(`
    $ entente verify ${evidence} --key $VKEY
    ${evidence}: signed
      FORK: the log that the key of … signed has another root at size … than the ledger:
      …
      the signature and the proof are real; what the ledger has, ask it
      …
  `)

  // What does not contradict is no evidence; a server that shows less than a ledger has is behind it.
  const behind = await run(`
    $ entente audit --url ${y.url} --key $VKEY --ledger $L1 --ledger-pin pins.json --no-memory
    …
    PROBLEM ledger: ledger $L1/ is ahead of the log: it has size … with root …, … shows size … with root …
    The evidence is in …
    1 problem found
    [exit 4]
    $ entente audit --ledger $L1 --data data
    entente audit: --ledger goes with --url: of a data folder the configured ledgers are compared
    [exit 2]
  `)
  assert.equal(behind, undefined)
})
