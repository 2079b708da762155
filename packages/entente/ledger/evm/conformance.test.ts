import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { numberToHex } from 'viem'
import { anchorConformance } from '../conformance/anchor.ts'
import { startAnvil } from '../conformance/anvil.ts'
import { chainConformance } from '../conformance/chain.ts'
import { contractConformance } from '../conformance/contract.ts'
import { type Start, anchorSubject, chainSubject } from '../conformance/evm.ts'
import { foundOn } from '../conformance/evm-rules.ts'
import { ruleChainConformance } from '../conformance/rule-chain.ts'
import { createEmbeddedProvider } from './embedded/provider.ts'
import { createHttpProvider } from './http.ts'

const embedded: Start = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-ledger-'))
  return {
    chainId: 6100,
    finality: 'instant',
    gasLimit: 5_000_000,
    connect: () => createEmbeddedProvider({ folder, chainId: 6100, now: Date.now, worker: false }),
    dispose: () => rmSync(folder, { recursive: true }),
  }
}

let anvil: ReturnType<typeof startAnvil> | undefined
after(async () => {
  const started = await anvil
  if (typeof started === 'object') started.stop()
})
const onAnvil: Start = async ({ address }) => {
  const started = await (anvil ??= startAnvil('--hardfork', 'cancun'))
  if (typeof started === 'string') return started
  const connect = async () => createHttpProvider({ urls: ['http://127.0.0.1:11111', started.url] }) // the first is dead: failover
  const provider = await connect()
  await provider.request({ method: 'anvil_setBalance', params: [address, numberToHex(10n ** 20n)] })
  return { chainId: 31337, finality: { depth: 2 }, connect, dispose: () => {} }
}

anchorConformance('embedded', anchorSubject(embedded))
chainConformance('embedded', chainSubject(embedded))
anchorConformance('anvil by JSON-RPC', anchorSubject(onAnvil))
chainConformance('anvil by JSON-RPC', chainSubject(onAnvil))
contractConformance('embedded', embedded)
contractConformance('anvil by JSON-RPC', onAnvil)

ruleChainConformance('embedded', foundOn(embedded, 100))
ruleChainConformance(
  'anvil by JSON-RPC',
  foundOn(onAnvil, 200, async (provider, { address }) => {
    await provider.request({ method: 'anvil_setBalance', params: [address, numberToHex(10n ** 20n)] })
  }),
)
