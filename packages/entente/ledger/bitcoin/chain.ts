import {
  type BitcoinProof,
  type BitcoinTransaction,
  bitcoinMerkleBranch,
  bitcoinMerkleRoot,
  displayHash,
  findBitcoinAnchor,
  verifyBitcoinProof,
} from '@entente/verify/proof'
import { equalHashes } from '@entente/verify/tlog'
import type { AnchorReceipt, Checkpoint } from '../anchor.ts'
import { LedgerError } from '../error.ts'
import { type BitcoinAccount, CHANGE, type Coin } from './account.ts'
import type { BitcoinNode, NodeTransaction } from './node.ts'

/** A transaction in a block of the present chain: header, proof of work and Merkle path are checked, only the height is the node's word. */
interface Mined {
  readonly transaction: BitcoinTransaction
  readonly height: number
  readonly blockHash: string
  readonly index: number
  readonly branch: readonly Uint8Array[]
  readonly coinbase: { readonly txid: string; readonly branch: readonly Uint8Array[] }
  /** The checkpoint of this log that it carries, signed by this account's key. */
  readonly checkpoint: Checkpoint | undefined
}

/** The anchors of one log and the coins of its account, read from the ledger. */
export interface AnchorChain {
  mined(txid: string): Promise<Mined | undefined>
  /** The anchor that a mined transaction made for this log, signed by this account's key. */
  read(txid: string): Promise<AnchorReceipt | undefined>
  /** The newest anchor. `hints`: transactions that may be it, the likeliest first; they only save a search. */
  newest(hints: readonly string[]): Promise<AnchorReceipt | undefined>
  find(size: number, newest: AnchorReceipt | undefined): Promise<AnchorReceipt | undefined>
  /** What the next anchor may spend: the change of `newest` where nobody else has spent it, otherwise (or with `all`) every confirmed coin of the account. */
  coins(newest: AnchorReceipt | undefined, all?: boolean): Promise<Coin[]>
  /** Whether what a coin comes from is in the chain, and somebody has spent it there. */
  isSpent(coin: Coin): Promise<boolean>
  /** How many blocks lie on top of a block, 0 where it is not in the present chain; linked and with proof of work up to `depth`. */
  depth(block: { height: number; blockHash: string }, depth: number): Promise<number>
  prove(receipt: AnchorReceipt, depth: number): Promise<BitcoinProof>
}

/** Most transactions that are remembered as verified. */
const MAX_KNOWN = 64
const COINBASE_MATURITY = 100
/** Steps back along spent coins, where the node has no index of addresses. */
const MAX_STEPS = 100_000

