import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Transaction } from '@scure/btc-signer'
import { displayHash, findBitcoinAnchor, parseBitcoinTransaction } from '@entente/verify/proof'
import { type Btcd, installBtcd, startBtcd } from '../../../../../test/support/btcd.ts'
import { type BitcoinAccount, bitcoinAccount, type Coin } from '../account.ts'
import { BITCOIN_NETWORKS } from '../network.ts'

/** TEST KEYS: SHA-256 of a name. */
export const testKey = (name: string): string => createHash('sha256').update(`entente test key: ${name}`).digest('hex')
export const simnetAccount = (name: string): BitcoinAccount => bitcoinAccount(testKey(name), BITCOIN_NETWORKS.simnet)

/** A private network of one node, whose miner pays others. */
export interface Simnet {
  node: Btcd
  readonly folder: string
  readonly btcd: string
  /** Pays so many satoshis to an account, in a block. */
  fund(account: BitcoinAccount, value?: number): Promise<string>
  /** Mines a block whenever a transaction waits, until the function that it gives is called. */
  mineAlways(): () => Promise<void>
  /** Anchors of a log in blocks and in the mempool, by the node's own index. */
  anchors(account: BitcoinAccount, origin: string): Promise<{ txid: string; size: number; block: string | undefined }[]>
  /** Without what waited: btcd keeps no mempool. */
  restart(): Promise<void>
  /** Starts the node without a block but the first. */
  wipe(): Promise<void>
  /** Every block from the first on, as `submitblock` takes them. */
  blocks(): Promise<string[]>
  stop(): Promise<void>
}

export const MINER = 'bitcoin miner'
/** Segwit is active from block 300 on, a coinbase can be spent after 100 more. Six blocks at once are dated a second ahead. */
const FIRST_BLOCKS = 304

export async function startSimnet(): Promise<Simnet | string> {
  const installed = installBtcd()
  if ('reason' in installed) return installed.reason
  const folder = mkdtempSync(join(tmpdir(), 'entente-btcd-'))
  const miner = simnetAccount(MINER)
  const options = { miningAddress: miner.address }
  const simnet: Simnet = {
    node: await startBtcd(installed.path, join(folder, 'first'), options),
    folder,
    btcd: installed.path,
    async fund(account, value = 1_000_000) {
      const block = (await simnet.node.rpc('getblock', coinbases[next++], 1)) as { tx: string[] }
      const [txid = ''] = block.tx
      const { hex } = (await simnet.node.rpc('getrawtransaction', txid, 1)) as { hex: string }
      const { outputs } = parseBitcoinTransaction(Buffer.from(hex, 'hex'))
      const amount = outputs[0]?.value ?? 0n
      const transaction = new Transaction()
      transaction.addInput({ txid, index: 0, witnessUtxo: { script: miner.script, amount } })
      transaction.addOutput({ script: account.script, amount: BigInt(value) })
      transaction.addOutput({ script: miner.script, amount: amount - BigInt(value) - 1000n })
      transaction.sign(Buffer.from(testKey(MINER), 'hex'))
      transaction.finalize()
      const paid = await simnet.node.rpc('sendrawtransaction', transaction.hex)
      await simnet.node.mine()
      return paid as string
    },
    mineAlways() {
      let isRunning = true
      const mining = (async () => {
        for (; isRunning; await sleep(20)) {
          const waiting = (await simnet.node.rpc('getrawmempool').catch(() => [])) as string[]
          if (waiting.length > 0) await simnet.node.mine().catch(() => undefined)
        }
      })()
      return async () => {
        isRunning = false
        await mining
      }
    },
    async anchors(account, origin) {
      const found = (await simnet.node.rpc('searchrawtransactions', account.address, 1, 0, 1000).catch(() => [])) as {
        hex: string
        blockhash?: string
      }[]
      return found.flatMap(({ hex, blockhash }) => {
        const transaction = parseBitcoinTransaction(Buffer.from(hex, 'hex'))
        const anchor = findBitcoinAnchor(transaction, origin)
        return anchor ? [{ txid: displayHash(transaction.txid), size: anchor.size, block: blockhash || undefined }] : []
      })
    },
    async restart() {
      const port = Number(new URL(simnet.node.url).port)
      await simnet.node.stop()
      simnet.node = await startBtcd(installed.path, join(folder, 'first'), { ...options, port })
    },
    async wipe() {
      const port = Number(new URL(simnet.node.url).port)
      await simnet.node.kill()
      rmSync(join(folder, 'first'), { recursive: true })
      simnet.node = await startBtcd(installed.path, join(folder, 'first'), { ...options, port })
    },
    async blocks() {
      const count = (await simnet.node.rpc('getblockcount')) as number
      const found: string[] = []
      for (let height = 0; height <= count; height++) {
        const hash = await simnet.node.rpc('getblockhash', height)
        found.push((await simnet.node.rpc('getblock', hash, 0)) as string)
      }
      return found
    },
    async stop() {
      await simnet.node.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  const coinbases = await simnet.node.mine(FIRST_BLOCKS)
  let next = 0
  return simnet
}

/** A transaction that another program with the key of an account signs: it takes a coin away. */
export function spend(name: string, account: BitcoinAccount, { txid, vout, value }: Coin, fee: number): string {
  const transaction = new Transaction()
  transaction.addInput({ txid, index: vout, witnessUtxo: { script: account.script, amount: BigInt(value) } })
  transaction.addOutput({ script: simnetAccount(MINER).script, amount: BigInt(value - fee) })
  transaction.sign(Buffer.from(testKey(name), 'hex'))
  transaction.finalize()
  return transaction.hex
}

/** Repeats `look` until it gives something. */
export async function until<T>(look: () => Promise<T | undefined | false>, ms = 10_000): Promise<T> {
  for (const end = Date.now() + ms; ; await sleep(25)) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) throw new Error(`nothing after ${ms} ms: ${look}`)
  }
}
