// What `entente validator` does on a real network: the same on Clique and on QBFT. The registry is on an embedded chain behind a guard, as the federation has it.
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Change, Genesis } from '@entente/rules'
import { accountFromKey } from '#ledger/evm/account.ts'
import { createEmbeddedProvider } from '#ledger/evm/embedded/provider.ts'
import { openEvmChain } from '#ledger/evm/chain.ts'
import { openEvmRuleChain } from '#ledger/evm/rules/chain.ts'
import { deployRuleChain } from '#ledger/evm/rules/deploy.ts'
import { guardProvider } from '#ledger/evm/writers.ts'
import { privateKeyToAccount } from 'viem/accounts'
import { type EvmNetwork, testKey, waitFor } from '../../../../../test/support/evm-network.ts'
import { temporaryFolder } from '../../../../../test/support/server.ts'
import { entente, startCommand } from '../../commands/test/script.ts'
import { startRpcServer } from '../../federation/rpc-server.ts'

const CHAIN = `0x${'c4'.repeat(32)}`
const EU_CHAIN_ID = 6199
const ACT = `0x${'ac'.repeat(32)}`
const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}`
/** TEST KEYS of the members: the Commission and two states; two of them are a quorum. */
const members = [1, 2, 3].map(n => accountFromKey(testKey(`member ${n}`)))
/** TEST KEYS of who sends transactions: both can pay. */
export const writer = privateKeyToAccount(testKey('writer'))
export const stranger = privateKeyToAccount(testKey('stranger'))

/** The EU chain: its consortium, and where others ask it. */
async function startRegistry(t: TestContext, validators: readonly string[], minimum: number) {
  const options = { folder: join(temporaryFolder(t), 'eu'), chainId: EU_CHAIN_ID, now: Date.now }
  const provider = await createEmbeddedProvider(options)
  t.after(() => provider.close())
  const genesis: Genesis = {
    chain: { kind: 'eu', country: 'EU' },
    parties: members.map(({ address }, i) => ({
      id: id(i + 1),
      kind: i === 0 ? ('commission' as const) : ('state' as const),
      country: ['EU', 'FR', 'DE'][i] as string,
      key: address,
      act: ACT,
    })),
    consortium: { numerator: 2, denominator: 3, period: 86_400 },
    chains: [{ id: CHAIN, validators: [...validators], writers: [writer.address.toLowerCase()], minimum }],
  }
  const deployer = accountFromKey(testKey('deployer'))
  const contracts = await deployRuleChain({ provider, chainId: EU_CHAIN_ID, deployer, genesis })
  const chains = await Promise.all(
    members.map(account =>
      openEvmRuleChain({ provider, chainId: EU_CHAIN_ID, kind: 'eu', contracts, account, finality: 'instant' }),
    ),
  )
  let proposals = 0
  // Others reach it only through the guard: the EU chain's writers are the members.
  const writers = new Set(members.map(({ address }) => address))
  const guarded = guardProvider({ provider, writers: () => writers })
  const server = await startRpcServer({ host: '127.0.0.1', port: 0 }, new Map([['', guarded]]), {})
  t.after(() => server.close())
  const { validators: pinned } = await (
    await openEvmChain({
      provider: { request: r => provider.request(r) },
      account: accountFromKey(testKey('deployer')),
      chainId: EU_CHAIN_ID,
      finality: 'instant',
    })
  ).identity()
  return {
    url: server.url,
    contracts,
    validators: pinned,
    /** Proposed by the Commission, and agreed to by France: a quorum. */
    async decide(change: Change) {
      await chains[0]?.run('propose', change)
      await chains[1]?.run('vote', String(++proposals))
    },
  }
}
type RegistryHost = Awaited<ReturnType<typeof startRegistry>>

function configure(folder: string, name: string, registry: RegistryHost, network: EvmNetwork, node: number): string {
  const file = join(folder, `${name}.yaml`)
  const validator = {
    chain: CHAIN,
    chainId: network.chainId,
    node: network.nodes[node]?.url,
    registry: {
      urls: [registry.url],
      chainId: EU_CHAIN_ID,
      contracts: registry.contracts,
      finality: 'instant',
      validators: registry.validators,
    },
    intervalMs: 300,
    stateFile: join(folder, `${name}.state`),
    guard: { port: 0 },
  }
  writeFileSync(file, JSON.stringify({ validator })) // JSON is YAML
  return file
}

/** Logged lines of a daemon: their messages, with the validator that they are about. */
const messagesOf = (written: string): string[] =>
  written
    .split('\n')
    .slice(0, -1)
    .map(line => {
      const { message, validator } = JSON.parse(line) as { message: string; validator?: string }
      return validator === undefined ? message : `${message} ${validator}`
    })

export type Subject = {
  /** Three validators and one node that would be one; `funded` addresses can pay. Or why there can't be one here. */
  start(t: TestContext, funded: readonly string[]): Promise<EvmNetwork | string>
  validators: 'clique_getSigners' | 'istanbul_getValidators'
  /** Who sealed the newest `count` blocks. */
  sealers(network: EvmNetwork, count: number): Promise<Set<string>>
}

export function validatorScenario(name: string, { start, validators, sealers }: Subject): void {
  test(`${name}: voted in and out by the registry, with a validator that dissents, never below the minimum; and only writers write`, async t => {
    const network = await start(t, [writer.address, stranger.address])
    if (typeof network === 'string') return t.skip(network)
    t.after(() => network.stop())
    const folder = temporaryFolder(t)
    const [first, second, dissenting, newcomer] = network.nodes.map(({ address }) => address) as [
      string,
      string,
      string,
      string,
    ]
    const registry = await startRegistry(t, [first, second, dissenting], 3)
    const setOf = async () => ((await network.rpc(validators)) as string[]).map(one => one.toLowerCase()).sort()
    assert.deepEqual(await setOf(), [first, second, dissenting].sort())

    // The dissenting one runs none; the new one does, and its votes count for nothing yet.
    const follow = (node: number) => {
      const file = join(folder, `node${node}.yaml`)
      if (!existsSync(file)) configure(folder, `node${node}`, registry, network, node)
      return startCommand(['validator', 'follow', '--config', file], { cwd: folder })
    }
    const daemons = [0, 1, 3].map(follow)
    t.after(async () => {
      for (const { child } of daemons) child.kill()
      for (const { ended } of daemons) {
        const { code, err } = await ended
        assert.equal(code, 0, err)
      }
    })
    const logOf = (daemon: number) => messagesOf(daemons[daemon]?.written.err ?? '')
    const agreed = 'the chain has the validators that the registry says'
    const settle = (what: string, isSo: () => Promise<boolean>) =>
      waitFor(what, isSo, 45_000).catch(error => {
        const logs = daemons.map(({ written }) => written.err).join('\n')
        throw new Error(`${(error as Error).message}\n${logs}`, { cause: error })
      })
    await settle('daemons that find nothing to do', async () => [0, 1, 2].every(d => logOf(d).includes(agreed)))
    assert.ok(logOf(2).some(line => line.startsWith('this node is no validator')))

    // One decision, two changes, and a minimum of three: the new one must come before the old one goes.
    await registry.decide({ do: 'validators', chain: CHAIN, add: [newcomer], remove: [dissenting] })
    const decidedAt = Date.now()
    // Whatever was under way goes on: of a daemon that is killed, and of a node, which forgets what it proposed.
    daemons[1]?.child.kill('SIGKILL')
    await daemons[1]?.ended
    daemons[1] = follow(1)
    if (process.env['ENTENTE_TEST_LONG'] !== undefined) {
      await settle('a proposal', async () => logOf(0).some(line => line.startsWith('proposed')))
      await network.nodes[0]?.kill()
      await settle('a node that is away', async () => logOf(0).some(line => line.startsWith('no node answered')))
      await network.nodes[0]?.start()
    }
    const asked = [
      'validator',
      'follow',
      '--config',
      configure(folder, 'dry', registry, network, 2),
      '--dry-run',
      '--json',
    ]
    const shown = entente(asked, { cwd: folder })
    const sizes = new Set<number>()
    let admittedAt = 0
    await settle('the set that the registry says', async () => {
      const set = await setOf()
      sizes.add(set.length)
      if (admittedAt === 0 && set.includes(newcomer)) admittedAt = Date.now()
      return set.join() === [first, second, newcomer].sort().join()
    })
    const seconds = (at: number) => ((at - decidedAt) / 1000).toFixed(1)
    console.log(
      `measured: ${name}: voted in ${seconds(admittedAt)} s after the decision, voted out after ${seconds(Date.now())} s`,
    )
    const { code, out, err } = await shown
    assert.ok(code <= 1, err)
    const { chain, vote } = JSON.parse(out)
    assert.deepEqual([chain.self, chain.validators.length >= 3], [dissenting, true])
    t.diagnostic(`what the one that dissents would do: ${JSON.stringify(vote)}`)
    assert.ok(
      [...sizes].every(size => size >= 3),
      `sets of ${[...sizes]}: the minimum is 3`,
    )
    const changedAt = Number(await network.rpc('eth_blockNumber'))
    await waitFor('the new validator to seal', async () => (await sealers(network, 4)).has(newcomer))
    await waitFor('blocks without the old one', async () => {
      const head = Number(await network.rpc('eth_blockNumber'))
      return head >= changedAt + 4 && !(await sealers(network, 4)).has(dissenting)
    })
    await settle('daemons that have said so', async () => [0, 1, 2].every(d => logOf(d).at(-1) === agreed))
    const log = logOf(0)
    const at = (line: string) => log.indexOf(line)
    assert.ok(log.includes(`proposed what the registry says ${newcomer}`), log.join('\n'))
    assert.ok(log.includes(`proposed what the registry says ${dissenting}`), log.join('\n'))
    assert.ok(
      at(`the chain has a new validator ${newcomer}`) < at(`the chain has a validator less ${dissenting}`),
      log.join('\n'),
    )
    const once = ['validator', 'follow', '--config', join(folder, 'dry.yaml'), '--once']
    const last = await entente(once, { cwd: folder })
    assert.equal(last.code, 0, last.err)
    assert.match(
      last.out,
      /\(proven\) says 3 validators, 3 at least; the chain has 3\nthey are the same\nthis node is no validator/,
    )

    await guarded(t, network, registry, folder)
  })
}

/** `entente validator guard`, in front of a node. */
async function guarded(t: TestContext, network: EvmNetwork, registry: RegistryHost, folder: string): Promise<void> {
  const args = ['validator', 'guard', '--config', configure(folder, 'guard', registry, network, 0)]
  const guard = startCommand(args, { cwd: folder })
  t.after(async () => {
    guard.child.kill()
    assert.equal((await guard.ended).code, 0)
  })
  let url = ''
  await waitFor('the guard', async () => {
    url = /at (http\S+)/.exec(guard.written.out)?.[1] ?? ''
    return url !== '' && messagesOf(guard.written.err).includes('the registry says who writes')
  })
  type Answer = { result?: unknown; error?: { code: number; message: string } }
  const ask = async (method: string, ...params: unknown[]): Promise<Answer> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return (await response.json()) as Answer
  }
  const send = async (from: typeof writer, nonce: number) => {
    const fee = BigInt((await ask('eth_gasPrice')).result as string) * 2n
    const transaction = {
      to: writer.address,
      gas: 21_000n,
      gasPrice: fee,
      nonce,
      chainId: network.chainId,
      type: 'legacy',
    } as const
    return ask('eth_sendRawTransaction', await from.signTransaction(transaction))
  }
  const inBlock = async (answer: Answer) => {
    assert.equal(typeof answer.result, 'string', JSON.stringify(answer))
    await waitFor('its block', async () => (await ask('eth_getTransactionReceipt', answer.result)).result !== null)
  }
  const taken = await send(writer, 0)
  const refused = await send(stranger, 0)
  assert.equal(refused.error?.code, -32000)
  assert.match(refused.error?.message ?? '', /none of the 1 writers of this chain/)
  assert.equal((await ask('clique_propose', writer.address, true)).error?.code, -32601)
  const now = stranger.address.toLowerCase()
  await registry.decide({ do: 'writers', chain: CHAIN, add: [now], remove: [writer.address.toLowerCase()] })
  let admitted: Answer = refused
  await waitFor('the guard to know', async () => {
    admitted = await send(stranger, 0)
    return admitted.error === undefined
  })
  assert.match((await send(writer, 1)).error?.message ?? '', /none of the 1 writers of this chain/)
  await Promise.all([inBlock(taken), inBlock(admitted)])
  assert.equal((await ask('eth_getTransactionCount', writer.address, 'latest')).result, '0x1')
}
