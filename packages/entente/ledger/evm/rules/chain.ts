import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ChainKind,
  checkArguments,
  type Entities,
  type Kind,
  Refusal,
  type RuleArguments,
  type RuleName,
  ZERO,
} from '@entente/rules'
import type { Hex } from 'viem'
import { bytesToHex, decodeFunctionResult, encodeFunctionData, hexToBytes } from 'viem/utils'
import type { ChainEvent, ChainHeader, ChainReceipt } from '../../chain.ts'
import { LedgerError } from '../../error.ts'
import type { SubmitJournal } from '../../journal.ts'
import type { HistoryFilter, Reading, RuleChain, RuleChainIdentity, RuleEvent, RuleReceipt } from '../../rule-chain.ts'
import { type Account, accountOfNode } from '../account.ts'
import { type EvmChain, openEvmChain } from '../chain.ts'
import { type EvmFinality, finalizedBlock } from '../finality.ts'
import type { Eip1193Provider } from '../provider.ts'
import { type Ask, askOf } from '../rpc.ts'
import { abiOf, checkClock, checkCode, type ContractName, CONTRACTS_OF, NATIONAL_KINDS } from './contracts.ts'
import { encodeRule } from './encode.ts'
import { readEntity, type View } from './entities.ts'
import { decodeEvents, subjectTopic, UNINDEXED } from './events.ts'
import type { PinnedValidators, ProvenHeader } from './proven/headers.ts'
import type { ProvenState } from './proven/state.ts'
import { toRefusal } from './refusal.ts'

export interface EvmRuleChainOptions {
  /** May serve several chains objects: it is not closed with this one. */
  readonly provider: Eip1193Provider
  readonly chainId: number
  /** Which chain of the federation it is. */
  readonly kind: ChainKind
  /** Addresses of its contracts, by their names. */
  readonly contracts: Readonly<Record<string, string>>
  /** Who signs. Left out: the chain is only read. */
  readonly account?: Account
  readonly finality: EvmFinality
  /** What was sent is written there before; see EvmChainOptions. */
  readonly journal?: SubmitJournal
  /** Gas of every transaction, and no trial before it: for a chain that refuses what would be reverted. */
  readonly gasLimit?: number
  /** Transactions of `runAll` under way at a time. Default: 64. */
  readonly atOnce?: number
  readonly timeoutMs?: number
  readonly pollMs?: number
  /** Who seals the chain, as its reader knows it from elsewhere: what is read is proven then. Left out: what the node says. */
  readonly validators?: readonly string[]
  readonly wait?: (milliseconds: number) => Promise<unknown>
}

const NOBODY = `0x${'0'.repeat(40)}`
/** Headers that are kept for the times of events. */
const HEADERS = 4096

/**
 * Opens a chain of the federation on an EVM. Throws LedgerError `mismatch` where a contract is missing or another than this version's.
 *
 * @example
 * const chain = await openEvmRuleChain({ provider, chainId: 6101, kind: 'artifact', contracts, account, finality: 'instant' })
 * await chain.run('registerArtifact', id, description)
 */
export async function openEvmRuleChain(options: EvmRuleChainOptions): Promise<RuleChain> {
  const { provider, kind, account, contracts, ...rest } = options
  const addresses = contractsOf(kind, contracts)
  const chain = await openEvmChain({
    ...rest,
    provider: {
      request: request => provider.request(request),
      ...(provider.requestAll && { requestAll: requests => provider.requestAll?.(requests) ?? Promise.resolve([]) }),
    },
    account: account ?? accountOfNode(NOBODY),
  })
  const ask = askOf(provider)
  await checkClock(ask)
  for (const [name, address] of addresses) checkCode(name, addresses, await chain.code(address))
  const { chainId, finality, validators, timeoutMs = 60_000, pollMs = 250, wait = sleep } = options
  const pinned: PinnedValidators | undefined = validators && {
    consensus: finality === 'clique' ? 'clique' : 'qbft',
    validators: validators.map(address => address.toLowerCase()),
  }
  const checkProven = (address: string, code: Uint8Array) => {
    for (const [name, own] of addresses) if (own === address) checkCode(name, addresses, code)
  }
  const state = pinned && { chain, ask, chainId, pinned, checkCode: checkProven, timeoutMs, pollMs, wait }
  // Not before something is read: it brings an EVM, for most of a second.
  const proven = state && once(async () => (await import('./proven/state.ts')).createProvenState(state))
  await checkKind(chain, kind, addresses)
  return createEvmRuleChain(chain, { kind, addresses, account: account?.address, ask, proven, timeoutMs, pollMs, wait })
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined
  return () => (loading ??= load())
}

