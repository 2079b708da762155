import {
  type BitcoinProof,
  type BitcoinTransaction,
  displayHash,
  findBitcoinAnchor,
  verifyBitcoinProof,
} from '@entente/verify/proof'
import { equalHashes } from '@entente/verify/tlog'
import type { AnchorReceipt } from '../anchor.ts'
import { LedgerError } from '../error.ts'
import { type BitcoinAccount, CHANGE, type Coin } from './account.ts'
import { type Blocks } from './blocks.ts'
import type { BitcoinNode, NodeTransaction } from './node.ts'

/** The anchors of one log and the coins of its account, read from the ledger. */
export interface AnchorChain {
  /** The anchor that a mined transaction made for this log, signed by this account's key. */
  read(txid: string): Promise<AnchorReceipt | undefined>
  /** The newest anchor. `hints`: transactions that may be it, the likeliest first; they only save a search. */
  newest(hints: readonly string[]): Promise<AnchorReceipt | undefined>
  find(size: number, newest: AnchorReceipt | undefined): Promise<AnchorReceipt | undefined>
  /** What the next anchor may spend: the change of `newest` where nobody else has spent it, otherwise (or with `all`) every confirmed coin of the account. */
  coins(newest: AnchorReceipt | undefined, all?: boolean): Promise<Coin[]>
  /** Whether what a coin comes from is in the chain, and somebody has spent it there. */
  isSpent(coin: Coin): Promise<boolean>
  prove(receipt: AnchorReceipt, depth: number): Promise<BitcoinProof>
}

const COINBASE_MATURITY = 100
/** Steps back along spent coins, where the node has no index of addresses. */
const MAX_STEPS = 100_000

