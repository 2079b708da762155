import { bytesToHex } from 'viem/utils'
import type { Anchor, AnchorIdentity, AnchorReceipt, Checkpoint, SealedEvidence, Succeeded } from '../anchor.ts'
import type { ChainEvent, ChainReceipt } from '../chain.ts'
import { LedgerError } from '../error.ts'
import type { SubmitJournal } from '../journal.ts'
import type { Account } from './account.ts'
import { type EvmChain, openEvmChain } from './chain.ts'
import {
  anchoredTopics,
  decodeAnchored,
  decodeLatest,
  decodeOwner,
  decodeRoot,
  decodeSuccessor,
  encodeCall,
  explainRefusal,
  isUnknownLog,
  logIdOf,
  rootSlot,
} from './contract.ts'
import { callContract, callContractAt, isNobody, openContractLog } from './contract-log.ts'
import { type Endpoints, createEndpoints } from './endpoints.ts'
import { checkSealed } from './evidence.ts'
import { type EvmFinality, cliqueDepth } from './finality.ts'
import { createHttpProvider, shownUrl } from './http.ts'
import { createEvmRecords } from './records.ts'
import { askOf } from './rpc.ts'

export interface EvmAnchorOptions {
  /** The ledger's id in the configuration. */
  readonly id: string
  /** Nodes of the network, the preferred first. */
  readonly urls: readonly string[]
  readonly chainId: number
  /** Address of a CheckpointAnchor. Left out: the one that the account created earlier, or a new one. */
  readonly contract?: string
  /** Who owns the log and pays for the transactions. */
  readonly account: Account
  readonly finality: EvmFinality
  /** What was sent is written there before; a process that was killed goes on from there. Left out: only this process knows. */
  readonly journal?: SubmitJournal
  /** The log's origin line. */
  readonly origin: string
  /**
   * Addresses of the validators that the operator has pinned: an anchor is final only if headers that they sealed prove it. Left out: the nodes are believed as
   * far as they agree.
   */
  readonly validators?: readonly string[]
  /** Id of a log that was registered by another account, and then offered to this one. Left out: that of account and origin. */
  readonly logId?: string
  /** Whether it takes records as well. */
  readonly records?: boolean
  /** Nothing is sent, beside another process that does: a contract or a log that is not there is a `mismatch`. */
  readonly readOnly?: boolean
  readonly timeoutMs?: number
  readonly pollMs?: number
}

/**
 * Opens an anchor on an EVM chain by JSON-RPC; deploys the contract and registers the log where they are not there yet. Throws LedgerError
 * `mismatch` for another chain, or another contract at the address.
 */
