import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, after, test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { type Anvil, startAnvil } from '#ledger/conformance/anvil.ts'
import { append } from '#ledger/conformance/anchor.ts'
import { TestTree } from '#ledger/conformance/tree.ts'
import { accountFromKey } from '#ledger/evm/account.ts'
import { openEvmAnchor } from '#ledger/evm/anchor.ts'
import { CHECKPOINT_ANCHOR } from '#ledger/evm/contract.ts'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

/** TEST KEYS: of the first accounts of every development chain, published with anvil. */
const KEYS = [
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
] as const
const OWNER = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'

const anvils = [startAnvil(), startAnvil('--timestamp', '1700000000')]
after(async () => {
  for (const started of await Promise.all(anvils)) if (typeof started === 'object') started.stop()
})

const configuration = (urls: string[], more = '') => `
server: { port: 0 }
log: { origin: log.example/ledgers }
ledgers:
  - { id: local, kind: embedded }
  - { id: dev, kind: evm, urls: ${JSON.stringify(urls)}, chainId: 31337, keyFile: dev.key${more} }
anchoring: { intervalMs: 50 }
apiRoots: [ { path: /api/, title: Tests, collections: [ { alias: default, title: Default collection } ] } ]
`

async function chains(t: TestContext): Promise<Anvil[] | undefined> {
  const started = await Promise.all(anvils)
  const missing = started.find(one => typeof one === 'string')
  if (missing !== undefined) t.skip(String(missing))
  return missing === undefined ? (started as Anvil[]) : undefined
}

test('deploy, status and verify of an embedded ledger and an EVM chain', async t => {
  const started = await chains(t)
  if (started === undefined) return
  const [dev, other] = started as [Anvil, Anvil]
  const site = await startSite(t, configuration([dev.url]), { 'dev.key': KEYS[0], 'other.key': KEYS[1] })
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const collection = createTaxiiClient({ url: site.url, auth }).collection(site.url)
  const [status] = await collection.add(indicators(3))
  await collection.waitFor(status!)

  writeFileSync(join(site.folder, 'two.yaml'), configuration([dev.url, other.url]))
  writeFileSync(join(site.folder, 'chain.yaml'), configuration([dev.url]).replace('31337', '5'))
  writeFileSync(join(site.folder, 'away.yaml'), configuration(['http://127.0.0.1:1']))
  writeFileSync(join(site.folder, 'stranger.yaml'), configuration([dev.url]).replace('dev.key', 'other.key'))
  writeFileSync(join(site.folder, 'nobody.yaml'), configuration([dev.url]).replace(', keyFile: dev.key', ''))
  const { url } = site.server
  const variables = {
    DEV: dev.url,
    OTHER: other.url,
    CODE: CHECKPOINT_ANCHOR.codeHash,
    OWNER,
    URL: url,
    VKEY: site.server.context.vkey,
  }
  const run = (script: string) => runScript(script, { cwd: site.folder, variables })

  await run(`
$ entente ledger status --config entente.yaml --data data
log.example/ledgers
ledger local (evm): chain 6100, genesis 0x…
  contract   0x…
  log        0x…
  owner      0x…
  latest     size 5
  finality   at once
  sealed by  4 validators: 0x…
ledger dev (evm): chain 31337, genesis 0x…
  contract   0x…
  log        0x…
  owner      $OWNER
  latest     size 5, final
  finality   at once
  account    $OWNER has 9999.…
  nodes      $DEV at block …, final …
$ entente ledger status dev --config entente.yaml --data data --json
{"origin":"log.example/ledgers","ledgers":[{"ok":true,"ledger":"dev","kind":"evm","chain_id":31337,"genesis":"0x…","contract":"0x…","log_id":"0x…","owner":"$OWNER","finality":"instant","enforces":true,"size":5,"root":"…","code_hash":"$CODE","balance":"…","final":true,"endpoints":[{"name":"$DEV","chainId":31337,"genesis":"0x…","head":…,"final":…}],"agree":true}]}
$ entente ledger verify --config entente.yaml --data data
log.example/ledgers: size 5
  ledger local: size 5 is the beginning of the log
  ledger dev: size 5 is the beginning of the log
$ entente ledger verify dev --config entente.yaml --url $URL --key $VKEY --json
{"ok":true,"origin":"log.example/ledgers","size":5,"key":"pinned","ledgers":[{"ledger":"dev","ok":true,"size":5}]}
$ entente ledger deploy --config entente.yaml --data data
…a server runs on …: it has deployed what was missing; "entente ledger status" shows it
[exit 1]
$ entente ledger status dev --config two.yaml --data data
log.example/ledgers
ledger dev (evm): the nodes disagree at block 0, which should be final: $DEV has 0x…, $OTHER has 0x… One is on another chain, or lies: nothing is sent or believed until they agree, or the wrong one is taken out of the configuration (mismatch)
[exit 4]
$ entente ledger status dev --config chain.yaml --data data
log.example/ledgers
ledger dev (evm): the node is on chain 31337, configured is 5: correct the URL or the chain id (mismatch)
[exit 4]
$ entente ledger status dev --config away.yaml --data data
log.example/ledgers
ledger dev (evm): no node answered … (unreachable)
[exit 3]
$ entente ledger status dev --config stranger.yaml --data data
log.example/ledgers
ledger dev (evm): account 0x… has created no CheckpointAnchor on chain 31337: name one as "contract", or deploy it with "entente ledger deploy" (mismatch)
[exit 4]
$ entente ledger status dev --config nobody.yaml --data data
…ledger "dev": who pays for anchors? Give either keyFile or account (a keystore with its passwordFile, or a node)
[exit 2]
$ entente ledger status nowhere --config entente.yaml --data data
…no ledger "nowhere" is configured: local, dev
[exit 2]
$ entente ledger frobnicate
…"frobnicate" is nothing to do with ledgers: deploy, status, verify, package are known
[exit 2]
`)

  // Somebody who has the account's key anchors another history beyond this log.
  const anchor = await openEvmAnchor({
    id: 'dev',
    urls: [dev.url],
    chainId: 31337,
    account: accountFromKey(KEYS[0]),
    finality: 'instant',
    origin: 'log.example/ledgers',
  })
  const { contract = '', logId = '' } = await anchor.describe()
  await site.server.close()
  const forked = new TestTree('another history')
  await anchor
    .append({ size: 9, root: forked.root(9), note: '' }, old => forked.consistency(old, 9))
    .then(
      () => t.assert.fail('the contract took a fork'),
      () => undefined,
    )
  await anchor.close()
  const stranger = await openEvmAnchor({
    id: 'dev',
    urls: [dev.url],
    chainId: 31337,
    account: accountFromKey(KEYS[1]),
    finality: 'instant',
    origin: 'log.example/ledgers',
    contract,
  })
  await append(stranger, forked, 2)
  const { logId: theirs = '' } = await stranger.describe()
  writeFileSync(
    join(site.folder, 'forked.yaml'),
    configuration([dev.url], `, contract: "${contract}", logId: "${theirs}"`).replace(', keyFile: dev.key', ''),
  )
  await run(`
$ entente ledger verify dev --config forked.yaml --data data
log.example/ledgers: size 5
  ledger dev: has another root at size 2: this is not the log that was anchored
[exit 4]
`)
  await append(stranger, forked, 9)
  await stranger.close()
  await run(`
$ entente ledger verify dev --config forked.yaml --data data --json
{"ok":false,"origin":"log.example/ledgers","size":5,"key":"pinned","ledgers":[{"ledger":"dev","ok":false,"size":9,"code":"rolled-back"}]}
[exit 4]
`)
  // The server is down: deploying again finds what is there.
  await runScript(
    `
$ entente ledger deploy dev --config entente.yaml --data data
ledger dev: chain 31337, genesis 0x…
  contract   $CONTRACT   (put it into the configuration as contract)
  code hash  $CODE
  log        $LOG   (log.example/ledgers)
  owner      $OWNER
`,
    { cwd: site.folder, variables: { ...variables, CONTRACT: contract, LOG: logId } },
  )
})