export function createAnchorChain({
  node,
  blocks,
  id,
  origin,
  account,
}: {
  node: BitcoinNode
  blocks: Blocks
  id: string
  origin: string
  account: Pick<BitcoinAccount, 'address' | 'script'>
}): AnchorChain {
  const isOurs = (output: { script: Uint8Array } | undefined) =>
    output !== undefined && equalHashes(output.script, account.script)

  /** Anybody can pay us with an anchor in the same transaction; only we can spend what is ours. */
  async function isSigned({ inputs: [input] }: BitcoinTransaction): Promise<boolean> {
    if (input === undefined) return false
    const spent = await node.transaction(displayHash(input.txid))
    return isOurs(spent?.outputs[input.index])
  }

  async function read(txid: string): Promise<AnchorReceipt | undefined> {
    const mined = await blocks.mined(txid)
    const checkpoint = mined && findBitcoinAnchor(mined.transaction, origin)
    if (mined === undefined || checkpoint === undefined || !(await isSigned(mined.transaction))) return undefined
    return { ledger: id, ...checkpoint, transaction: txid, block: mined.height, blockHash: mined.blockHash }
  }

  const isAnchor = (transaction: BitcoinTransaction, most: number) =>
    (findBitcoinAnchor(transaction, origin)?.size ?? Infinity) <= most

  /** Anchors, mined ones of ours, from the newest back; those of more than `most` are passed over unread. */
  async function* anchors(most = Number.MAX_SAFE_INTEGER): AsyncGenerator<AnchorReceipt> {
    const history = node.history(account.address)
    if (history !== undefined) {
      for await (const transaction of history) {
        if (!isAnchor(transaction, most)) continue
        const receipt = await read(displayHash(transaction.txid))
        if (receipt) yield receipt
      }
      return
    }
    // The coins that are left lead back through the anchors that made them: that of the largest size first.
    const ends: { receipt: AnchorReceipt; rest: AsyncGenerator<AnchorReceipt> }[] = []
    const coins = await node.scan(account.address)
    if (coins.length === 0)
      throw new LedgerError(
        'refused',
        `${account.address} has no coin that leads to an anchor, or could pay for one: pay to that address`,
      )
    for (const { txid } of coins) {
      const rest = backFrom(txid)
      const { value } = await rest.next()
      if (value) ends.push({ receipt: value, rest })
    }
    for (const { receipt, rest } of ends.sort((a, b) => b.receipt.size - a.receipt.size)) {
      yield receipt
      yield* rest
    }
  }

  async function* backFrom(txid: string, most = Number.MAX_SAFE_INTEGER): AsyncGenerator<AnchorReceipt, undefined> {
    let next: string | undefined = txid
    for (let step = 0; next !== undefined && step < MAX_STEPS; step++) {
      const transaction: NodeTransaction | undefined = await node.transaction(next)
      if (transaction === undefined || !(await isSigned(transaction))) return undefined
      const receipt = isAnchor(transaction, most) ? await read(next) : undefined
      if (receipt) yield receipt
      next = transaction.inputs[0] && displayHash(transaction.inputs[0].txid)
    }
    return undefined
  }

  async function newest(hints: readonly string[]): Promise<AnchorReceipt | undefined> {
    let known: AnchorReceipt | undefined
    for (const txid of hints) if ((known = await read(txid)) !== undefined) break
    if (known && (await node.isUnspent(known.transaction, CHANGE))) return known
    const { value: found } = await anchors().next()
    return found !== undefined && found.size > (known?.size ?? 0) ? found : known
  }

  async function find(size: number, latest: AnchorReceipt | undefined): Promise<AnchorReceipt | undefined> {
    if (latest === undefined || size > latest.size) return undefined
    if (size === latest.size) return latest
    const older = node.history(account.address) === undefined ? backFrom(latest.transaction, size) : anchors(size)
    for await (const receipt of older) if (receipt.size <= size) return receipt.size === size ? receipt : undefined
    return undefined
  }

  async function coinOf(txid: string, vout: number): Promise<Coin | undefined> {
    const output = (await node.transaction(txid))?.outputs[vout]
    if (!output || !isOurs(output) || !(await node.isUnspent(txid, vout))) return undefined
    return { txid, vout, value: Number(output.value) }
  }

  async function coins(latest: AnchorReceipt | undefined, all = false): Promise<Coin[]> {
    const change = latest && (await coinOf(latest.transaction, CHANGE))
    if (change && !all) return [change]
    const others = (await confirmedCoins()).filter(({ txid, vout }) => txid !== change?.txid || vout !== change.vout)
    return [...(change ? [change] : []), ...others.sort((a, b) => b.value - a.value)]
  }

  async function confirmedCoins(): Promise<Coin[]> {
    const history = node.history(account.address)
    if (history === undefined) return node.scan(account.address)
    const { height: tip } = await node.tip()
    const [created, spent] = [new Map<string, Coin>(), new Set<string>()]
    for await (const { txid: hash, inputs, outputs, block } of history) {
      for (const { txid, index } of inputs) spent.add(`${displayHash(txid)}:${index}`)
      if (block === undefined) continue
      const isCoinbase = inputs[0]?.index === 0xffffffff
      if (isCoinbase && tip - (await node.height(block)) < COINBASE_MATURITY) continue
      const txid = displayHash(hash)
      for (const [vout, output] of outputs.entries())
        if (isOurs(output)) created.set(`${txid}:${vout}`, { txid, vout, value: Number(output.value) })
    }
    return [...created].flatMap(([place, coin]) => (spent.has(place) ? [] : [coin]))
  }

  async function isSpent({ txid, vout }: Coin): Promise<boolean> {
    return (await blocks.mined(txid)) !== undefined && !(await node.isUnspent(txid, vout))
  }

  return {
    read,
    newest,
    find,
    coins,
    isSpent,
    async prove({ transaction: txid, size, root }, depth) {
      const found = await blocks.mined(txid)
      if (found === undefined)
        throw new LedgerError('unreachable', `transaction ${txid} was in a block and is no longer: ask again`, {
          transaction: txid,
        })
      const { transaction, index, branch, blockHash, height } = found
      const coinbase = await node.transaction(found.coinbase.txid)
      if (coinbase === undefined)
        throw new LedgerError('corrupt', `the node has no first transaction of block ${blockHash}`)
      const headers = [(await blocks.header(blockHash)).bytes, ...(await blocks.onTop({ height, blockHash }, depth))]
      const proof: BitcoinProof = {
        transaction: toHex(transaction.stripped),
        index,
        branch: branch.map(toHex),
        coinbase: { transaction: toHex(coinbase.stripped), branch: found.coinbase.branch.map(toHex) },
        headers: toHex(Buffer.concat(headers)),
      }
      const verified = verifyBitcoinProof(proof, { origin, size, root }, { depth: 0, minWork: 0n })
      if (verified.height !== height)
        throw new LedgerError(
          'corrupt',
          `the node says that block ${blockHash} has height ${height}, its coinbase says ${verified.height}`,
        )
      return proof
    },
  }
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
