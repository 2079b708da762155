// Who may send transactions to a chain of a running federation: the writers of the EU registry, once it names any.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Hex, keccak256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { subjectId } from '#product/ids.ts'
import { waitFor } from '../../../../test/support/evm-network.ts'
import { temporaryFolder } from '../../../../test/support/server.ts'
import { readKey } from './chains.ts'
import { loadCountry } from './config.ts'
import { initFederation } from './init.ts'
import { pathsOf } from './layout.ts'
import { startFederation } from './up.ts'

/** TEST KEYS. */
const [writer, stranger] = ['writer', 'stranger'].map(name =>
  privateKeyToAccount(keccak256(`0x${Buffer.from(name).toString('hex')}`)),
)
const lower = ({ address }: { address: Hex } = { address: '0x' }) => address.toLowerCase()

test('the chains of a process take transactions of anybody until the members name writers, then of these alone', async t => {
  const dir = join(temporaryFolder(t), 'federation')
  initFederation({ dir, members: ['FR'], port: 0, testSeed: 'writers test' })
  writeFileSync(pathsOf(dir, 'EU').config, 'metrics: { port: 0 }\n', { flag: 'a' })
  const eu = loadCountry(dir, 'EU')
  const start = () => startFederation(dir, [eu], { demo: false, log: () => {}, now: Date.now })
  let running = await start()
  t.after(() => running.close())
  const config = eu.config.chains.eu
  const chainId = config?.kind === 'embedded' ? config.chainId : assert.fail()
  const ask = async (method: string, ...params: unknown[]) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${running.urls.get('EU')}/eu`, { method: 'POST', headers, body })
    return (await response.json()) as { result?: string; error?: { code: number; message: string } }
  }
  const send = async (from = writer, nonce = 0) => {
    const transaction = { type: 'legacy', chainId, nonce, gas: 21_000n, gasPrice: 0n, to: from?.address } as const
    return ask('eth_sendRawTransaction', await from?.signTransaction(transaction))
  }
  assert.match((await send(stranger)).result ?? '', /^0x/)
  assert.match((await ask('eth_sendTransaction', {})).error?.message ?? '', /not offered/)

  const chain = running.chains[0] ?? assert.fail()
  const members = (['commission', 'enisa'] as const).map(name => readKey(join(pathsOf(dir, 'EU').keys, `${name}.key`)))
  const [commission, enisa] = await Promise.all(members.map(key => chain.as(key)))
  await commission?.run('propose', { do: 'writers', chain: subjectId('chain', 'EU'), add: [lower(writer)], remove: [] })
  await enisa?.run('vote', '1')
  const refusal = /0x[0-9a-f]{40} is none of the 1 writers of this chain/
  await waitFor('the guard to know', async () => refusal.test((await send(stranger, 1)).error?.message ?? ''))
  assert.match((await send(writer)).result ?? '', /^0x/)

  const metrics = await (await fetch(running.metrics.get('EU') ?? assert.fail())).text()
  assert.match(metrics, /^entente_due_clocks\{chain="EU",clock="proposal ends"\} \d$/m)
  assert.match(metrics, /^entente_due_error\{chain="EU"\} 0$/m)
  await running.close()
  running = await start()
  assert.match((await send(stranger, 1)).error?.message ?? '', refusal)
  assert.match((await send(writer, 1)).result ?? '', /^0x/)
})