test('deploy before the first start', async t => {
  const started = await chains(t)
  if (started === undefined) return
  const [, other] = started as [Anvil, Anvil]
  const site = await startSite(t) // only for its folder
  writeFileSync(join(site.folder, 'dev.key'), KEYS[0])
  writeFileSync(join(site.folder, 'new.yaml'), configuration([other.url]))
  writeFileSync(join(site.folder, 'nameless.yaml'), configuration([other.url]).replace(/^log:.*$/m, ''))
  const run = (script: string) =>
    runScript(script, { cwd: site.folder, variables: { OWNER, CODE: CHECKPOINT_ANCHOR.codeHash } })
  await run(`
$ entente ledger deploy dev --config nameless.yaml --data fresh
…which log? Name it as log.origin in the configuration, or start the server once: …
[exit 2]
$ entente ledger deploy local --config new.yaml --data fresh
…local (embedded): only ledgers of kind evm are deployed to
[exit 2]
$ entente ledger status dev --config new.yaml --data fresh
log.example/ledgers
ledger dev (evm): account $OWNER has created no CheckpointAnchor on chain 31337: … (mismatch)
[exit 4]
$ entente ledger deploy --config new.yaml --data fresh --json
{"ledger":"dev","chain_id":31337,"genesis":"0x…","contract":"0x…","code_hash":"$CODE","log_id":"0x…","owner":"$OWNER","origin":"log.example/ledgers"}
$ entente ledger status dev --config new.yaml --data fresh
log.example/ledgers
ledger dev (evm): chain 31337, genesis 0x…
…
  latest     nothing anchored yet
…
`)
  rmSync(join(site.folder, 'fresh'), { recursive: true, force: true })
})
