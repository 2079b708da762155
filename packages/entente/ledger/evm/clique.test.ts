// The suites on a real Clique network: four sealers of go-ethereum, a block a second.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { verifyCliqueHeader } from '@entente/verify/proof'
import { type EvmNetwork, waitFor } from '../../../../test/support/evm-network.ts'
import { installGeth, startClique } from '../../../../test/support/geth.ts'
import { anchorConformance, append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { chainConformance } from '../conformance/chain.ts'
import { contractConformance } from '../conformance/contract.ts'
import { type Start, anchorSubject, chainSubject, testAccount } from '../conformance/evm.ts'
import { ACCOUNTS, foundOn } from '../conformance/evm-rules.ts'
import { ruleChainConformance } from '../conformance/rule-chain.ts'
import { TestTree } from '../conformance/tree.ts'
import { openEvmAnchor } from './anchor.ts'
import { createHttpProvider } from './http.ts'

const folder = mkdtempSync(join(tmpdir(), 'entente-clique-'))
/** Accounts of the suites: each test takes the next. */
const RULES_FROM = 40
const funded = Array.from({ length: RULES_FROM + 12 * ACCOUNTS }, (_, i) => testAccount(i).address)
let network: Promise<EvmNetwork | string> | undefined
after(async () => {
  const started = await network
  if (typeof started === 'object') await started.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

function start(): Promise<EvmNetwork | string> {
  network ??= (async () => {
    const geth = installGeth()
    return 'reason' in geth ? geth.reason : startClique(geth.path, folder, { funded })
  })()
  return network
}

const clique: Start = async () => {
  const started = await start()
  if (typeof started === 'string') return started
  const urls = started.nodes.map(({ url }) => url)
  const connect = async () => createHttpProvider({ urls })
  return { chainId: started.chainId, finality: 'clique', timeoutMs: 8_000, connect, dispose: () => {} }
}

// All at once: they wait for blocks.
describe('geth with four Clique sealers', { concurrency: 4 }, () => {
  anchorConformance('Clique', anchorSubject(clique), 16)
  chainConformance('Clique', chainSubject(clique), 16)
  contractConformance('Clique', clique, 16)
  ruleChainConformance('Clique', foundOn(clique, RULES_FROM), 4)
})

test('real headers prove an anchor offline once more than half of the signers sealed on top', async t => {
  const started = await start()
  if (typeof started === 'string') return t.skip(started)
  const tree = new TestTree('clique')
  const signers = started.nodes.map(({ address }) => address)
  const account = testAccount(RULES_FROM - 1)
  const open = (validators: readonly string[]) =>
    openEvmAnchor({
      id: 'clique',
      urls: started.nodes.map(({ url }) => url),
      chainId: started.chainId,
      account,
      finality: 'clique',
      origin: 'log.example/clique',
      validators,
      pollMs: 50,
    })
  const anchor = await open(signers)
  const { consensus, validators, finality } = await anchor.describe()
  assert.deepEqual([consensus, validators, finality], ['clique', signers.toSorted(), { depth: 3 }])
  let receipt = await append(anchor, tree, 1000)
  await waitFor('the anchor to be final', async () => {
    receipt = (await anchor.find(1000)) ?? receipt // in another block, perhaps
    return (await anchor.finality(receipt)).final
  })
  const evidence = await anchor.prove?.(1000)
  assertCheckpoint(evidence, tree, 1000)
  const { header, following = [] } = evidence ?? assert.fail()
  const { number, hash, signers: by } = verifyCliqueHeader(header, following, signers)
  assert.ok(by.length >= 3 && number >= receipt.block)
  assert.equal(evidence?.blockHash, `0x${Buffer.from(hash).toString('hex')}`)
  await anchor.close()

  const deceived = await open([...signers.slice(0, 3), testAccount(1001).address])
  await rejects(deceived.finality(receipt), 'corrupt')
  await deceived.close()
})
