// What the CheckpointAnchor answers on a chain to those who call it directly, past the adapter's own checks: transactions are sent without a trial.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Hex } from 'viem'
import { bytesToHex } from 'viem/utils'
import type { SigningAccount } from '../evm/account.ts'
import { createEvmAnchor } from '../evm/anchor.ts'
import { type EvmChain, openEvmChain } from '../evm/chain.ts'
import { encodeCall, explainRefusal, logIdOf, originHash } from '../evm/contract.ts'
import type { LedgerErrorCode } from '../error.ts'
import type { Anchor } from '../anchor.ts'
import { append, assertCheckpoint, rejects } from './anchor.ts'
import { type Network, type Start, testAccount, whereReorganised } from './evm.ts'
import { TestTree } from './tree.ts'

const ORIGIN = 'log.example/contract'
const tree = new TestTree('contract')
const forked = new TestTree('contract, another history')

type Party = { account: SigningAccount; chain: EvmChain }
type World = {
  owner: Party & { anchor: Anchor; contract: string; logId: Hex }
  stranger: Party
  /** An anchor of a party on the owner's contract. */
  anchorOf(party: Party, options: { origin?: string; logId?: string }): Promise<Anchor>
}

/** `anchor(...)` as anybody may send it. */
const anchorCall = (logId: Hex, of: TestTree, size: number, from: number): Uint8Array =>
  encodeCall(
    'anchor',
    logId,
    BigInt(size),
    bytesToHex(of.root(size)),
    from === 0 || from >= size ? [] : of.consistency(from, size).map(hash => bytesToHex(hash)),
  )

/** What the contract answered to a transaction, as the adapter says it. */
async function refused(party: Party, contract: string, data: Uint8Array, code: LedgerErrorCode): Promise<void> {
  await rejects(
    party.chain.submit({ contract, data }).catch((error: unknown) => {
      throw explainRefusal(error)
    }),
    code,
  )
}

export function contractConformance(name: string, start: Start, concurrency = 1): void {
  const answers = (title: string, run: (world: World) => Promise<void>) =>
    test(title, async t => {
      const accounts = [testAccount(), testAccount()] as const
      const networks: Network[] = []
      for (const account of accounts) {
        const network = await start(account)
        if (typeof network === 'string') return t.skip(network)
        networks.push(network)
      }
      const [network] = networks as [Network]
      const provider = await network.connect()
      const shared = { request: (request: Parameters<typeof provider.request>[0]) => provider.request(request) }
      const open = (account: SigningAccount) =>
        openEvmChain({ timeoutMs: 2000, ...network, gasLimit: 3_000_000, provider: shared, account, pollMs: 20 })
      const [owner, stranger] = [
        { account: accounts[0], chain: await open(accounts[0]) },
        { account: accounts[1], chain: await open(accounts[1]) },
      ]
      const anchor = await whereReorganised(() => createEvmAnchor(owner.chain, { id: 'contract', origin: ORIGIN }))
      const { contract = '', logId = '' } = await anchor.describe()
      try {
        await run({
          owner: { ...owner, anchor, contract, logId: logId as Hex },
          stranger,
          anchorOf: ({ chain }, options) =>
            createEvmAnchor(chain, { id: 'contract', origin: ORIGIN, contract, ...options }),
        })
      } finally {
        await provider.close()
        for (const each of networks) each.dispose()
      }
    })

  describe(`CheckpointAnchor: ${name}`, { concurrency }, () => {
    answers('a forked log: two checkpoints of one size', async ({ owner }) => {
      const { anchor, contract, logId } = owner
      await append(anchor, tree, 7)
      await refused(owner, contract, anchorCall(logId, forked, 7, 0), 'fork')
      await refused(owner, contract, anchorCall(logId, forked, 9, 7), 'fork')
      assertCheckpoint(await anchor.latest(), tree, 7)
      await append(anchor, tree, 9)
    })

    answers('a rolled-back log: put back to size 5 after 7, then grown another way', async ({ owner }) => {
      const { anchor, contract, logId } = owner
      await append(anchor, tree, 5)
      await append(anchor, tree, 7)
      await refused(owner, contract, anchorCall(logId, tree, 5, 0), 'stale')
      await refused(owner, contract, anchorCall(logId, forked, 9, 5), 'fork')
      assertCheckpoint(await anchor.latest(), tree, 7)
    })

    answers('a late transaction of an older size', async ({ owner }) => {
      const { anchor, contract, logId } = owner
      await append(anchor, tree, 5)
      const late = anchorCall(logId, tree, 7, 5)
      await append(anchor, tree, 9)
      await refused(owner, contract, late, 'stale')
      assertCheckpoint(await anchor.latest(), tree, 9)
      assert.equal(await anchor.find(7), undefined)
    })

    answers(
      'a squatted log id: the same origin of another account is another log',
      async ({ owner, stranger, anchorOf }) => {
        const { anchor, contract, logId } = owner
        await stranger.chain.submit({ contract, data: encodeCall('register', originHash(ORIGIN)) })
        assert.notEqual(logIdOf(stranger.account.address, ORIGIN), logId)
        await refused(stranger, contract, anchorCall(logId, tree, 3, 0), 'refused')
        await append(anchor, tree, 5)
        await append(await anchorOf(stranger, {}), forked, 3)
        assertCheckpoint(await anchor.latest(), tree, 5)
      },
    )

    answers('a rotated owner: the new one goes on, the old one cannot', async ({ owner, stranger, anchorOf }) => {
      const { anchor, contract, logId } = owner
      await append(anchor, tree, 5)
      await refused(stranger, contract, encodeCall('acceptOwnership', logId), 'refused')
      await owner.chain.submit({ contract, data: encodeCall('offerOwnership', logId, stranger.account.address) })
      await stranger.chain.submit({ contract, data: encodeCall('acceptOwnership', logId) })
      await refused(owner, contract, anchorCall(logId, tree, 7, 5), 'refused')
      await append(await anchorOf(stranger, { logId }), tree, 7)
      assertCheckpoint(await anchor.latest(), tree, 7)
    })

    answers('succeed(): the log is closed, its successor goes on from there', async ({ owner, anchorOf }) => {
      const { anchor, contract, logId, account } = owner
      await append(anchor, tree, 5)
      await append(anchor, tree, 7)
      const origin = 'log.example/contract/2'
      const successor = await anchorOf(owner, { origin })
      const next = logIdOf(account.address, origin)
      await refused(owner, contract, encodeCall('succeed', logId, 6n, next), 'refused')
      // As the adapter does it, which asks for the largest that both have.
      const shared = [5, 6].map(size => ({ size, root: tree.root(size) }))
      assert.deepEqual(await successor.succeed?.(ORIGIN, shared), { latest: 7, size: 5 })
      assert.deepEqual(await successor.succeed?.(ORIGIN, shared), { latest: 7, size: 5 })
      await refused(owner, contract, anchorCall(logId, tree, 9, 7), 'closed')
      assertCheckpoint(await successor.latest(), tree, 5)
      await append(successor, tree, 8)
    })
  })
}
