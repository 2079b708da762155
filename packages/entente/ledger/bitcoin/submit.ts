import type { AnchorReceipt, Checkpoint } from '../anchor.ts'
import { LedgerError } from '../error.ts'
import type { SubmitJournal } from '../journal.ts'
import { anchorSize, type BitcoinAccount, type Coin, DUST } from './account.ts'
import type { AnchorChain } from './chain.ts'
import { type FeePolicy, firstRate, higherFee } from './fees.ts'
import type { BitcoinNetwork } from './network.ts'
import type { BitcoinNode } from './node.ts'
import { type Pending, readPending, writePending } from './pending.ts'

/** Where a crash matters. */
export type FaultPoint = 'before-journal' | 'after-journal' | 'after-send'

export interface Settled {
  /** The journal, oldest first. */
  readonly pending: Pending[]
  /** The oldest that is in no block. */
  readonly waiting: Pending | undefined
  /** Why the node does not take what waits. */
  readonly refusal: string | undefined
  /** The newest in a block. */
  readonly newest: AnchorReceipt | undefined
}

export interface Submitter {
  /**
   * Compares the journal with the chain: what is in a block, what has to be sent again (never sent, dropped, reorganised away), what can't be mined any
   * more because its coin is gone. Repeating it changes nothing. Throws `unreachable` while the node does not have the whole chain.
   */
  settle(): Promise<Settled>
  /** Signs a transaction and makes a note of it; whoever settles next sends it. Throws `refused` where there are no coins. */
  submit(checkpoint: Checkpoint, settled: Settled): Promise<void>
  /** Replaces a transaction that waits for too long, or that pays too little for the node. Throws `refused` where the node takes none. */
  replaceWhereStuck(entry: Pending, settled: Settled): Promise<void>
  /** The newest anchor in a block, and the journal. Sends nothing. Throws as `settle`. */
  newest(): Promise<Pick<Settled, 'pending' | 'newest'>>
  /** The anchor of an entry of the journal, whichever of its attempts was mined. */
  minedOf(entry: Pending): Promise<AnchorReceipt | undefined>
}

/** On networks with steady blocks, a node whose newest is older than this is behind; seconds. */
const MAX_TIP_AGE = 24 * 3600
const LOST = 'a coin of it was spent by another transaction'

export function createSubmitter({
  node,
  chain,
  journal,
  account,
  network,
  origin,
  fees,
  depth,
  now,
  fault,
}: {
  node: BitcoinNode
  chain: AnchorChain
  journal: SubmitJournal
  account: BitcoinAccount
  network: BitcoinNetwork
  origin: string
  fees: FeePolicy
  depth: number
  now: () => number
  fault: ((point: FaultPoint) => void | Promise<void>) | undefined
}): Submitter {
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

  /** Sends the newest attempt that the node takes, unless it has one. Gives what speaks against the newest where it takes none of them. */
  async function relay({ attempts, coins }: Pending): Promise<string | undefined> {
    let first: string | undefined
    for (const { txid, raw } of attempts.toReversed()) {
      if (await node.transaction(txid)) return undefined
      const refusal = await node.send(Buffer.from(raw, 'hex'))
      if (refusal === undefined) {
        await fault?.('after-send')
        // A crash here leaves a transaction that the node has: it is sent again only where it hasn't.
        return undefined
      }
      first ??= refusal
    }
    for (const coin of coins) if (await chain.isSpent(coin)) return LOST
    return first
  }

  async function settle(): Promise<Settled> {
    let pending = await readPending(journal)
    const before = JSON.stringify(pending)
    const { height } = await synchronised(pending)
    let waiting: Pending | undefined
    let refusal: string | undefined
    let final = 0
    const replaced = new Set<string>()
    for (const [at, entry] of pending.entries()) {
      const isOrphan = entry.coins.some(({ txid }) => replaced.has(txid))
      const mined = isOrphan ? undefined : await minedOf(entry)
      if (mined) {
        entry.block = mined.block
        if (height - mined.block >= depth) final = at
        for (const { txid } of entry.attempts) if (txid !== mined.transaction) replaced.add(txid)
        continue
      }
      const answer = isOrphan ? LOST : await relay(entry)
      // Looked at again, since one of the attempts may have been mined meanwhile. What comes after it spends what it would have made.
      if (answer === LOST && !(await minedOf(entry))) {
        pending = pending.slice(0, at)
        break
      }
      if (waiting === undefined) [waiting, refusal] = [entry, answer === LOST ? undefined : answer]
    }
    // What is before a final one can't come back; the newest of the final ones stays, to see how far a node should be.
    pending = pending.slice(final)
    if (JSON.stringify(pending) !== before) await writePending(journal, pending)
    return { pending, waiting, refusal, newest: await chain.newest(attemptsOf(pending)) }
  }

  async function submit(checkpoint: Checkpoint, { pending, newest }: Settled): Promise<void> {
    const rate = await firstRate(node, fees)
    const coins = await choose(newest, used => Math.ceil(rate * anchorSize(used)))
    const fee = Math.ceil(rate * anchorSize(coins.length))
    const attempt = sign(checkpoint, coins, fee)
    await fault?.('before-journal')
    // A crash here leaves no trace.
    const root = Buffer.from(checkpoint.root).toString('hex')
    await writePending(journal, [...pending, { size: checkpoint.size, root, coins, attempts: [attempt] }])
    await fault?.('after-journal')
    // A crash here leaves a transaction that settle sends.
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

  /** BIP 125: the replacement spends the same coin and pays more, so that only one of the two is ever mined. */
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
    await fault?.('before-journal')
    // Those after it spend the change of what is replaced: gone with it.
    await writePending(journal, pending.slice(0, pending.indexOf(entry) + 1))
    await fault?.('after-journal')
  }
  const refused = (transaction: string, reason: string): LedgerError =>
    new LedgerError(
      'refused',
      `the node does not take transaction ${transaction}: ${reason}. It is sent again with each try; raise fee.max if the fee is too low`,
      { transaction },
    )

  return {
    settle,
    submit,
    replaceWhereStuck,
    minedOf,
    async newest() {
      const pending = await readPending(journal)
      await synchronised(pending)
      return { pending, newest: await chain.newest(attemptsOf(pending)) }
    },
  }
}
