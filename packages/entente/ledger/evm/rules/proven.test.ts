// A node that lies about a slot, a proof, a header or the code of a contract is found out, and what it says is not believed.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Genesis, NewParty, PartyKind } from '@entente/rules'
import { rejects } from '../../conformance/anchor.ts'
import { testAccount } from '../../conformance/evm.ts'
import { openEvmChain } from '../chain.ts'
import { createEmbeddedProvider } from '../embedded/provider.ts'
import { type ClosableProvider, type Eip1193Provider, RpcError } from '../provider.ts'
import { openEvmRuleChain } from './chain.ts'
import { contractAddresses, deployRuleChain } from './deploy.ts'

const CHAIN_ID = 6100
const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}`
const [DEPLOYER, NCCA, MAKER] = [300, 301, 302].map(testAccount) as [Account, Account, Account]
type Account = ReturnType<typeof testAccount>
const party = (n: number, kind: PartyKind, { address }: Account): NewParty => ({
  id: id(n),
  kind,
  country: 'FR',
  key: address,
  act: id(9),
})
const genesis: Genesis = { chain: { kind: 'artifact', country: 'FR' }, parties: [party(1, 'ncca', NCCA)] }
const folder = mkdtempSync(join(tmpdir(), 'entente-proven-'))
let provider: ClosableProvider
let contracts: Record<string, string>
let validators: readonly string[]

const open = (through: Eip1193Provider, more: { account?: Account; validators?: readonly string[] } = {}) =>
  openEvmRuleChain({
    provider: through,
    chainId: CHAIN_ID,
    kind: 'artifact',
    contracts,
    finality: 'instant',
    gasLimit: 3_000_000,
    pollMs: 5,
    timeoutMs: 500,
    validators,
    ...more,
  })

before(async () => {
  provider = await createEmbeddedProvider({ folder, chainId: CHAIN_ID, now: Date.now, worker: false })
  contracts = await deployRuleChain({ provider, chainId: CHAIN_ID, deployer: DEPLOYER, genesis, pollMs: 5 })
  const plain = await openEvmChain({
    provider: { request: request => provider.request(request) },
    account: DEPLOYER,
    chainId: CHAIN_ID,
    finality: 'instant',
  })
  validators = (await plain.identity()).validators ?? assert.fail()
  await (await open(provider, { account: NCCA })).run('registerParty', party(2, 'manufacturer', MAKER))
  const maker = await open(provider, { account: MAKER })
  await maker.run('registerArtifact', id(0xa1), id(5))
  await maker.run('registerArtifact', id(0xa2), id(6))
  const version = { firmware: id(6), sbom: id(7), mud: id(8) }
  await maker.run('registerVersion', id(0xa1), id(0xb1), version)
  await maker.run('registerVersion', id(0xa1), id(0xb2), { ...version, patches: id(0xb1), fixes: [id(0xe1), id(0xe2)] })
})
after(async () => {
  await provider.close()
  rmSync(folder, { recursive: true })
})

type Answer = { accountProof: string[]; storageProof: { value: string; proof: string[] }[] } & Record<string, string>
/** A node of which one method answers otherwise. */
const lying = (method: string, change: (answer: Answer, params: readonly unknown[]) => unknown): Eip1193Provider => ({
  async request(request) {
    const answer = structuredClone(await provider.request(request))
    return request.method === method ? change(answer as Answer, request.params ?? []) : answer
  },
})
const flip = (hex: string, at: number) => {
  const bytes = Buffer.from(hex.slice(2), 'hex')
  bytes[at % bytes.length]! ^= 1
  return `0x${bytes.toString('hex')}`
}

test('what is there and what is not is proven, with no more questions than it takes', async () => {
  const asked: string[] = []
  const counting: Eip1193Provider = {
    request: request => {
      asked.push(request.method)
      return provider.request(request)
    },
  }
  const chain = await open(counting)
  const first = await chain.get('version', id(0xb2))
  assert.equal(first.level, 'proven')
  assert.deepEqual([first.value?.patches, first.value?.fixes], [id(0xb1), [id(0xe1), id(0xe2)]])
  assert.equal((await chain.get('version', id(0xb9), first.block)).value, undefined)
  assert.equal((await chain.get('artifact', id(0xa9), first.block)).value, undefined)
  asked.length = 0
  assert.equal((await chain.get('version', id(0xb1), first.block)).value?.patches, undefined)
  assert.deepEqual(asked, ['eth_getProof'])
  asked.length = 0
  await chain.get('version', id(0xb1), first.block)
  assert.deepEqual(asked, [])
  const { value, block } = await chain.get('version', id(0xb2), first.block - 1)
  assert.deepEqual([value, block], [undefined, first.block - 1])
})

test('values beside the proofs count for nothing', async () => {
  const chain = await open(
    lying('eth_getProof', answer => ({
      ...answer,
      codeHash: id(1),
      storageHash: id(2),
      storageProof: answer.storageProof.map(entry => ({ ...entry, value: '0x7' })),
    })),
  )
  assert.equal((await chain.get('artifact', id(0xa1))).value?.description, id(5))
})

test('each changed byte of a proof is refused', async () => {
  for (let at = 0; at < 60; at += 7) {
    const proofs: [string, (answer: Answer) => unknown][] = [
      ['account', a => ({ ...a, accountProof: a.accountProof.map((node, i) => (i === 0 ? flip(node, at) : node)) })],
      [
        'slot',
        a => ({
          ...a,
          storageProof: a.storageProof.map(({ proof, ...rest }) => ({
            ...rest,
            proof: proof.map((node, i) => (i === proof.length - 1 ? flip(node, at) : node)),
          })),
        }),
      ],
    ]
    for (const [name, change] of proofs)
      await assert.rejects(
        (await open(lying('eth_getProof', change))).get('version', id(0xb1)),
        /LedgerError/,
        `${name} ${at}`,
      )
  }
})

test('a proof that is cut, of another slot, of another contract, of another block, or none is refused', async () => {
  const lies: Record<string, (answer: Answer, params: readonly unknown[]) => unknown> = {
    cut: a => ({ ...a, storageProof: a.storageProof.map(one => ({ ...one, proof: one.proof.slice(0, -1) })) }),
    'no slots': a => ({ ...a, storageProof: [] }),
    'fewer slots': a => ({ ...a, storageProof: a.storageProof.slice(1) }),
    'other slots': a => ({ ...a, storageProof: a.storageProof.toReversed() }),
    'other contract': (_, [, slots, block]) =>
      provider.request({ method: 'eth_getProof', params: [contracts['PartyRegistry'], slots, block] }),
    'other block': (_, [address, slots]) =>
      provider.request({ method: 'eth_getProof', params: [address, slots, '0x3'] }),
    'no account': a => ({ ...a, accountProof: [] }),
    nothing: () => null,
    text: () => 'proven, believe me',
    'no hex': a => ({ ...a, accountProof: ['0xzz'] }),
    'no list': a => ({ ...a, storageProof: a.storageProof.map(one => ({ ...one, proof: 'none' })) }),
    large: a => ({ ...a, accountProof: Array<string>(1000).fill(a.accountProof[0] as string) }),
  }
  for (const [name, lie] of Object.entries(lies)) {
    const chain = await open(lying('eth_getProof', lie))
    // Slots that nobody has ever written are shown to be empty by proofs that are alike: what is asked for has values.
    await rejects(chain.get('version', id(0xb2)), 'corrupt').catch((error: Error) =>
      assert.fail(`${name}: ${error.message}`),
    )
  }
})

test('a header with another state, without its seals, of another block or of other validators is refused', async () => {
  const lies: Record<string, (answer: Answer) => unknown> = {
    state: a => ({ ...a, stateRoot: id(1) }),
    time: a => ({ ...a, timestamp: '0x7fffffff' }),
    seals: a => ({ ...a, extraData: `0x${'0'.repeat(64)}` }),
    hash: a => ({ ...a, hash: id(3) }),
  }
  for (const [name, lie] of Object.entries(lies)) {
    const chain = await open(lying('eth_getBlockByNumber', lie))
    await rejects(chain.get('version', id(0xb1)), 'corrupt').catch((error: Error) =>
      assert.fail(`${name}: ${error.message}`),
    )
  }
  const other = await open(
    lying('eth_getBlockByNumber', () => provider.request({ method: 'eth_getBlockByNumber', params: ['0x2', false] })),
  )
  await rejects(other.get('version', id(0xb1), 4), 'corrupt')
  await rejects(other.get('version', id(0xb1), 5), 'corrupt') // also where that block's header was checked before
  const strangers = validators.map((_, n) => testAccount(310 + n).address)
  await rejects((await open(provider, { validators: strangers })).get('version', id(0xb1)), 'corrupt')
  const [one = ''] = validators
  await rejects(
    (await open(provider, { validators: [one, ...strangers.slice(1)] })).get('version', id(0xb1)),
    'corrupt',
  )
})

test('other code than that of the account is refused, when the chain is opened and later', async () => {
  await rejects(open(lying('eth_getCode', () => '0x600160005260206000f3')), 'mismatch')
  await rejects(open(lying('eth_getCode', () => '0x')), 'mismatch')
  let isOpen = false
  const chain = await open(lying('eth_getCode', answer => (isOpen ? '0x600160005260206000f3' : answer)))
  isOpen = true
  await rejects(chain.get('version', id(0xb1)), 'corrupt')
})

test('a contract that is another one, or belongs to other parties, is refused whatever the node shows first', async () => {
  const theirs = await deployRuleChain({ provider, chainId: CHAIN_ID, deployer: testAccount(306), genesis, pollMs: 5 })
  const options = { provider, chainId: CHAIN_ID, kind: 'artifact' as const, finality: 'instant' as const, validators }
  await rejects(
    openEvmRuleChain({
      ...options,
      contracts: { ...contracts, ArtifactRegistry: theirs['ArtifactRegistry'] as string },
    }),
    'mismatch',
  )
  // The code of ours is shown when the chain is opened, the one that is really there when it is run.
  let isOpen = false
  const node = lying('eth_getCode', (answer, [address]) =>
    !isOpen && address === theirs['ArtifactRegistry']
      ? provider.request({ method: 'eth_getCode', params: [contracts['ArtifactRegistry'], 'latest'] })
      : answer,
  )
  const chain = await openEvmRuleChain({
    ...options,
    provider: node,
    contracts: { ...contracts, ArtifactRegistry: theirs['ArtifactRegistry'] as string },
  })
  isOpen = true
  await rejects(chain.get('artifact', id(0xa1)), 'mismatch')
})

test('events are shown by the receipts under a sealed header; what is none of them is refused', async () => {
  const subject = id(0xb2)
  const chain = await open(provider)
  const [registered] = await chain.history({ subject, prove: true })
  assert.deepEqual([registered?.name, registered?.level], ['VersionRegistered', 'proven'])
  assert.equal((await chain.history({ subject }))[0]?.level, 'asked')
  const all = await chain.history({ prove: true })
  assert.ok(all.length >= 6 && all.every(event => event.level === 'proven'))
  const without: Eip1193Provider = {
    request: request =>
      request.method === 'eth_getBlockReceipts'
        ? Promise.reject(new RpcError(-32601, 'no such method'))
        : provider.request(request),
  }
  assert.equal((await (await open(without)).history({ subject, prove: true }))[0]?.level, 'asked')

  type Log = { data: string; topics: string[]; logIndex: string }
  const logs = (change: (log: Log) => Log) =>
    lying('eth_getLogs', answer => (answer as unknown as Log[]).map(log => change(log)))
  const receipts = (change: (log: Log) => Log) =>
    lying('eth_getBlockReceipts', answer =>
      (answer as unknown as { logs: Log[] }[]).map(one => ({ ...one, logs: one.logs.map(change) })),
    )
  const lies: Record<string, Eip1193Provider> = {
    'data of an event': logs(log => ({ ...log, data: flip(log.data, 5) })),
    'a topic': logs(log => ({ ...log, topics: log.topics.with(3, id(1)) })),
    'its place': logs(log => ({ ...log, logIndex: '0x9' })),
    'both alike': {
      request: async request => {
        const answer = structuredClone(await provider.request(request))
        if (request.method === 'eth_getLogs') for (const log of answer as Log[]) log.data = flip(log.data, 5)
        if (request.method === 'eth_getBlockReceipts')
          for (const { logs: of } of answer as { logs: Log[] }[]) for (const log of of) log.data = flip(log.data, 5)
        return answer
      },
    },
    'a receipt': receipts(log => ({ ...log, data: flip(log.data, 5) })),
    'no list': lying('eth_getBlockReceipts', () => 'none'),
    'no receipts': lying('eth_getBlockReceipts', () => []),
  }
  for (const [name, node] of Object.entries(lies))
    await rejects((await open(node)).history({ subject, prove: true }), 'corrupt').catch((error: Error) =>
      assert.fail(`${name}: ${error.message}`),
    )
})

test('contracts of another kind of chain, and addresses that are none, are refused', async () => {
  const options = { provider, chainId: CHAIN_ID, finality: 'instant' as const }
  await rejects(openEvmRuleChain({ ...options, kind: 'eu', contracts }), 'invalid')
  await rejects(
    openEvmRuleChain({ ...options, kind: 'artifact', contracts: { ...contracts, Mirror: '0x12' } }),
    'invalid',
  )
  const swapped = { ...contracts, Mirror: contracts['ArtifactRegistry'] as string }
  await rejects(openEvmRuleChain({ ...options, kind: 'artifact', contracts: swapped }), 'mismatch')
  await rejects((await open(provider)).run('registerArtifact', id(1), id(2)), 'refused') // without an account
})

test('who was cut off in the middle of deploying goes on from there', async () => {
  for (const sends of [0, 1, 2]) {
    const deployer = testAccount(320 + sends)
    let left = sends
    const dying: Eip1193Provider = {
      request: request =>
        request.method !== 'eth_sendRawTransaction' || left-- > 0
          ? provider.request(request)
          : Promise.reject(new Error('the connection ended')),
    }
    await rejects(
      deployRuleChain({ provider: dying, chainId: CHAIN_ID, deployer, genesis, timeoutMs: 50, pollMs: 5 }),
      'unreachable',
    )
    const addresses = await deployRuleChain({ provider, chainId: CHAIN_ID, deployer, genesis, pollMs: 5 })
    assert.deepEqual(addresses, contractAddresses('artifact', deployer.address))
    const chain = await openEvmRuleChain({
      provider,
      chainId: CHAIN_ID,
      kind: 'artifact',
      contracts: addresses,
      finality: 'instant',
    })
    assert.equal((await chain.get('party', id(1))).value?.kind, 'ncca')
  }
})

test('deploying again finds what is there, and another account creates a chain of its own', async () => {
  const again = await deployRuleChain({ provider, chainId: CHAIN_ID, deployer: DEPLOYER, genesis, pollMs: 5 })
  assert.deepEqual(again, contracts)
  await rejects(
    deployRuleChain({ provider, chainId: CHAIN_ID, deployer: NCCA, genesis, timeoutMs: 50, pollMs: 5 }),
    'mismatch',
  )
  const parties = [{ ...party(1, 'ncca', NCCA), country: 'DE' }]
  await assert.rejects(
    deployRuleChain({ provider, chainId: CHAIN_ID, deployer: testAccount(305), genesis: { ...genesis, parties } }),
    /WrongCountry \(rule 0\)/,
  )
})

test('a transaction whose block another one took the place of is answered for by the block that it is in now', async () => {
  let replaced = 1
  const reorganising: Eip1193Provider = {
    async request(request) {
      const answer = structuredClone(await provider.request(request))
      if (request.method !== 'eth_getTransactionReceipt' || answer === null) return answer
      const receipt = answer as { blockHash: string; logs: { blockHash: string; blockTimestamp?: string }[] }
      const blockHash = replaced-- > 0 ? flip(receipt.blockHash, 3) : receipt.blockHash
      const logs = receipt.logs.map(log => ({ ...log, blockHash, blockTimestamp: undefined }))
      return { ...receipt, blockHash, logs }
    },
  }
  const maker = await open(reorganising, { account: MAKER })
  const one = await maker.run('registerArtifact', id(0xa3), id(5))
  replaced = 2
  const calls = [0xa4, 0xa5].map(n => ({ rule: 'registerArtifact' as const, args: [id(n), id(5)] as [string, string] }))
  const many = await maker.runAll(calls)
  const history = await (await open(provider)).history()
  for (const receipt of [one, ...many]) {
    assert.ok('blockHash' in receipt, String(receipt))
    const event = history.find(({ transaction }) => transaction === receipt.transaction) ?? assert.fail()
    assert.deepEqual([receipt.blockHash, receipt.time], [event.blockHash, event.time])
  }
  // One that does not come back within the time is said to be asked for again.
  replaced = Number.POSITIVE_INFINITY
  await assert.rejects(maker.run('registerArtifact', id(0xa6), id(5)), {
    code: 'unreachable',
    message: /another is in its place now: ask again/,
  })
})
