import type { ReadingLevel, RuleChain } from '#ledger/rule-chain.ts'
import type { SubmitJournal } from '#ledger/journal.ts'
import { CliError } from '../errors.ts'

/** Who validates and writes on a chain, as the newest final block of the registry's chain says. */
export type RegistrySet = {
  /** Addresses, lower case. */
  readonly validators: readonly string[]
  readonly writers: readonly string[]
  readonly minimum: number
  /** What is no address of an EVM chain, and so nobody who could validate or write here. */
  readonly strangers: readonly string[]
  readonly block: number
  readonly blockHash: string
  /** Of the block, whole seconds since 1970. */
  readonly time: number
  readonly level: ReadingLevel
}

export type RegistryOptions = {
  /** The EU chain, opened where it is not. */
  open(): Promise<Pick<RuleChain, 'identity' | 'head' | 'get'>>
  /** The chain that is asked about, by its id in the registry. */
  readonly id: string
  /** Where it is written which registry was seen, and since which block it says what it says. */
  readonly memory: SubmitJournal
}

type Seen = {
  readonly format: typeof FORMAT
  readonly registry: string
  readonly id: string
  readonly block: number
  readonly block_hash: string
  readonly time: number
  readonly set: string
}

const FORMAT = 'entente/validator/v1'

/**
 * Reads the registry, and holds what it says against what was seen before: a registry that is older than that, another one, or one with another
 * block at the same height is not followed.
 *
 * The returned function throws LedgerError where the registry is away or can't be believed; CliError `evidence` where it goes back, `no` where it knows no such chain.
 */
export function createRegistryReader({ open, id, memory }: RegistryOptions): () => Promise<RegistrySet> {
  let seen: Seen | undefined
  let isRecalled = false

  return async () => {
    const chain = await open()
    const { final } = await chain.head()
    const { value, block, blockHash, time, level } = await chain.get('chainSet', id, final)
    const registry = nameOf(await chain.identity())
    if (!isRecalled) {
      seen = await recall(memory)
      isRecalled = true
    }
    if (seen !== undefined) compare(seen, { registry, id, block, blockHash, time })
    if (value === undefined)
      throw new CliError(
        'no',
        `the registry (${registry}) knows no chain ${id} at block ${block}: correct validator.chain, or have the members enter it`,
      )
    const { validators, writers, minimum } = value
    const set = JSON.stringify([validators, writers, minimum])
    const next: Seen = { format: FORMAT, registry, id, block, block_hash: blockHash, time, set }
    // A crash before this is written: the next process begins with what was written before, and reads the same again.
    if (set !== seen?.set) await memory.write(new TextEncoder().encode(JSON.stringify(next)))
    seen = next
    return {
      validators: addressesOf(validators),
      writers: addressesOf(writers),
      minimum,
      strangers: [...validators, ...writers].filter(one => !isAddress(one)),
      block,
      blockHash,
      time,
      level,
    }
  }
}

/**
 * Who wrote when the registry was last seen, in this process or an earlier one: for as long as it is away.
 *
 * @throws CliError `evidence` where the memory holds something else
 */
export async function recallWriters(memory: SubmitJournal): Promise<string[] | undefined> {
  const seen = await recall(memory)
  if (seen === undefined) return undefined
  const [, writers] = JSON.parse(seen.set) as [unknown, string[]]
  return addressesOf(writers)
}

const isAddress = (text: string): boolean => /^0x[0-9a-f]{40}$/.test(text)
const addressesOf = (list: readonly string[]): string[] => [...new Set(list.filter(isAddress))]

const nameOf = ({ chainId, genesis, contracts }: Awaited<ReturnType<RuleChain['identity']>>): string =>
  [`chain ${chainId}`, genesis, contracts['ConsortiumRegistry']].filter(part => part !== undefined).join(' ')

type Found = { registry: string; id: string; block: number; blockHash: string; time: number }

/** @throws CliError `evidence` */
function compare(seen: Seen, { registry, id, block, blockHash, time }: Found): void {
  const fail = (what: string) => {
    throw new CliError('evidence', `${what}. Nothing is voted on: ask who runs the registry's nodes why`)
  }
  if (seen.registry !== registry || seen.id !== id)
    fail(
      `the registry is ${registry}, and so far ${seen.registry} was followed for chain ${seen.id}, this is ${id}: where that was meant, give another validator.stateFile`,
    )
  if (block < seen.block || time < seen.time)
    fail(
      `the registry went back: block ${block} of ${new Date(time * 1000).toISOString()}, and block ${seen.block} of ${new Date(seen.time * 1000).toISOString()} was seen`,
    )
  if (block === seen.block && blockHash !== seen.block_hash)
    fail(`the registry's block ${block} is ${blockHash}, and it was ${seen.block_hash} when it was final`)
}

/** @throws CliError `evidence` */
async function recall(memory: SubmitJournal): Promise<Seen | undefined> {
  let cause: unknown
  try {
    const bytes = await memory.read()
    if (bytes === undefined) return undefined
    const seen = JSON.parse(new TextDecoder().decode(bytes)) as Seen
    if (seen.format === FORMAT) return seen
  } catch (error) {
    cause = error
  }
  throw new CliError(
    'evidence',
    'validator.stateFile is not what an earlier run left there: compare what the registry says with what you know of it, and remove the file',
    { cause },
  )
}