export function createAnchorChain({
  node,
  id,
  origin,
  account,
}: {
  node: BitcoinNode
  id: string
  origin: string
  account: Pick<BitcoinAccount, 'address' | 'script'>
}): AnchorChain {
  const isOurs = (output: { script: Uint8Array } | undefined) =>
    output !== undefined && equalHashes(output.script, account.script)

  /** What was verified stays so; only whether its block is in the present chain is asked each time. */
  const known = new Map<string, Mined>()
  async function mined(txid: string): Promise<Mined | undefined> {
    const before = known.get(txid)
    if (before && (await node.blockHash(before.height)) === before.blockHash) return before
    known.delete(txid)
    const found = await verifyMined(txid)
    if (found) known.set(txid, found)
    for (const oldest of known.keys()) if (known.size > MAX_KNOWN) known.delete(oldest)
    return found
  }

  async function verifyMined(txid: string): Promise<Mined | undefined> {
    const transaction = await node.transaction(txid)
    const blockHash = transaction?.block
    if (transaction === undefined || blockHash === undefined) return undefined
    const height = await node.height(blockHash)
    if ((await node.blockHash(height)) !== blockHash) return undefined // no longer in the chain
    const [{ merkleRoot }, txids] = [await node.header(blockHash), await node.block(blockHash)]
    const [hashes, index] = [txids.map(toBytes), txids.indexOf(txid)]
    const branch = bitcoinMerkleBranch(hashes, Math.max(0, index))
    if (index === -1 || !equalHashes(bitcoinMerkleRoot(toBytes(txid), index, branch), merkleRoot))
      throw new LedgerError(
        'corrupt',
        `the node says that transaction ${txid} is in block ${blockHash}, whose Merkle root says no: use another node`,
        { transaction: txid },
      )
    const anchored = findBitcoinAnchor(transaction, origin)
    const checkpoint = anchored && (await isSigned(transaction)) ? anchored : undefined
    const coinbase = { txid: txids[0] as string, branch: bitcoinMerkleBranch(hashes, 0) }
    return { transaction, height, blockHash, index, branch, coinbase, checkpoint }
  }

  /** Anybody can pay us with an anchor in the same transaction; only we can spend what is ours. */
  async function isSigned({ inputs: [input] }: BitcoinTransaction): Promise<boolean> {
    if (input === undefined) return false
    const spent = await node.transaction(displayHash(input.txid))
    return isOurs(spent?.outputs[input.index])
  }

  async function read(txid: string): Promise<AnchorReceipt | undefined> {
    const { checkpoint, height, blockHash } = (await mined(txid)) ?? {}
    if (checkpoint === undefined || height === undefined || blockHash === undefined) return undefined
    return { ledger: id, ...checkpoint, transaction: txid, block: height, blockHash }
  }

  /** Anchors, mined ones of ours, from the newest back. */
  async function* anchors(): AsyncGenerator<AnchorReceipt> {
    const history = node.history(account.address)
    if (history !== undefined) {
      for await (const transaction of history) {
        if (findBitcoinAnchor(transaction, origin) === undefined) continue
        const receipt = await read(displayHash(transaction.txid))
        if (receipt) yield receipt
      }
      return
    }
    // The coins that are left lead back through the anchors that made them: that of the largest size first.
    const ends: { receipt: AnchorReceipt; rest: AsyncGenerator<AnchorReceipt> }[] = []
    for (const { txid } of await node.scan(account.address)) {
      const rest = backFrom(txid)
      const { value } = await rest.next()
      if (value) ends.push({ receipt: value, rest })
    }
    for (const { receipt, rest } of ends.sort((a, b) => b.receipt.size - a.receipt.size)) {
      yield receipt
      yield* rest
    }
  }

  async function* backFrom(txid: string): AsyncGenerator<AnchorReceipt, undefined> {
    let next: string | undefined = txid
    for (let step = 0; next !== undefined && step < MAX_STEPS; step++) {
      const transaction: NodeTransaction | undefined = await node.transaction(next)
      if (transaction === undefined || !(await isSigned(transaction))) return undefined
      const receipt = findBitcoinAnchor(transaction, origin) && (await read(next))
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
    const older = node.history(account.address) === undefined ? backFrom(latest.transaction) : anchors()
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
    return (await mined(txid)) !== undefined && !(await node.isUnspent(txid, vout))
  }

  /** Headers of the blocks on top of one, at most `depth`, each checked and linked to the one before. */
  async function headersOnTop({ height, blockHash }: { height: number; blockHash: string }, depth: number) {
    const headers: Uint8Array[] = []
    let before = blockHash
    while (headers.length < depth) {
      const hash = await node.blockHash(height + headers.length + 1)
      if (hash === undefined) break
      const header = await node.header(hash)
      if (displayHash(header.previous) !== before)
        throw new LedgerError(
          'corrupt',
          `the node says that block ${hash} follows ${before}; its header names ${displayHash(header.previous)}`,
        )
      headers.push(header.bytes)
      before = hash
    }
    return headers
  }

  return {
    mined,
    read,
    newest,
    find,
    coins,
    isSpent,
    async depth(block, depth) {
      if ((await node.blockHash(block.height)) !== block.blockHash) return 0
      const { length } = await headersOnTop(block, depth)
      return length < depth ? length : Math.max(length, (await node.tip()).height - block.height)
    },
    async prove({ transaction: txid, size, root }, depth) {
      const found = await mined(txid)
      if (found === undefined)
        throw new LedgerError('unreachable', `transaction ${txid} was in a block and is no longer: ask again`, {
          transaction: txid,
        })
      const { transaction, index, branch, blockHash, height } = found
      const coinbase = await node.transaction(found.coinbase.txid)
      if (coinbase === undefined)
        throw new LedgerError('corrupt', `the node has no first transaction of block ${blockHash}`)
      const headers = [(await node.header(blockHash)).bytes, ...(await headersOnTop({ height, blockHash }, depth))]
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

/** A hash as people write it, in the order of the bytes. */
const toBytes = (hash: string): Uint8Array => Uint8Array.from(Buffer.from(hash, 'hex')).reverse()
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
