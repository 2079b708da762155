import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { type Hex, numberToHex, toEventSelector } from 'viem'
import { type AnchorSubject, anchorConformance } from '../conformance/anchor.ts'
import { startAnvil } from '../conformance/anvil.ts'
import { type ChainSubject, chainConformance } from '../conformance/chain.ts'
import { withFaults } from '../conformance/faults.ts'
import { type Account, accountFromKey } from './account.ts'
import { createEvmAnchor } from './anchor.ts'
import { type EvmChainOptions, openEvmChain } from './chain.ts'
import { CHECKPOINT_ANCHOR, anchoredTopics, decodeOwner, encodeCall, logIdOf, originHash } from './contract.ts'
import { createEmbeddedProvider } from './embedded/provider.ts'
import { createHttpProvider } from './http.ts'
import type { ClosableProvider } from './provider.ts'

type Network = Pick<EvmChainOptions, 'chainId' | 'finality' | 'gasLimit'> & {
  connect(): Promise<ClosableProvider>
  dispose(): void
}
type Start = (account: Account) => Promise<Network | string>

let accounts = 0
/** TEST KEY: derived from a fixed seed. */
const testAccount = () =>
  accountFromKey(`0x${createHash('sha256').update(`entente test account ${accounts++}`).digest('hex')}`)

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

const subjectOf = (start: Start) => async (): Promise<AnchorSubject | string> => {
  const account = testAccount()
  const network = await start(account)
  if (typeof network === 'string') return network
  const plain = await network.connect()
  const faulty = withFaults({ request: request => plain.request(request), close: async () => {} })
  const open = async (provider: ClosableProvider) =>
    createEvmAnchor(await openEvmChain({ ...network, provider, account, pollMs: 20, timeoutMs: 300 }), {
      id: 'test',
      origin: 'log.example/test',
    })
  const anchor = await open(faulty.provider)
  const { contract = '', logId = '' } = await anchor.describe()
  const opened = [anchor]
  return {
    anchor,
    fault: faulty.fault,
    heal: faulty.heal,
    async reopen() {
      const again = await open({ request: request => plain.request(request), close: async () => {} })
      opened.push(again)
      return again
    },
    async countAnchors(size) {
      const params = [
        { address: contract, topics: anchoredTopics(logId as Hex, size), fromBlock: '0x0', toBlock: 'latest' },
      ]
      return ((await plain.request({ method: 'eth_getLogs', params })) as unknown[]).length
    },
    async dispose() {
      for (const each of opened) await each.close()
      await plain.close()
      network.dispose()
    },
  }
}

const chainOf = (start: Start) => async (): Promise<ChainSubject | string> => {
  const account = testAccount()
  const network = await start(account)
  if (typeof network === 'string') return network
  const chain = await openEvmChain({
    ...network,
    provider: await network.connect(),
    account,
    pollMs: 20,
    timeoutMs: 2000,
  })
  const { created = '' } = await chain.submit({ data: CHECKPOINT_ANCHOR.bytecode })
  const origin = (n: number) => `log.example/${n}`
  return {
    chain,
    contract: created,
    write: n => encodeCall('register', originHash(origin(n))),
    topics: n => [LOG_REGISTERED, logIdOf(account.address, origin(n))],
    ask: n => encodeCall('ownerOf', logIdOf(account.address, origin(n))),
    isWritten: answer => decodeOwner(answer) === account.address,
    refused: encodeCall('anchor', originHash('unknown'), 1n, originHash('root'), []),
    async dispose() {
      await chain.close()
      network.dispose()
    },
  }
}
const LOG_REGISTERED = toEventSelector('LogRegistered(bytes32,address,bytes32)')

anchorConformance('embedded', subjectOf(embedded))
chainConformance('embedded', chainOf(embedded))
anchorConformance('anvil by JSON-RPC', subjectOf(onAnvil))
chainConformance('anvil by JSON-RPC', chainOf(onAnvil))
