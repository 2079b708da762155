// The Anchor and Chain suites on a chain of the evm adapter: a test file says how to reach the chain.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Hex, toEventSelector } from 'viem'
import { LedgerError } from '../error.ts'
import { type SigningAccount, accountFromKey } from '../evm/account.ts'
import { createEvmAnchor } from '../evm/anchor.ts'
import { type EvmChainOptions, openEvmChain } from '../evm/chain.ts'
import { CHECKPOINT_ANCHOR, anchoredTopics, decodeOwner, encodeCall, logIdOf, originHash } from '../evm/contract.ts'
import type { ClosableProvider } from '../evm/provider.ts'
import type { AnchorSubject } from './anchor.ts'
import type { ChainSubject } from './chain.ts'
import { withFaults } from './faults.ts'

export type Network = Pick<EvmChainOptions, 'chainId' | 'finality' | 'gasLimit' | 'timeoutMs'> & {
  connect(): Promise<ClosableProvider>
  dispose(): void
}
/** A chain on which the account can pay, or the reason why there is none here. */
export type Start = (account: SigningAccount) => Promise<Network | string>

let accounts = 0
/** TEST KEY: derived from a fixed seed; the nth account of a process. */
export const testAccount = (n: number = accounts++): SigningAccount =>
  accountFromKey(`0x${createHash('sha256').update(`entente test account ${n}`).digest('hex')}`)

/** Opens again where the block that created the contract was reorganised away. */
export async function whereReorganised<T>(open: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await open()
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'unreachable' || tries === 5) throw error
      await sleep(500)
    }
  }
}

export const anchorSubject = (start: Start) => async (): Promise<AnchorSubject | string> => {
  const account = testAccount()
  const network = await start(account)
  if (typeof network === 'string') return network
  const plain = await network.connect()
  const faulty = withFaults({ request: request => plain.request(request), close: async () => {} })
  const open = async (provider: ClosableProvider) => {
    const chain = await openEvmChain({ timeoutMs: 1500, ...network, provider, account, pollMs: 20 })
    return whereReorganised(() => createEvmAnchor(chain, { id: 'test', origin: 'log.example/test' }))
  }
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

export const chainSubject = (start: Start) => async (): Promise<ChainSubject | string> => {
  const account = testAccount()
  const network = await start(account)
  if (typeof network === 'string') return network
  const chain = await openEvmChain({
    timeoutMs: 5000,
    ...network,
    provider: await network.connect(),
    account,
    pollMs: 20,
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
