import { consistencyProof, parseCheckpoint, parseNote, treeRoot } from '@entente/verify/tlog'
import type { Anchor, AnchorReceipt } from '#ledger/anchor.ts'
import { LedgerError } from '#ledger/error.ts'
import type { AnchorRow } from '#store/store.ts'
import { NotaryError } from './errors.ts'
import type { LedgerState } from './finality.ts'
import type { Notary } from './notary.ts'

export type AnchoringOptions = {
  notary: Notary
  anchors: Anchor[]
  /** Least time between two anchors on a ledger, milliseconds. */
  intervalMs: number
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  /** For tests: called at the crash points of notary/sequence.ts. */
  fault?: (point: 'before-anchor' | 'after-anchor' | 'after-journal') => void
}

/** Brings the newest checkpoint to every ledger, and says how far each has come. */
export type Anchoring = {
  /** Compares the log with every ledger, then begins. A store that is older than a ledger halts the notary. */
  start(): Promise<void>
  states(): LedgerState[]
  close(): Promise<void>
}

/** The longest pause between two tries on a ledger that is away. */
const MAX_BACKOFF_MS = 60_000

type Ledger = {
  anchor: Anchor
  state: LedgerState
  /** Anchored, not yet final. */
  waiting: AnchorReceipt | undefined
  isCompared: boolean
  failures: number
  lastRound: number
  timer: NodeJS.Timeout | undefined
  running: Promise<void> | undefined
}

export function createAnchoring(options: AnchoringOptions): Anchoring {
  const { notary, intervalMs, log, fault } = options
  const ledgers: Ledger[] = options.anchors.map(anchor => ({
    anchor,
    state: { ledger: anchor.ledger, finalSize: 0, error: undefined },
    waiting: undefined,
    isCompared: false,
    failures: 0,
    lastRound: 0,
    timer: undefined,
    running: undefined,
  }))
  let closed = false

  /** What the ledger has must be a prefix of this log; its newest anchor is entered in the journal if an answer was lost. */
  async function compare(l: Ledger): Promise<void> {
    const latest = await l.anchor.latest()
    const time = await l.anchor.time()
    l.isCompared = true
    if (time !== undefined) notary.clockGuard.witness(l.anchor.ledger, time * 1e6)
    // The ledger itself says how far it is; the journal counts only while it can't be asked.
    l.state.finalSize = Math.min(l.state.finalSize, latest?.size ?? 0)
    if (!latest) return
    const { size } = notary.log
    if (latest.size > size) {
      throw new NotaryError(
        'rolled-back',
        `ledger "${l.anchor.ledger}" has this log at size ${latest.size}, the store only at ${size}: the store was put back to an older copy or lost its end. Nothing is written until the newer store is restored`,
      )
    }
    const root = await notary.log.tiles.prove(reader => treeRoot(latest.size, reader))
    if (!Buffer.from(root).equals(latest.root)) {
      const [ours, theirs] = [root, latest.root].map(r => Buffer.from(r).toString('base64'))
      throw new NotaryError(
        'forked',
        `at size ${latest.size} ledger "${l.anchor.ledger}" has the root ${theirs}, this log has ${ours}: the store is not the one that was anchored`,
      )
    }
    const receipt = await l.anchor.find(latest.size)
    if (receipt) await enter(l, receipt)
  }

  async function enter(l: Ledger, receipt: AnchorReceipt): Promise<void> {
    const { final } = await l.anchor.finality(receipt)
    const row: AnchorRow = {
      ledger: l.anchor.ledger,
      size: receipt.size,
      root: receipt.root,
      transaction: receipt.transaction,
      block: receipt.block,
      blockHash: receipt.blockHash,
      final,
      at: notary.clock(),
    }
    await notary.store.putAnchor(row)
    fault?.('after-journal')
    // C5
    l.waiting = final ? undefined : receipt
    if (final && receipt.size > l.state.finalSize) l.state.finalSize = receipt.size
  }

  async function round(l: Ledger): Promise<void> {
    l.lastRound = Date.now()
    if (!l.isCompared) await compare(l)
    if (l.waiting) await enter(l, l.waiting)
    const { head } = notary.log
    if (!head || head.size <= Math.max(l.state.finalSize, l.waiting?.size ?? 0)) return
    const { root } = parseCheckpoint(parseNote(head.note).text)
    fault?.('before-anchor')
    // C3: a crash here anchors nothing; the next round sends the newest checkpoint.
    const receipt = await l.anchor.append({ size: head.size, root, note: head.note }, old =>
      notary.log.tiles.prove(reader => consistencyProof(old, head.size, reader)),
    )
    fault?.('after-anchor')
    // C4: a crash here leaves it on the ledger; the next start finds it there.
    await enter(l, receipt)
  }

  function schedule(l: Ledger): void {
    if (closed || l.running || l.timer || notary.halted) return
    const pause = l.failures === 0 ? intervalMs : Math.min(intervalMs * 2 ** Math.min(l.failures, 16), MAX_BACKOFF_MS)
    const wait = Math.max(0, l.lastRound + pause - Date.now())
    l.timer = setTimeout(() => {
      l.timer = undefined
      l.running = run(l).finally(() => {
        l.running = undefined
        const isBehind = notary.log.size > l.state.finalSize
        if (isBehind || l.waiting || l.failures > 0) schedule(l)
      })
    }, wait)
  }

  async function run(l: Ledger): Promise<void> {
    try {
      await round(l)
      if (l.failures > 0) log('info', 'ledger answers again', { ledger: l.anchor.ledger })
      l.failures = 0
      l.state.error = undefined
    } catch (error) {
      failed(l, error)
    }
  }

  function failed(l: Ledger, error: unknown): void {
    const { message } = error as Error
    l.failures++
    l.state.error = message
    const ledger = l.anchor.ledger
    if (error instanceof NotaryError && (error.code === 'rolled-back' || error.code === 'forked')) notary.halt(error)
    else if (error instanceof LedgerError && error.code === 'stale')
      notary.halt(
        new NotaryError('rolled-back', `ledger "${ledger}" is ahead of the store: ${message}`, { cause: error }),
      )
    else if (error instanceof LedgerError && error.code === 'fork')
      notary.halt(
        new NotaryError('forked', `ledger "${ledger}" refuses this log as a fork: ${message}`, { cause: error }),
      )
    if (notary.halted)
      log('error', 'writing has stopped', { ledger, code: notary.halted.code, error: notary.halted.message })
    else log('warn', 'ledger does not take the checkpoint', { ledger, error: message, tries: l.failures })
  }

  return {
    start: async () => {
      for (const row of await notary.store.anchors()) {
        const l = ledgers.find(x => x.anchor.ledger === row.ledger)
        if (l && row.final && row.size <= notary.log.size) l.state.finalSize = Math.max(l.state.finalSize, row.size)
      }
      for (const l of ledgers) {
        try {
          await compare(l)
        } catch (error) {
          failed(l, error)
        }
      }
      notary.onCheckpoint(() => ledgers.forEach(schedule))
      ledgers.forEach(schedule)
    },
    states: () => ledgers.map(l => ({ ...l.state })),
    close: async () => {
      closed = true
      for (const l of ledgers) {
        clearTimeout(l.timer)
        l.timer = undefined
      }
      await Promise.allSettled(ledgers.flatMap(l => (l.running ? [l.running] : [])))
    },
  }
}
