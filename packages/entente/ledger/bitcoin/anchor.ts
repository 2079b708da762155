import { setTimeout as sleep } from 'node:timers/promises'
import { TlogError, verifyConsistency } from '@entente/verify/tlog'
import type { Anchor, AnchorIdentity, AnchorReceipt, Checkpoint, MinedEvidence } from '../anchor.ts'
import { LedgerError } from '../error.ts'
import type { SubmitJournal } from '../journal.ts'
import type { BitcoinAccount } from './account.ts'
import { createBlocks } from './blocks.ts'
import { createAnchorChain } from './chain.ts'
import { DEFAULT_FEES, type FeePolicy } from './fees.ts'
import type { BitcoinNetwork } from './network.ts'
import { createBitcoinNode, type Rpc } from './node.ts'
import type { Pending } from './pending.ts'
import { createSubmitter, type FaultPoint } from './submit.ts'

export interface BitcoinAnchorOptions {
  /** The ledger's id in the configuration. */
  readonly id: string
  /** The connection; closed with the anchor. */
  readonly rpc: Rpc & { close?(): Promise<void> }
  readonly network: BitcoinNetwork
  /** Whose coins pay, and who signs. One log an account: its anchors are a chain of coins. */
  readonly account: BitcoinAccount
  /** The log's origin line. */
  readonly origin: string
  readonly journal: SubmitJournal
  /** Blocks on top of an anchor until it is final; default 6. */
  readonly depth?: number
  readonly fees?: Partial<FeePolicy>
  /** How long `append` waits for a block before it throws `pending`; default 1 s. The same call goes on waiting. */
  readonly waitMs?: number
  readonly pollMs?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** For tests: called at the points where a crash matters. */
  readonly fault?: (point: FaultPoint) => void | Promise<void>
}

/**
 * Opens an anchor on Bitcoin, by a node without a wallet: each checkpoint is a transaction whose OP_RETURN carries it (docs/formats.md 8) and which spends
 * the change of the one before. Bitcoin refuses no fork and nothing stale: this adapter does, as far as it sees the chain and its journal.
 * Throws LedgerError `mismatch` for another network, `unsupported` for a btcd without --addrindex.
 */
