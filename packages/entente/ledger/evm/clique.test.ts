// The suites on a real Clique network: four sealers of go-ethereum, a block a second.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { EvmNetwork } from '../../../../test/support/evm-network.ts'
import { installGeth, startClique } from '../../../../test/support/geth.ts'
import { anchorConformance } from '../conformance/anchor.ts'
import { chainConformance } from '../conformance/chain.ts'
import { contractConformance } from '../conformance/contract.ts'
import { type Start, anchorSubject, chainSubject, testAccount } from '../conformance/evm.ts'
import { createHttpProvider } from './http.ts'

const folder = mkdtempSync(join(tmpdir(), 'entente-clique-'))
/** Accounts of the suites: each test takes the next. */
const funded = Array.from({ length: 40 }, (_, i) => testAccount(i).address)
let network: Promise<EvmNetwork | string> | undefined
after(async () => {
  const started = await network
  if (typeof started === 'object') await started.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

const clique: Start = async () => {
  network ??= (async () => {
    const geth = installGeth()
    return 'reason' in geth ? geth.reason : startClique(geth.path, folder, { funded })
  })()
  const started = await network
  if (typeof started === 'string') return started
  const urls = started.nodes.map(({ url }) => url)
  const connect = async () => createHttpProvider({ urls })
  return { chainId: started.chainId, finality: 'clique', timeoutMs: 8_000, connect, dispose: () => {} }
}

anchorConformance('geth with four Clique sealers', anchorSubject(clique), 16)
chainConformance('geth with four Clique sealers', chainSubject(clique), 16)
contractConformance('geth with four Clique sealers', clique, 16)
