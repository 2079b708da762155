import { setTimeout as sleep } from 'node:timers/promises'
import { TlogError, verifyConsistency } from '@entente/verify/tlog'
import type { Anchor, AnchorIdentity, AnchorReceipt, Checkpoint } from '../anchor.ts'
import { LedgerError } from '../error.ts'
import type { SubmitJournal } from '../journal.ts'
import { anchorSize, type BitcoinAccount, CHANGE, type Coin, DUST } from './account.ts'
import { createAnchorChain } from './chain.ts'
import { DEFAULT_FEES, type FeePolicy, firstRate, higherFee } from './fees.ts'
import type { BitcoinNetwork } from './network.ts'
import { type BitcoinNode, createBitcoinNode, type Rpc } from './node.ts'
import { type Pending, readPending, writePending } from './pending.ts'

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
  readonly fault?: (point: 'before-journal' | 'after-journal' | 'after-send') => void
}

/** On networks with steady blocks, a node whose newest is older than this is behind. */
const MAX_TIP_AGE = 24 * 3600

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
  const chain = createAnchorChain({ node, id, origin, account })
  const identity = await identify(node)

  async function identify({ tip, blockHash, header }: BitcoinNode): Promise<AnchorIdentity> {
    const { work } = await header((await blockHash((await tip()).height)) ?? network.genesis)
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

  /** Throws `unreachable` while the node does not have the whole chain: what it does not know proves nothing then. */
  async function synchronised(pending: readonly Pending[]): Promise<{ height: number; medianTime: number }> {
    const tip = await node.tip()
    const seen = Math.max(0, ...pending.map(({ block }) => block ?? 0))
    const isOld = network.isSteady && now() / 1000 - tip.medianTime > MAX_TIP_AGE
    if (tip.isSyncing || isOld || tip.height < seen)
      throw new LedgerError(
        'unreachable',
        `the node is at height ${tip.height}${tip.height < seen ? `, an anchor was in block ${seen}` : ''}: it is still synchronising`,
      )
    return tip
  }

  const attemptsOf = (pending: readonly Pending[]) =>
    pending.flatMap(({ attempts }) => attempts.map(({ txid }) => txid)).reverse()

  async function minedOf({ attempts }: Pending): Promise<AnchorReceipt | undefined> {
    for (const { txid } of attempts.toReversed()) {
      const receipt = await chain.read(txid)
      if (receipt) return receipt
    }
    return undefined
  }

  /** Sends the newest attempt unless the node has it. Gives what speaks against it where the node takes none of them. */
  async function relay({ attempts, coins }: Pending): Promise<string | undefined> {
    const [newest] = attempts.slice(-1)
    if (newest === undefined || (await node.transaction(newest.txid))) return undefined
    const refusal = await node.send(Buffer.from(newest.raw, 'hex'))
    if (refusal === undefined) {
      fault?.('after-send')
      return undefined
    }
    for (const { txid } of attempts) if (await node.transaction(txid)) return undefined
    return coins[0] && (await chain.isSpent(coins[0])) ? LOST : refusal
  }

  /**
   * Compares the journal with the chain: what is in a block, what has to be sent again (never sent, dropped, reorganised away), what can't be mined any
   * more because its coin is gone. Repeating it changes nothing.
   */
  async function settle(): Promise<Settled> {
    let pending = await readPending(journal)
    const before = JSON.stringify(pending)
    const { height } = await synchronised(pending)
    let waiting: Pending | undefined
    let refusal: string | undefined
    const replaced = new Set<string>()
    for (const [at, entry] of pending.entries()) {
      const isOrphan = entry.coins.some(({ txid }) => replaced.has(txid))
      const mined = isOrphan ? undefined : await minedOf(entry)
      if (mined) {
        entry.block = mined.block
        for (const { txid } of entry.attempts) if (txid !== mined.transaction) replaced.add(txid)
        continue
      }
      const answer = isOrphan ? LOST : await relay(entry)
      // Seen again, since one of the attempts may have been mined while we looked
      if (answer === LOST && !(await minedOf(entry))) {
        pending = pending.slice(0, at)
        break
      }
      waiting ??= entry
      refusal ??= answer === LOST ? undefined : answer
    }
    // What is final can't come back, and neither can what was before it; the newest stays, to see how far a node should be.
    const final = pending.findLastIndex(({ block }) => block !== undefined && height - block >= depth)
    pending = pending.slice(Math.max(0, final))
    if (JSON.stringify(pending) !== before) await writePending(journal, pending)
    const newest = await chain.newest(attemptsOf(pending))
    return { pending, waiting, last: pending.at(-1), refusal, newest }
  }

  async function append(checkpoint: Checkpoint, consistency: Consistency): Promise<AnchorReceipt> {
    const until = now() + waitMs
    let checked: Checkpoint | undefined
    let transaction: string | undefined
    let cause: unknown
    for (;;) {
      try {
        const state = await settle()
        cause = undefined
        const { newest, waiting } = state
        const last = waiting && state.last ? toCheckpoint(state.last) : newest
        compare(last, checkpoint)
        if (newest && isSame(newest, checkpoint) && !waiting) return newest
        if (last && last.size < checkpoint.size && checked?.size !== last.size) {
          await verifyFrom(last, checkpoint, consistency)
          checked = last
        }
        if (waiting === undefined) await submit(checkpoint, state)
        else await replaceWhereStuck(waiting, state)
        transaction = (await readPending(journal)).at(-1)?.attempts.at(-1)?.txid
        if (waiting === undefined) continue // settle sends it
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== 'unreachable') throw error
        cause = error
      }
      if (closing.signal.aborted || now() >= until) throw notYet(transaction, cause)
      await sleep(Math.min(pollMs, Math.max(0, until - now())), undefined, { signal: closing.signal }).catch(
        () => undefined,
      )
    }
  }
  const notYet = (transaction: string | undefined, cause: unknown): LedgerError => {
    const about = { cause, ...(transaction === undefined ? {} : { transaction }) }
    if (cause instanceof LedgerError) return new LedgerError('unreachable', cause.message, about)
    return new LedgerError(
      'pending',
      `transaction ${transaction} is in no block of ${network.name} yet: repeat the call`,
      about,
    )
  }

  /** Signs a transaction and makes a note of it; whoever settles next sends it. A crash before the note leaves no trace, one after it only a transaction to send. */
  async function submit(checkpoint: Checkpoint, { pending, newest }: Settled): Promise<void> {
    const rate = await firstRate(node, fees)
    const coins = await choose(newest, used => Math.ceil(rate * anchorSize(used)))
    const fee = Math.ceil(rate * anchorSize(coins.length))
    const attempt = sign(checkpoint, coins, fee)
    fault?.('before-journal')
    const root = Buffer.from(checkpoint.root).toString('hex')
    await writePending(journal, [...pending, { size: checkpoint.size, root, coins, attempts: [attempt] }])
    fault?.('after-journal')
  }

  /** The change of the newest anchor, and as many others as the fee needs. */
  async function choose(newest: AnchorReceipt | undefined, feeOf: (coins: number) => number): Promise<Coin[]> {
    let found: Coin[] = []
    for (const all of [false, true]) {
      found = await chain.coins(newest, all)
      for (let used = 1; used <= found.length; used++)
        if (sumOf(found.slice(0, used)) >= feeOf(used) + DUST) return found.slice(0, used)
    }
    throw new LedgerError(
      'refused',
      `${account.address} has ${sumOf(found)} satoshis in ${network.name} that can be spent, an anchor costs ${feeOf(1)} and leaves ${DUST}: pay to that address`,
    )
  }
  const sumOf = (coins: readonly Coin[]) => coins.reduce((sum, { value }) => sum + value, 0)

  const sign = (checkpoint: Checkpoint, coins: readonly Coin[], fee: number) => {
    const { txid, raw } = account.sign({ origin, checkpoint, coins, fee })
    return { txid, raw: Buffer.from(raw).toString('hex'), fee, at: now() }
  }

  /** BIP 125: a transaction that waits for too long, or that pays too little for the node, is replaced by one that spends the same coin and pays more. */
  async function replaceWhereStuck(entry: Pending, { pending, refusal }: Settled): Promise<void> {
    const attempt = entry.attempts.at(-1)
    if (attempt === undefined || (refusal === undefined && now() - attempt.at < fees.bumpMs)) return
    if (refusal !== undefined && !/fee/i.test(refusal)) throw refused(attempt.txid, refusal)
    const estimate = await firstRate(node, fees)
    let { coins } = entry
    let fee = higherFee(attempt.fee, anchorSize(coins.length), estimate, fees)
    if (fee !== undefined && sumOf(coins) < fee + DUST) {
      const others = (await chain.coins(undefined, true)).filter(
        ({ txid, vout }) => !coins.some(c => c.txid === txid && c.vout === vout),
      )
      coins = [...coins, ...others.slice(0, 1)]
      fee = higherFee(attempt.fee, anchorSize(coins.length), estimate, fees)
    }
    if (fee === undefined || sumOf(coins) < fee + DUST) {
      if (refusal !== undefined) throw refused(attempt.txid, refusal)
      return // the ceiling, or all there is: it waits
    }
    const { size } = entry
    entry.attempts.push(sign({ size, root: Buffer.from(entry.root, 'hex') }, coins, fee))
    entry.coins = coins
    fault?.('before-journal')
    await writePending(journal, pending)
    fault?.('after-journal')
  }
  const refused = (transaction: string, reason: string): LedgerError =>
    new LedgerError(
      'refused',
      `the node does not take transaction ${transaction}: ${reason}. It is sent again with each try; raise fee.max if the fee is too low`,
      { transaction },
    )

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
  const latest = async (): Promise<AnchorReceipt | undefined> => {
    open()
    const pending = await readPending(journal)
    await synchronised(pending)
    return chain.newest(attemptsOf(pending))
  }
  const find = async (size: number): Promise<AnchorReceipt | undefined> => {
    checkSize(size)
    const newest = await latest()
    for (const entry of await readPending(journal)) {
      const receipt = entry.size === size ? await minedOf(entry) : undefined
      if (receipt) return receipt
    }
    return chain.find(size, newest)
  }

  return {
    ledger: id,
    kind: 'bitcoin',
    describe: async () => identity,
    async latest() {
      const newest = await latest()
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
      const mined = await chain.mined(transaction)
      if (mined?.blockHash !== blockHash) {
        // Reorganised away: to the mempool again. An append that runs does the same.
        if (mined === undefined && running === 0) await inTurn(settle).catch(ignoreUnreachable)
        return { final: false, confirmations: 0 }
      }
      const confirmations = await chain.depth({ height: block, blockHash }, depth)
      return { final: confirmations >= depth, confirmations }
    },
    async proveMined(size) {
      const receipt = await find(size)
      if (!receipt || (await chain.depth({ height: receipt.block, blockHash: receipt.blockHash }, depth)) < depth)
        return undefined
      const { root, block, blockHash } = receipt
      return { size, root, block, blockHash, bitcoin: await chain.prove(receipt, depth) }
    },
    async close() {
      closing.abort()
      await queue
      await rpc.close?.()
    },
  }
}

type Consistency = (oldSize: number) => Uint8Array[] | Promise<Uint8Array[]>
interface Settled {
  /** The journal, oldest first. */
  readonly pending: Pending[]
  /** The oldest that is in no block. */
  readonly waiting: Pending | undefined
  /** The newest of the journal. */
  readonly last: Pending | undefined
  /** Why the node does not take what waits. */
  readonly refusal: string | undefined
  /** The newest in a block. */
  readonly newest: AnchorReceipt | undefined
}

const LOST = 'its coin was spent by another transaction'
const TXID = /^[0-9a-f]{64}$/

const toCheckpoint = ({ size, root }: Pending): Checkpoint => ({ size, root: Buffer.from(root, 'hex') })
const isSame = (a: Checkpoint, b: Checkpoint) => a.size === b.size && Buffer.compare(a.root, b.root) === 0

/** What the contract does on other ledgers. */
function compare(last: Checkpoint | undefined, { size, root }: Checkpoint): void {
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