export async function openEvmAnchor({
  urls,
  account,
  chainId,
  finality,
  journal,
  timeoutMs,
  pollMs,
  ...options
}: EvmAnchorOptions): Promise<Anchor> {
  const given = {
    ...(journal === undefined ? {} : { journal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(pollMs === undefined ? {} : { pollMs }),
  }
  const provider = createHttpProvider({ urls })
  const single = urls.map(url => ({ name: shownUrl(url), provider: createHttpProvider({ urls: [url] }) }))
  const closeAll = async () => void (await Promise.all([provider, ...single.map(s => s.provider)].map(p => p.close())))
  try {
    const chain = await openEvmChain({
      provider: { request: request => provider.request(request), close: closeAll },
      account,
      chainId,
      finality,
      ...given,
    })
    const endpoints = createEndpoints({
      endpoints: single.map(s => ({ name: s.name, ask: askOf(s.provider) })),
      chainId,
      finality: chain.finality,
    })
    return await createEvmAnchor(chain, { ...options, endpoints })
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Times that a checkpoint is offered from what the ledger has by then. */
const MAX_ATTEMPTS = 5

/** An anchor on an open chain, which it closes with itself. */
export async function createEvmAnchor(
  chain: EvmChain,
  options: Pick<EvmAnchorOptions, 'id' | 'origin' | 'contract' | 'logId' | 'validators' | 'readOnly' | 'records'> & {
    endpoints?: Endpoints
  },
): Promise<Anchor> {
  const { id, validators: pinned, endpoints, readOnly } = options
  await endpoints?.ensure()
  const chainIdentity = await chain.identity()
  const { account } = chainIdentity
  if (readOnly !== true) await chain.settle()
  const { contract, logId, owner, register } = await openContractLog(chain, account, options)
  const call = (name: string, ...args: unknown[]) => callContract(chain, contract, name, ...args)

  const latest = async (): Promise<Checkpoint | undefined> => nonEmpty(decodeLatest(await call('latest', logId)))

  const toReceipt = (event: ChainEvent): AnchorReceipt | undefined => {
    const anchored = event.contract === contract ? decodeAnchored(event, logId) : undefined
    return anchored === undefined
      ? undefined
      : { ledger: id, ...anchored, transaction: event.transaction, block: event.block, blockHash: event.blockHash }
  }
  const inReceipt = (receipt: ChainReceipt | undefined, size?: number): AnchorReceipt | undefined =>
    receipt?.events
      .map(toReceipt)
      .find(anchored => anchored !== undefined && (size === undefined || anchored.size === size))

  async function find(size: number): Promise<AnchorReceipt | undefined> {
    checkSize(size)
    const events = await chain.events({ contract, topics: anchoredTopics(logId, size), fromBlock: 0 })
    return events.map(toReceipt).find(anchored => anchored !== undefined)
  }
  async function mustFind(size: number): Promise<AnchorReceipt> {
    const found = await find(size)
    if (found === undefined)
      throw new LedgerError(
        'unsupported',
        `chain ${chainIdentity.chainId} has size ${size} and no longer the event of it: use a node that keeps all logs`,
      )
    return found
  }

  type Proof = (oldSize: number) => Uint8Array[] | Promise<Uint8Array[]>
  /** What the ledger had after our last append: saves asking. */
  let known: Checkpoint | undefined

  async function append(checkpoint: Checkpoint, consistency: Proof): Promise<AnchorReceipt> {
    await endpoints?.ensure()
    await chain.settle()
    let before = known
    known = undefined
    if (before === undefined || before.size >= checkpoint.size)
      before = await latest().catch((error: unknown) => {
        if (isUnknownLog(error)) return judge(checkpoint, consistency)
        throw error
      })
    for (let attempt = 1; ; attempt++) {
      try {
        const receipt = await extend(before, checkpoint, consistency)
        known = { size: checkpoint.size, root: checkpoint.root }
        return receipt
      } catch (error) {
        if (!isAboutState(error) || attempt === MAX_ATTEMPTS) throw error
        // Refused from where we thought it was: after a reorganisation, or another process, it is elsewhere.
        before = await judge(checkpoint, consistency)
      }
    }
  }

  /**
   * What the ledger has, if from there it takes the checkpoint. Both are asked of one block: the nodes behind a URL may be at different ones, and what they
   * say together is no proof of a fork. Throws the contract's refusal where it is one.
   */
  async function judge(checkpoint: Checkpoint, consistency: Proof): Promise<Checkpoint | undefined> {
    const { number } = await chain.header()
    let before: Checkpoint | undefined
    try {
      before = nonEmpty(decodeLatest(await callContractAt(chain, contract, number, 'latest', logId)))
    } catch (error) {
      if (!isUnknownLog(error)) throw error
      await register()
      return undefined
    }
    if (isSame(before, checkpoint)) return before
    const data = await anchorCall(before, checkpoint, consistency)
    await chain.call({ contract, data }, number).catch((error: unknown) => {
      throw explainRefusal(error)
    })
    return before
  }

  /** Stale and forked ones go to the contract as well: it is the one that refuses. */
  async function anchorCall(
    before: Checkpoint | undefined,
    { size, root }: Checkpoint,
    consistency: Proof,
  ): Promise<Uint8Array> {
    const proof = before === undefined || before.size >= size ? [] : await consistency(before.size)
    const hashes = proof.map(hash => bytesToHex(hash))
    return encodeCall('anchor', logId, BigInt(size), bytesToHex(root), hashes)
  }

  async function extend(
    before: Checkpoint | undefined,
    checkpoint: Checkpoint,
    consistency: Proof,
  ): Promise<AnchorReceipt> {
    const { size } = checkpoint
    if (isSame(before, checkpoint)) return mustFind(size)
    const data = await anchorCall(before, checkpoint, consistency)
    try {
      return inReceipt(await chain.submit({ contract, data }), size) ?? (await mustFind(size))
    } catch (error) {
      throw explainRefusal(error)
    }
  }

  async function succeed(origin: string, shared: readonly Checkpoint[]): Promise<Succeeded> {
    if (options.logId !== undefined)
      throw new LedgerError(
        'unsupported',
        `ledger "${id}" names the log by "logId", which was registered for another origin: leave it out for a new log`,
      )
    await endpoints?.ensure()
    await chain.settle()
    const former = logIdOf(account, origin)
    const formerOwner = decodeOwner(await call('ownerOf', former))
    if (isNobody(formerOwner)) return { latest: 0, size: 0 }
    const { size: latest } = decodeLatest(await call('latest', former))
    const followed = async (): Promise<Succeeded | undefined> => {
      const successor = decodeSuccessor(await call('successorOf', former))
      if (successor === undefined || successor.logId === logId) return successor && { latest, size: successor.size }
      throw new LedgerError(
        'closed',
        `on ledger "${id}" log ${successor.logId} follows ${origin} (${former}) since size ${successor.size}, and not ${options.origin} (${logId})`,
      )
    }
    const before = await followed()
    if (before !== undefined) return before
    let size = 0
    for (const checkpoint of shared.toReversed()) {
      const root = decodeRoot(await call('rootOf', former, BigInt(checkpoint.size)))
      if (isZero(root)) continue
      if (Buffer.compare(root, checkpoint.root) !== 0)
        throw new LedgerError(
          'fork',
          `at size ${checkpoint.size} ledger "${id}" has another root of ${origin} than this store: it is not the log that was anchored`,
        )
      size = checkpoint.size
      break
    }
    try {
      await chain.submit({ contract, data: encodeCall('succeed', former, BigInt(size), logId) })
    } catch (error) {
      // Sent before by a process that was killed, perhaps, and in a block since.
      const done = await followed()
      if (done !== undefined) return done
      throw explainRefusal(error)
    }
    return { latest, size }
  }

  let queue: Promise<unknown> = Promise.resolve()
  const { validators, consensus, genesis, chainId } = chainIdentity
  const identity: AnchorIdentity = {
    ledger: id,
    kind: 'evm',
    finality: chain.finality,
    enforces: true,
    chainId,
    genesis,
    contract,
    logId,
    owner,
    ...(validators === undefined ? {} : { validators }),
    ...(consensus === undefined ? {} : { consensus }),
  }

  /** The slot of a size in sealed state; where it is not anchored the root is zero. Undefined where this chain has none to show. */
  async function sealedSlot(size: number): Promise<SealedEvidence | undefined> {
    // One signer of Clique seals a block: it counts under those that others sealed on top of it.
    const above = consensus === 'clique' ? await chain.newest(cliqueDepth(validators?.length ?? 0)) : []
    if (above === undefined) return undefined
    const at = above[0] === undefined ? undefined : above[0].number - 1
    const proof = await chain.prove(contract, [rootSlot(logId, size)], at)
    const [slot] = proof?.slots ?? []
    if (proof === undefined || slot === undefined) return undefined
    if (above[0] !== undefined && above[0].parent !== proof.header.hash) return undefined // reorganised just now
    return {
      size,
      root: slot.value,
      block: proof.header.number,
      blockHash: proof.header.hash,
      header: proof.header.bytes,
      ...(above.length === 0 ? {} : { following: above.map(({ bytes }) => bytes) }),
      accountProof: proof.account,
      storageProof: slot.nodes,
    }
  }

  /** What is final as one node says it, held against the other nodes and the pinned validators. */
  async function confirm(receipt: AnchorReceipt): Promise<void> {
    await endpoints?.confirm(receipt.transaction, receipt.block, receipt.blockHash)
    if (pinned === undefined) return
    const evidence = await sealedSlot(receipt.size)
    if (evidence === undefined)
      throw new LedgerError(
        'unsupported',
        `ledger "${id}" has pinned validators, and its node gives no sealed header with a proof of size ${receipt.size}: use a node of a QBFT or Clique network that offers eth_getProof, or pin none`,
      )
    checkSealed(identity, receipt, evidence, pinned)
  }

  return {
    ledger: id,
    kind: 'evm',
    describe: async () => identity,
    async latest() {
      await endpoints?.ensure()
      return latest()
    },
    time: async () => (await chain.header()).time,
    append({ size, root }, consistency) {
      checkSize(size)
      if (root.length !== 32) throw new LedgerError('invalid', `a root has 32 bytes, this one ${root.length}`)
      const appended = queue.then(() => append({ size, root }, consistency))
      queue = appended.catch(() => undefined)
      return appended
    },
    read: async transaction => inReceipt(await chain.receipt(transaction)),
    find,
    async finality(claimed) {
      await endpoints?.ensure()
      const receipt = await chain.receipt(claimed.transaction)
      if (receipt?.blockHash !== claimed.blockHash || receipt.block !== claimed.block)
        return { final: false, confirmations: 0 }
      const state = await chain.isFinal(claimed.block)
      if (state.final) await confirm(claimed)
      return state
    },
    async prove(size) {
      checkSize(size)
      const evidence = await sealedSlot(size)
      return evidence === undefined || isZero(evidence.root) ? undefined : evidence
    },
    succeed(origin, shared) {
      for (const { size } of shared) checkSize(size)
      const succeeded = queue.then(() => succeed(origin, shared))
      queue = succeeded.catch(() => undefined)
      return succeeded
    },
    ...(options.records === true ? { records: createEvmRecords(chain, readOnly) } : {}),
    async close() {
      await queue
      await chain.close()
    },
  }
}

const nonEmpty = (checkpoint: Checkpoint): Checkpoint | undefined => (checkpoint.size === 0 ? undefined : checkpoint)

const isAboutState = (error: unknown): boolean =>
  isUnknownLog(error) || (error instanceof LedgerError && (error.code === 'stale' || error.code === 'fork'))

const isZero = (root: Uint8Array): boolean => root.every(byte => byte === 0)

const isSame = (a: Checkpoint | undefined, b: Checkpoint | undefined): boolean =>
  a?.size === b?.size && Buffer.compare(a?.root ?? EMPTY, b?.root ?? EMPTY) === 0
const EMPTY = new Uint8Array(0)

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 1)
    throw new LedgerError('invalid', `size ${size}: a number of leaves of at least 1 is wanted`)
}