/** The contracts of the three kinds of national chains begin alike, and one node may have several. */
async function checkKind(chain: EvmChain, kind: ChainKind, addresses: ReadonlyMap<ContractName, string>) {
  const registry = addresses.get('PartyRegistry')
  if (registry === undefined) return // of the EU chain, which has a contract of its own kind
  const [abi, functionName] = [abiOf('PartyRegistry'), 'chain']
  const returned = await chain.call({ contract: registry, data: hexToBytes(encodeFunctionData({ abi, functionName })) })
  const [found] = decodeFunctionResult({ abi, functionName, data: bytesToHex(returned) }) as [number]
  if (NATIONAL_KINDS[found] !== kind)
    throw new LedgerError(
      'mismatch',
      `the contracts are those of a chain of kind ${NATIONAL_KINDS[found]}, configured is ${kind}: correct the addresses`,
    )
}

function contractsOf(kind: ChainKind, contracts: Readonly<Record<string, string>>): Map<ContractName, string> {
  return new Map(
    CONTRACTS_OF[kind].map(name => {
      const address = contracts[name]?.toLowerCase()
      if (address !== undefined && /^0x[0-9a-f]{40}$/.test(address)) return [name, address]
      throw new LedgerError('invalid', `the address of ${name} of the ${kind} chain is ${address}: name it`)
    }),
  )
}

