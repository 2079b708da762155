// The suites on real GoQuorum networks of four validators, where ENTENTE_TEST_QUORUM names its geth.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { verifySealedHeader } from '@entente/verify/proof'
import type { EvmNetwork } from '../../../../test/support/evm-network.ts'
import { type Consensus, findQuorum, startQuorum } from '../../../../test/support/quorum.ts'
import { anchorConformance, append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { chainConformance } from '../conformance/chain.ts'
import { contractConformance } from '../conformance/contract.ts'
import { type Start, anchorSubject, chainSubject, testAccount } from '../conformance/evm.ts'
import { foundOn } from '../conformance/evm-rules.ts'
import { ruleChainConformance } from '../conformance/rule-chain.ts'
import { TestTree } from '../conformance/tree.ts'
import { openEvmAnchor } from './anchor.ts'
import { createHttpProvider } from './http.ts'
import { deployRuleChain } from './rules/deploy.ts'

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

// All at once: they wait for blocks.
for (const consensus of ['qbft', 'ibft', 'raft'] as const) {
  describe(`GoQuorum with four validators, ${consensus}`, { concurrency: 4 }, () => {
    anchorConformance(consensus, anchorSubject(on(consensus)), 16)
    chainConformance(consensus, chainSubject(on(consensus)), 16)
    contractConformance(consensus, on(consensus), 16)
    if (consensus !== 'raft') ruleChainConformance(consensus, foundOn(on(consensus), 100), 4)
  })
}

test('GoQuorum raft counts nanoseconds, and the rules seconds: no chain of the federation is founded there', async t => {
  const network = await networkOf('raft')
  if (typeof network === 'string') return t.skip(network)
  const { chainId } = network
  const parties = [{ id: BYTES, kind: 'ncca' as const, country: 'FR', key: testAccount(1).address, act: BYTES }]
  const genesis = { chain: { kind: 'artifact' as const, country: 'FR' }, parties }
  const provider = createHttpProvider({ urls: network.nodes.map(({ url }) => url) })
  await rejects(deployRuleChain({ provider, chainId, deployer: testAccount(1002), genesis }), 'unsupported')
})
const BYTES = `0x${'1'.repeat(64)}`

test('GoQuorum qbft: real headers prove an anchor offline, and what is not proven is not final', async t => {
  const network = await networkOf('qbft')
  if (typeof network === 'string') return t.skip(network)
  const tree = new TestTree('quorum')
  const validators = network.nodes.map(({ address }) => address)
  const open = (pinned: readonly string[]) =>
    openEvmAnchor({
      id: 'quorum',
      urls: network.nodes.map(({ url }) => url),
      chainId: network.chainId,
      account: testAccount(1000),
      finality: 'instant',
      origin: 'log.example/quorum',
      validators: pinned,
      pollMs: 50,
    })
  const anchor = await open(validators)
  assert.deepEqual((await anchor.describe()).validators, validators.toSorted())
  const receipt = await append(anchor, tree, 1000)
  assert.equal((await anchor.finality(receipt)).final, true)
  const evidence = await anchor.prove?.(1000)
  assertCheckpoint(evidence, tree, 1000)
  const { hash, number, signers } = verifySealedHeader(evidence?.header ?? assert.fail(), validators)
  const block = (await network.rpc('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])) as { hash: string }
  assert.equal(`0x${Buffer.from(hash).toString('hex')}`, block.hash)
  assert.ok(signers.length >= 3)
  t.diagnostic(
    `${String(await network.rpc('web3_clientVersion'))}: anchored in block ${receipt.block} ${receipt.blockHash}, proven at ${number} ${block.hash}, sealed by ${signers.length} of 4`,
  )
  await anchor.close()

  const strangers = [...validators.slice(0, 1), ...[1, 2, 3].map(n => testAccount(n).address)]
  const deceived = await open(strangers)
  await rejects(deceived.finality(receipt), 'corrupt')
  await deceived.close()
})
