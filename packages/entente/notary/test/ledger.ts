import type { Anchor, AnchorReceipt } from '#ledger/anchor.ts'
import { LedgerError } from '#ledger/error.ts'

type Block = { hash: string; anchors: AnchorReceipt[] }

/** A ledger in memory whose blocks, outages and reorganisations a test makes. */
export function createTestLedger(ledger: string, { depth = 0, isSlow = false } = {}) {
  const blocks: Block[] = []
  /** Sent, in no block. */
  let sent: { size: number; root: Uint8Array; transaction: string } | undefined
  let count = 0
  const appended: number[] = []
  let away: string | undefined

  const all = () => blocks.flatMap(b => b.anchors)
  const latest = () => all().reduce<AnchorReceipt | undefined>((x, y) => (x && x.size > y.size ? x : y), undefined)
  const block = () => {
    const made: Block = { hash: `block-${++count}`, anchors: [] }
    blocks.push(made)
    if (!sent) return
    const { size, root, transaction } = sent
    made.anchors.push({ ledger, size, root, transaction, block: blocks.length, blockHash: made.hash })
    sent = undefined
  }
  const answer = async <T>(value: () => T): Promise<T> => {
    if (away !== undefined) throw new LedgerError('unreachable', away)
    return value()
  }

  const anchor: Anchor = {
    ledger,
    kind: 'evm',
    describe: async () => ({
      ledger,
      kind: 'evm',
      finality: depth === 0 ? 'instant' : { depth },
      enforces: true,
      chainId: '1',
      genesis: '0x00',
      owner: '0x00',
    }),
    latest: () => answer(latest),
    time: () => answer(() => undefined),
    append: ({ size, root }) =>
      answer(() => {
        const has = all().find(a => a.size === size)
        if (has) return has
        if (sent && sent.size !== size) throw new LedgerError('invalid', `size ${size} while ${sent.size} is under way`)
        if (!sent) {
          appended.push(size)
          sent = { size, root, transaction: `tx-${ledger}-${appended.length}` }
        }
        const { transaction } = sent
        if (isSlow) throw new LedgerError('pending', `${transaction} is in no block`, { transaction })
        block()
        return all().find(a => a.size === size) as AnchorReceipt
      }),
    read: transaction => answer(() => all().find(a => a.transaction === transaction)),
    find: size => answer(() => all().find(a => a.size === size)),
    finality: receipt =>
      answer(() => {
        const at = blocks.findIndex(b => b.hash === receipt.blockHash)
        if (at === -1) return { final: false, confirmations: 0 }
        const confirmations = blocks.length - at
        return { final: confirmations > depth, confirmations }
      }),
    close: async () => undefined,
  }
  return {
    anchor,
    /** Sizes for which a transaction was made. */
    appended,
    block,
    /** The newest blocks go, and with them what they hold. */
    drop: (n: number) => blocks.splice(-n),
    latest: () => latest()?.size,
    goAway: (why: string | undefined) => {
      away = why
    },
  }
}