function createEvmRuleChain(
  chain: EvmChain,
  {
    kind,
    addresses,
    account,
    ask,
    proven,
    timeoutMs,
    pollMs,
    wait,
  }: {
    kind: ChainKind
    addresses: ReadonlyMap<ContractName, string>
    account: string | undefined
    ask: Ask
    proven: (() => Promise<ProvenState>) | undefined
    timeoutMs: number
    pollMs: number
    wait: (milliseconds: number) => Promise<unknown>
  },
): RuleChain {
  /** The newest block in which this object has run something: it reads what it has written. */
  let ran = 0
  const times = new Map<string, number>()
  const addressOf = (name: ContractName) => addresses.get(name) as string
  const isOurs = new Set(addresses.values())

  type Run = (call: { contract: string; data: Uint8Array }) => Promise<Uint8Array>
  const viewBy =
    (run: Run): View =>
    async (name, functionName, ...args) => {
      const data = hexToBytes(encodeFunctionData({ abi: abiOf(name), functionName, args }))
      return decode(name, functionName, await run({ contract: addressOf(name), data }))
    }

  function decode(name: ContractName, functionName: string, returned: Uint8Array): unknown {
    try {
      return decodeFunctionResult({ abi: abiOf(name), functionName, data: bytesToHex(returned) })
    } catch (cause) {
      throw new LedgerError('corrupt', `${name}.${functionName} answered what can't be read`, { cause })
    }
  }

  async function timeOf(block: number, hash: string): Promise<number> {
    const time = await timeIn(block, hash)
    if (time === undefined) throw replaced(block, hash)
    return time
  }
  /** Undefined where the chain has another block at this height by now. */
  async function timeIn(block: number, hash: string): Promise<number | undefined> {
    const known = times.get(hash)
    if (known !== undefined) return known
    const header = await chain.header(block)
    return header.hash === hash ? remember(header) : undefined
  }
  const replaced = (block: number, hash: string) =>
    new LedgerError('unreachable', `block ${block} was ${hash}, and another is in its place now: ask again`)
  function remember({ hash, time }: ChainHeader): number {
    times.set(hash, time)
    for (const oldest of times.keys()) {
      if (times.size <= HEADERS) break
      times.delete(oldest)
    }
    return time
  }

  async function toRuleEvents(logs: readonly ChainEvent[], shown?: ProvenState): Promise<RuleEvent[]> {
    const decoded = decodeEvents(logs.filter(log => isOurs.has(log.contract)))
    const list: RuleEvent[] = []
    // One after the other: of a long history there may be thousands of blocks, where the node does not say their times with the events.
    for (const { log, ...event } of decoded) {
      const { transaction, block, blockHash } = log
      const header = shown && (await isLogged(shown, log)) ? await shown.header(block) : undefined
      const time = header?.time ?? log.time ?? (await timeOf(block, blockHash))
      list.push({ ...event, transaction, block, blockHash, time, level: header === undefined ? 'asked' : 'proven' })
    }
    return list
  }

  /** Where another block has taken the place of the one that the transaction was in, it comes into a later one. */
  async function toRuleReceipt(receipt: ChainReceipt): Promise<RuleReceipt> {
    let found = receipt
    for (let waited = 0; ; waited += pollMs) {
      const { transaction, block, blockHash, events } = found
      const time = events[0]?.time ?? (await timeIn(block, blockHash))
      if (time !== undefined) {
        ran = Math.max(ran, block)
        return { transaction, block, blockHash, time, events: await toRuleEvents(events) }
      }
      if (waited >= timeoutMs) throw replaced(block, blockHash)
      await wait(pollMs)
      found = (await chain.receipt(transaction)) ?? found
    }
  }

  function requireSigner(): void {
    if (account === undefined)
      throw new LedgerError('refused', 'the chain was opened for reading: name the account that signs')
  }

  /** Whether the block's receipts can be shown, and hold this event. Throws LedgerError `corrupt` where they do not. */
  async function isLogged(shown: ProvenState, { block, index, contract, topics, data }: ChainEvent): Promise<boolean> {
    const logs = await shown.logs(block)
    const found = logs?.[index]
    if (logs === undefined) return false
    if (found?.contract === contract && found.topics.join() === topics.join() && Buffer.compare(found.data, data) === 0)
      return true
    throw new LedgerError('corrupt', `event ${index} of block ${block} is none of those in its receipts: a node lies`)
  }

  async function encode<N extends RuleName>(rule: N, args: RuleArguments<N>) {
    checkArguments(rule, args)
    const party = async () =>
      (
        await readEntity(
          viewBy(call => chain.call(call)),
          kind,
          'key',
          account ?? NOBODY,
        )
      )?.party ?? ZERO
    const { contract, data } = await encodeRule({ kind, party: async () => (await party()) as Hex }, rule, args)
    return { contract: addressOf(contract), data: hexToBytes(data) }
  }

  /** All logs of a range, in as many parts as the node wants. */
  async function logsOf(topics: readonly (string | undefined)[], from: number, to: number): Promise<ChainEvent[]> {
    try {
      const [contract] = isOurs.size === 1 ? isOurs : []
      return await chain.events({
        ...(contract === undefined ? {} : { contract }),
        topics,
        fromBlock: from,
        toBlock: to,
      })
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'busy' || from >= to) throw error
      const middle = Math.floor((from + to) / 2)
      return [...(await logsOf(topics, from, middle)), ...(await logsOf(topics, middle + 1, to))]
    }
  }

  return {
    ledger: 'evm',
    account: account ?? '',

    async identity(): Promise<RuleChainIdentity> {
      const { chainId, genesis } = await chain.identity()
      return { ledger: 'evm', chainId, genesis, contracts: Object.fromEntries(addresses) }
    },

    async preview(rule, ...args) {
      await chain.call(await encode(rule, args)).catch(error => {
        throw toRefusal(error)
      })
    },

    async run(rule, ...args): Promise<RuleReceipt> {
      requireSigner()
      const receipt = await chain.submit(await encode(rule, args)).catch((error: unknown) => {
        throw toRefusal(error)
      })
      return toRuleReceipt(receipt)
    },

    async runAll(calls) {
      requireSigner()
      const encoded = await Promise.all(
        calls.map(({ rule, args }) =>
          encode(rule, args).catch((error: unknown) => {
            if (error instanceof Refusal) return error
            throw error
          }),
        ),
      )
      const sent = await chain.submitAll(encoded.flatMap(one => (one instanceof Refusal ? [] : [one])))
      const outcomes: (RuleReceipt | Refusal | LedgerError)[] = []
      for (const one of encoded) {
        const outcome = one instanceof Refusal ? one : (sent.shift() as ChainReceipt | LedgerError)
        if (outcome instanceof Refusal) outcomes.push(outcome)
        else outcomes.push(outcome instanceof LedgerError ? toRefusal(outcome) : await toRuleReceipt(outcome))
      }
      return outcomes
    },

    async get<K extends Kind>(wanted: K, id: string, block?: number): Promise<Reading<Entities[K] | undefined>> {
      if (proven === undefined) {
        const header = await chain.header(block)
        remember(header)
        const value = await readEntity(
          viewBy(call => chain.call(call, header.number)),
          kind,
          wanted,
          id,
        )
        return { value, level: 'asked', block: header.number, blockHash: header.hash, time: header.time }
      }
      const state = await proven()
      for (let waited = 0; ; waited += pollMs) {
        const header = await provenHeader(state, block)
        try {
          const value = await readEntity(
            viewBy(call => state.call(header, call)),
            kind,
            wanted,
            id,
          )
          return { value, level: 'proven', block: header.number, blockHash: header.hash, time: header.time }
        } catch (error) {
          // The contracts are there in the newest block, and not yet in one that is sealed enough.
          const isPending = error instanceof LedgerError && error.code === 'pending'
          if (!isPending || block !== undefined || waited >= timeoutMs) throw error
          await wait(pollMs)
        }
      }
    },

    async history({ subject, about, fromBlock = 0, toBlock, prove }: HistoryFilter = {}): Promise<RuleEvent[]> {
      const shown = prove === true ? await proven?.() : undefined
      const to = Math.min(toBlock ?? Number.MAX_SAFE_INTEGER, (await chain.header()).number)
      const wanted = subject ?? about
      if (wanted === undefined) return toRuleEvents(await logsOf([], fromBlock, to), shown)
      // What an event is about is one of its three topics; which one depends on the event.
      const topic = subjectTopic(wanted)
      const filters = [
        ...[0, 1, 2].map(at => [...Array<undefined>(at + 1), topic]),
        ...(subject === undefined && kind === 'vulnerability' ? UNINDEXED.map(name => [name]) : []),
      ]
      const parts = await Promise.all(filters.map(topics => logsOf(topics, fromBlock, to)))
      const logs = new Map(parts.flat().map(log => [`${log.blockHash} ${log.index}`, log]))
      const ordered = [...logs.values()].sort((a, b) => a.block - b.block || a.index - b.index)
      const isWanted = (event: RuleEvent) =>
        (subject === undefined || event.subject === subject) && (about === undefined || event.about === about)
      return (await toRuleEvents(ordered, shown)).filter(isWanted)
    },

    async head() {
      const { number, time } = await chain.header()
      return { block: number, time, final: await finalBlock(number) }
    },

    close: () => chain.close(),
  }

  /** The newest one, but none before what this object has run. */
  async function provenHeader(state: ProvenState, block: number | undefined): Promise<ProvenHeader> {
    const newest = await state.header(block)
    return block === undefined && newest.number < ran ? state.header(ran) : newest
  }

  async function finalBlock(head: number): Promise<number> {
    if (chain.finality === 'instant') return head
    if (chain.finality !== 'finalized') return Math.max(0, head - chain.finality.depth)
    return (await finalizedBlock(ask)) ?? 0
  }
}
