// The suites on real GoQuorum networks of four validators, where ENTENTE_TEST_QUORUM names its geth.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { EvmNetwork } from '../../../../test/support/evm-network.ts'
import { type Consensus, findQuorum, startQuorum } from '../../../../test/support/quorum.ts'
import { anchorConformance } from '../conformance/anchor.ts'
import { chainConformance } from '../conformance/chain.ts'
import { type Start, anchorSubject, chainSubject } from '../conformance/evm.ts'
import { createHttpProvider } from './http.ts'

const folder = mkdtempSync(join(tmpdir(), 'entente-quorum-'))
const networks = new Map<Consensus, Promise<EvmNetwork | string>>()
after(async () => {
  for (const starting of networks.values()) {
    const network = await starting
    if (typeof network === 'object') await network.stop()
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

function networkOf(consensus: Consensus): Promise<EvmNetwork | string> {
  let network = networks.get(consensus)
  if (network === undefined) {
    const quorum = findQuorum()
    network =
      'reason' in quorum ? Promise.resolve(quorum.reason) : startQuorum(quorum.path, join(folder, consensus), consensus)
    networks.set(consensus, network)
  }
  return network
}

const on =
  (consensus: Consensus): Start =>
  async () => {
    const network = await networkOf(consensus)
    if (typeof network === 'string') return network
    const urls = network.nodes.map(({ url }) => url)
    const connect = async () => createHttpProvider({ urls })
    return { chainId: network.chainId, finality: 'instant', timeoutMs: 8_000, connect, dispose: () => {} }
  }

for (const consensus of ['qbft', 'ibft', 'raft'] as const) {
  anchorConformance(`GoQuorum ${consensus} with four validators`, anchorSubject(on(consensus)), 16)
  chainConformance(`GoQuorum ${consensus} with four validators`, chainSubject(on(consensus)), 16)
}