export async function openBitcoinAnchor(options: BitcoinAnchorOptions): Promise<Anchor> {
  const {
    id,
    rpc,
    network,
    account,
    origin,
    journal,
    depth = 6,
    waitMs = 1000,
    pollMs = 250,
    now = Date.now,
    fault,
  } = options
  const fees = { ...DEFAULT_FEES, ...options.fees }
  const node = await createBitcoinNode(rpc)
  const genesis = await node.blockHash(0)
  if (genesis !== network.genesis)
    throw new LedgerError(
      'mismatch',
      `block 0 of the node is ${genesis}, that of ${network.name} is ${network.genesis}: correct the URL or the network`,
    )
  const blocks = createBlocks(node, network)
  const chain = createAnchorChain({ node, blocks, id, origin, account })
  const submitter = createSubmitter({ node, chain, journal, account, network, origin, fees, depth, now, fault })
  const identity = await identify()

  async function identify(): Promise<AnchorIdentity> {
    const { work } = await blocks.header((await node.blockHash((await node.tip()).height)) ?? network.genesis)
    return {
      ledger: id,
      kind: 'bitcoin',
      finality: { depth },
      enforces: false,
      chainId: network.name,
      genesis: network.genesis,
      owner: account.address,
      // The difficulty changes by a factor of four at most at once
      minWork: (work * BigInt(depth + 1)) / 4n,
    }
  }

  async function append(checkpoint: Checkpoint, consistency: Consistency): Promise<AnchorReceipt> {
    const until = performance.now() + waitMs
    let checked = 0
    let isSubmitted = false
    let transaction: string | undefined
    for (;;) {
      let cause: unknown
      try {
        const settled = await submitter.settle()
        const { newest, pending, waiting } = settled
        const last = waiting === undefined ? newest : toCheckpoint(pending.at(-1) ?? waiting)
        refuse(last, checkpoint)
        transaction = pending.at(-1)?.attempts.at(-1)?.txid
        if (waiting !== undefined) await submitter.replaceWhereStuck(waiting, settled)
        else if (newest?.size === checkpoint.size) return newest
        else {
          if (last && last.size !== checked) await verifyFrom(last, checkpoint, consistency)
          checked = last?.size ?? 0
          await submitter.submit(checkpoint, settled)
          if (!isSubmitted) {
            isSubmitted = true
            continue // to be sent
          }
        }
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== 'unreachable') throw error
        cause = error
      }
      if (closing.signal.aborted || performance.now() >= until) throw notYet(transaction, cause)
      await sleep(pollMs, undefined, { signal: closing.signal }).catch(() => undefined)
    }
  }
  function notYet(transaction: string | undefined, cause: unknown): LedgerError {
    const about = { cause, ...(transaction === undefined ? {} : { transaction }) }
    if (cause instanceof LedgerError) return new LedgerError('unreachable', cause.message, about)
    const message = `transaction ${transaction} is in no block of ${network.name} yet: repeat the call`
    return new LedgerError('pending', message, about)
  }

  const closing = new AbortController()
  let queue: Promise<unknown> = Promise.resolve()
  let running = 0
  /** Whatever changes the journal, one after the other. */
  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    running++
    const done = queue
      .then(open)
      .then(run)
      .finally(() => running--)
    queue = done.catch(() => undefined)
    return done
  }
  const open = (): void => {
    if (closing.signal.aborted) throw new LedgerError('unreachable', `ledger "${id}" was closed; open it again`)
  }
  async function find(size: number): Promise<AnchorReceipt | undefined> {
    checkSize(size)
    open()
    const { pending, newest } = await submitter.newest()
    for (const entry of pending) {
      const receipt = entry.size === size ? await submitter.minedOf(entry) : undefined
      if (receipt) return receipt
    }
    return chain.find(size, newest)
  }

  /** Final evidence does not change as long as its block is in the chain. */
  const proven = new Map<number, MinedEvidence>()

  return {
    ledger: id,
    kind: 'bitcoin',
    describe: async () => identity,
    async latest() {
      open()
      const { newest } = await submitter.newest()
      return newest && { size: newest.size, root: newest.root }
    },
    async time() {
      open()
      return (await node.tip()).medianTime
    },
    append({ size, root }, consistency) {
      checkSize(size)
      if (root.length !== 32) throw new LedgerError('invalid', `a root has 32 bytes, this one ${root.length}`)
      return inTurn(() => append({ size, root }, consistency))
    },
    async read(transaction) {
      open()
      return TXID.test(transaction) ? chain.read(transaction) : undefined
    },
    find,
    async finality({ transaction, block, blockHash }) {
      open()
      const mined = await blocks.mined(transaction)
      if (mined?.blockHash !== blockHash) {
        // Reorganised away: to the mempool again. An append that runs does the same.
        if (mined === undefined && running === 0) await inTurn(submitter.settle).catch(ignoreUnreachable)
        return { final: false, confirmations: 0 }
      }
      const confirmations = await blocks.depth({ height: block, blockHash }, depth)
      return { final: confirmations >= depth, confirmations }
    },
    async proveMined(size) {
      const known = proven.get(size)
      if (known && (await node.blockHash(known.block)) === known.blockHash) return known
      const receipt = await find(size)
      if (!receipt || (await blocks.depth({ height: receipt.block, blockHash: receipt.blockHash }, depth)) < depth)
        return undefined
      const { root, block, blockHash } = receipt
      const evidence = { size, root, block, blockHash, bitcoin: await chain.prove(receipt, depth) }
      proven.set(size, evidence)
      for (const oldest of proven.keys()) if (proven.size > MAX_PROVEN) proven.delete(oldest)
      return evidence
    },
    async close() {
      closing.abort()
      await queue
      await rpc.close?.()
    },
  }
}

type Consistency = (oldSize: number) => Uint8Array[] | Promise<Uint8Array[]>
const MAX_PROVEN = 64
const TXID = /^[0-9a-f]{64}$/

const toCheckpoint = ({ size, root }: Pending): Checkpoint => ({ size, root: Buffer.from(root, 'hex') })
const isSame = (a: Checkpoint, b: Checkpoint) => a.size === b.size && Buffer.compare(a.root, b.root) === 0

/** What the contract does on other ledgers. */
function refuse(last: Checkpoint | undefined, { size, root }: Checkpoint): void {
  if (last === undefined || last.size < size || isSame(last, { size, root })) return
  if (last.size > size)
    throw new LedgerError(
      'stale',
      `size ${size} comes after size ${last.size}, which is on Bitcoin or on its way there`,
    )
  const [ours, theirs] = [root, last.root].map(r => Buffer.from(r).toString('base64'))
  throw new LedgerError('fork', `at size ${size} Bitcoin has the root ${theirs}, this checkpoint has ${ours}`)
}

async function verifyFrom(old: Checkpoint, { size, root }: Checkpoint, consistency: Consistency): Promise<void> {
  const proof = await consistency(old.size)
  try {
    verifyConsistency(old.size, size, proof, old.root, root)
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    throw new LedgerError(
      'fork',
      `size ${size} does not continue size ${old.size}, which is on Bitcoin: ${cause.message}`,
      { cause },
    )
  }
}

function ignoreUnreachable(error: unknown): void {
  if (!(error instanceof LedgerError) || error.code !== 'unreachable') throw error
}

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 1)
    throw new LedgerError('invalid', `size ${size}: a number of leaves of at least 1 is wanted`)
}
