import { setTimeout as sleep } from 'node:timers/promises'
import { consistencyProof, parseCheckpoint, parseNote, treeRoot } from '@entente/verify/tlog'
import type { Anchor, AnchorReceipt, Checkpoint } from '#ledger/anchor.ts'
import { LedgerError } from '#ledger/error.ts'
import type { AnchorRow, StoredHead } from '#store/store.ts'
import { backoff } from './backoff.ts'
import { createDemand, type Schedule } from './demand.ts'
import { isContradiction, NotaryError } from './errors.ts'
import type { LedgerState } from './finality.ts'
import type { Notary } from './notary.ts'

export type AnchoringOptions = {
  notary: Notary
  anchors: Anchor[]
  /** How often what is anchored where. */
  schedule: Schedule
  /** Which checkpoints are anchored: by default each of the notary's. */
  source?: CheckpointSource
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  /** For tests: called at the crash points of notary/sequence.ts. */
  fault?: (point: 'before-anchor' | 'after-anchor' | 'after-journal') => void
  /** How long the start waits for ledgers, milliseconds. */
  startMs?: number
  /** How often an idle ledger is asked whether it still has what it had, milliseconds. */
  watchMs?: number
  /** Whether this process is the one that anchors: always by default. Else it only compares, and sees what another one has anchored. */
  leads?: () => boolean
}

/** Where the checkpoints come from that go to the ledgers. */
export type CheckpointSource = {
  /** The newest that may be anchored. */
  head(): StoredHead | undefined
  /** Called when there is a newer one. */
  onHead(listener: () => void): void
}

/** Brings the newest checkpoint to every ledger, and says how far each has come. */
export type Anchoring = {
  /**
   * Compares the log with every ledger that answers in time, then begins. A store that is older than a ledger halts the notary, at the latest when the ledger
   * answers.
   */
  start(): Promise<void>
  /** {@link AnchoringOptions.leads} says something else now: compares anew, and goes on as that says. */
  turn(): void
  /** What another process has anchored: the journal says where, the ledger whether. */
  look(): Promise<void>
  states(): LedgerState[]
  close(): Promise<void>
}

const DEFAULT_WATCH_MS = 60_000
/** How long the start waits for ledgers. */
const DEFAULT_START_MS = 5000
/** Between two looks at what is not final yet: a twentieth of its age, within these. */
const MIN_LOOK_MS = 250
const MAX_LOOK_MS = 30_000

type Ledger = {
  anchor: Anchor
  state: LedgerState
  /** Anchored, not yet final; the oldest first. */
  waiting: { receipt: AnchorReceipt; since: number }[]
  isCompared: boolean
  /** The ledger lost what it had: the newest checkpoint goes there again. */
  isLost: boolean
  failures: number
  lastRound: number
  lastAnchor: number
  lastSeen: number
  /** Size of the checkpoint that was sent last. */
  tried: number
  /** What was sent, and is in no block yet. */
  sending: { head: StoredHead; since: number } | undefined
  timer: NodeJS.Timeout | undefined
  running: Promise<void> | undefined
}

export function createAnchoring(options: AnchoringOptions): Anchoring {
  const { notary, log, fault, schedule: wanted, watchMs = DEFAULT_WATCH_MS, startMs = DEFAULT_START_MS } = options
  const leads = options.leads ?? (() => true)
  const source: CheckpointSource = options.source ?? {
    head: () => notary.log.head,
    onHead: listener => notary.onCheckpoint(listener),
  }
  const ledgers: Ledger[] = options.anchors.map(anchor => ({
    anchor,
    state: { ledger: anchor.ledger, finalSize: 0, anchoredSize: 0, sent: undefined, error: undefined },
    waiting: [],
    isCompared: false,
    isLost: false,
    failures: 0,
    lastRound: 0,
    lastAnchor: 0,
    lastSeen: 0,
    tried: 0,
    sending: undefined,
    timer: undefined,
    running: undefined,
  }))
  const demand = createDemand(notary.log, wanted)
  let closed = false
  let isStarted = false

  const rootAt = (size: number) => notary.log.tiles.prove(reader => treeRoot(size, reader))
  const base64 = (root: Uint8Array) => Buffer.from(root).toString('base64')

  /** What the ledger has must be a prefix of this log; its newest anchor is entered in the journal if an answer was lost. */
  async function compare(l: Ledger): Promise<void> {
    const latest = await l.anchor.latest()
    const time = await l.anchor.time()
    const { ledger } = l.anchor
    if (time !== undefined) notary.clockGuard.witness(ledger, time * 1e6)
    // Anchored by another process since this one last looked: then it is stored.
    if (latest && latest.size > notary.log.size) await notary.advance()
    const { size } = notary.log
    if (latest && latest.size > size) {
      throw new NotaryError(
        'rolled-back',
        `ledger "${ledger}" has this log at size ${latest.size}, the store only at ${size}: the store was put back to an older copy or lost its end. Nothing is written until the newer store is restored`,
      )
    }
    if (latest) await requireOurs(l, latest)
    await readBack(l, latest?.size ?? 0)
    // The ledger itself says how far it is; the journal counts only while it can't be asked.
    l.state.finalSize = Math.min(l.state.finalSize, latest?.size ?? 0)
    l.state.anchoredSize = latest?.size ?? 0
    l.isCompared = true
    l.lastSeen = Date.now()
    const receipt = latest && (await l.anchor.find(latest.size))
    if (receipt) await enter(l, receipt)
  }

  /** @throws NotaryError `forked` where our log has another root at this size */
  async function requireOurs(l: Ledger, { size, root }: Checkpoint): Promise<void> {
    const ours = await rootAt(size)
    if (Buffer.compare(ours, root) !== 0) {
      throw new NotaryError(
        'forked',
        `at size ${size} ledger "${l.anchor.ledger}" has the root ${base64(root)}, this log has ${base64(ours)}: the store is not the one that was anchored`,
      )
    }
  }

  /** The anchor that we entered last is read by its transaction: what the journal says of it must be on the ledger, in full. */
  async function readBack(l: Ledger, latestSize: number): Promise<void> {
    const { ledger } = l.anchor
    const [row] = await notary.store.anchors({ ledger, final: true, limit: 1 })
    if (!row || row.size > notary.log.size) return
    const receipt = await l.anchor.read(row.transaction)
    if (receipt && receipt.size <= latestSize && receipt.size === row.size) return requireOurs(l, receipt)
    const says = receipt ? `says size ${receipt.size}` : 'is not on the ledger'
    log('error', 'a ledger does not have an anchor that was final', {
      ledger,
      size: row.size,
      transaction: row.transaction,
      error: `transaction ${row.transaction}, which anchored size ${row.size}, ${says}, and the ledger is at ${latestSize}: it was reorganised, reset or changed. The newest checkpoint is anchored again`,
    })
    l.isLost = latestSize < row.size
  }

  const enter = async (l: Ledger, receipt: AnchorReceipt): Promise<void> =>
    enterAs(l, receipt, (await l.anchor.finality(receipt)).final)

  async function enterAs(l: Ledger, receipt: AnchorReceipt, final: boolean): Promise<void> {
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
    if (leads()) await notary.store.putAnchor(row)
    fault?.('after-journal')
    // C5
    l.state.anchoredSize = Math.max(l.state.anchoredSize, receipt.size)
    if (final) l.state.finalSize = Math.max(l.state.finalSize, receipt.size)
    else if (!l.waiting.some(w => w.receipt.size === receipt.size)) l.waiting.push({ receipt, since: Date.now() })
  }

  /** Looks at what was not final: it is now, or it still waits, or its block is no longer there. */
  async function follow(l: Ledger): Promise<void> {
    for (let first = l.waiting[0]; first; first = l.waiting[0]) {
      const { receipt } = first
      const { final, confirmations } = await l.anchor.finality(receipt)
      if (final) {
        l.waiting.shift()
        await enterAs(l, receipt, true)
        continue
      }
      if (confirmations > 0) return
      const present = await l.anchor.find(receipt.size)
      if (present?.blockHash === receipt.blockHash) return
      // Reorganised away: it may be in another block now, or nowhere, and what came after it as well.
      log('warn', 'a ledger reorganised an anchor away', {
        ledger: l.anchor.ledger,
        size: receipt.size,
        transaction: receipt.transaction,
      })
      l.waiting = []
      l.state.anchoredSize = Math.max(l.state.finalSize, present?.size ?? 0)
      if (present) await enter(l, present)
      return
    }
  }

  /** A ledger that has less than it had was reorganised deeply, or reset: said aloud, and the newest checkpoint goes there again. */
  async function watch(l: Ledger): Promise<void> {
    if (Date.now() - l.lastSeen < watchMs) return
    const latest = await l.anchor.latest()
    l.lastSeen = Date.now()
    if (latest && latest.size > notary.log.size) return compare(l)
    if (latest) await requireOurs(l, latest)
    if ((latest?.size ?? 0) >= l.state.finalSize) return
    log('error', 'a ledger lost an anchor that was final', {
      ledger: l.anchor.ledger,
      error: `it was final at size ${l.state.finalSize}, now the ledger has ${latest?.size ?? 'nothing of this log'}: the newest checkpoint is anchored again. Ask its operators what happened`,
    })
    l.waiting = []
    l.isLost = true
  }

  async function round(l: Ledger): Promise<void> {
    l.lastRound = Date.now()
    if (!l.isCompared) await compare(l)
    await follow(l)
    await watch(l)
    // What is under way is brought to its end before something newer goes.
    if (!leads()) l.sending = undefined
    const head = l.sending?.head ?? source.head()
    if (!head || anchorAt(l, head) > Date.now()) return
    const { root } = parseCheckpoint(parseNote(head.note).text)
    fault?.('before-anchor')
    l.tried = head.size
    // C3: a crash here anchors nothing; the next round sends the newest checkpoint.
    const receipt = await l.anchor
      .append({ size: head.size, root, note: head.note }, old =>
        notary.log.tiles.prove(reader => consistencyProof(old, head.size, reader)),
      )
      .catch((error: unknown) => {
        if (error instanceof LedgerError && error.code === 'pending') return sent(l, head, error)
        throw error
      })
    if (!receipt) return
    fault?.('after-anchor')
    // C4: a crash here leaves it on the ledger; the next start finds it there.
    l.lastAnchor = l.lastSeen = Date.now()
    l.isLost = false
    l.state.sent = undefined
    l.sending = undefined
    await enter(l, receipt)
  }

  /** When the next anchor on a ledger is due; Infinity while nobody asks for one. */
  function anchorAt(l: Ledger, head: StoredHead | undefined): number {
    if (!head || closed || !leads()) return Infinity
    if (l.isLost || l.sending) return 0
    if (head.size <= l.state.anchoredSize) return Infinity
    const interval = demand.intervalOf(l.anchor.ledger, l.state.anchoredSize)
    return interval === undefined ? Infinity : l.lastAnchor + interval
  }

  /** When a ledger is looked at next. */
  function nextRound(l: Ledger): number {
    const { lastRound, failures } = l
    const least = demand.leastOf(l.anchor.ledger)
    if (failures > 0) return lastRound + backoff(least, failures)
    if (!l.isCompared) return 0
    const since = l.sending?.since ?? l.waiting[0]?.since
    const age = since === undefined ? undefined : Date.now() - since
    const look = age === undefined ? Infinity : lastRound + Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, age / 20))
    const anchor = l.sending === undefined ? anchorAt(l, source.head()) : Infinity
    return Math.min(look, anchor, l.lastSeen + watchMs)
  }

  function schedule(l: Ledger): void {
    if (closed || l.running || notary.halted) return
    clearTimeout(l.timer)
    l.timer = setTimeout(
      () => {
        l.timer = undefined
        l.running = run(l).finally(() => {
          l.running = undefined
          schedule(l)
        })
      },
      Math.max(0, nextRound(l) - Date.now()),
    )
    l.timer.unref()
  }

  async function run(l: Ledger): Promise<void> {
    try {
      await round(l)
      if (l.failures > 0) log('info', 'ledger answers again', { ledger: l.anchor.ledger })
      l.failures = 0
      l.state.error = undefined
    } catch (error) {
      if (error instanceof LedgerError && error.code === 'stale' && (await isBehind(l))) l.isCompared = false
      else failed(l, error)
    }
  }

  /**
   * Whether another process has written, and anchored, since: then this one is late, and nothing is wrong. It may have found that out before the ledger
   * answered, so what counts is how far the store is beyond what was tried.
   */
  async function isBehind({ tried }: Ledger): Promise<boolean> {
    await notary.advance().catch(() => false)
    return notary.log.size > tried
  }

  /** An anchor of the journal that is further than what is known here, if the ledger and the log have it as well. */
  async function seek(l: Ledger, final?: true): Promise<void> {
    const [row] = await notary.store.anchors({ ledger: l.anchor.ledger, limit: 1, ...(final ? { final } : {}) })
    const known = final ? l.state.finalSize : l.state.anchoredSize
    if (!row || row.size <= known || row.size > notary.log.size) return
    const receipt = await l.anchor.read(row.transaction)
    if (receipt?.size !== row.size) return
    await requireOurs(l, receipt)
    l.state.anchoredSize = Math.max(l.state.anchoredSize, receipt.size)
    if (final && (await l.anchor.finality(receipt)).final) l.state.finalSize = Math.max(l.state.finalSize, receipt.size)
    l.lastSeen = Date.now()
  }

  /** On its way: nothing is wrong with a ledger whose blocks take their time. */
  function sent(l: Ledger, head: StoredHead, { transaction }: LedgerError): undefined {
    l.state.sent = transaction === undefined ? undefined : { size: head.size, transaction }
    l.sending ??= { head, since: Date.now() }
  }

  function failed(l: Ledger, error: unknown): void {
    const { message } = error as Error
    l.failures++
    l.state.error = message
    const ledger = l.anchor.ledger
    if (isContradiction(error)) notary.halt(error)
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
    else if (error instanceof LedgerError && (error.code === 'mismatch' || error.code === 'corrupt'))
      // Nodes that disagree, another chain, a proof that fails: nothing that passes by itself.
      log('error', 'a ledger is not what it should be', { ledger, code: error.code, error: message, tries: l.failures })
    else log('warn', 'ledger does not take the checkpoint', { ledger, error: message, tries: l.failures })
  }

  return {
    start: async () => {
      for (const l of ledgers) {
        const [row] = await notary.store.anchors({ ledger: l.anchor.ledger, final: true, limit: 1 })
        if (!row || row.size > notary.log.size) continue
        l.state.finalSize = row.size
        l.lastAnchor = Math.min(Date.now(), row.at / 1000)
      }
      // One that is away, or slow, must not keep the others waiting, nor who wants to write: it is compared as soon as it answers.
      const isOver = sleep(startMs, undefined, { ref: false })
      const compared = ledgers.map(l => {
        l.state.error = 'it has not answered yet'
        l.running = compare(l)
          .then(
            () => {
              l.state.error = undefined
            },
            (error: unknown) => failed(l, error),
          )
          .finally(() => {
            l.running = undefined
            if (isStarted) schedule(l)
          })
        return l.running
      })
      await Promise.race([isOver, Promise.all(compared)])
      isStarted = true
      source.onHead(() => {
        demand.note()
        ledgers.forEach(schedule)
      })
      ledgers.forEach(schedule)
    },
    turn: () => {
      for (const l of ledgers) {
        l.isCompared = false
        l.failures = 0
        l.sending = undefined
        l.state.sent = undefined
        schedule(l)
      }
    },
    look: async () => {
      for (const l of ledgers) {
        if (!l.isCompared || leads()) continue
        try {
          await seek(l)
          await seek(l, true)
        } catch (error) {
          if (isContradiction(error)) failed(l, error)
        }
      }
    },
    states: () => ledgers.map(l => ({ ...l.state })),
    close: async () => {
      closed = true
      for (const l of ledgers) clearTimeout(l.timer)
      await Promise.allSettled(ledgers.flatMap(l => (l.running ? [l.running] : [])))
    },
  }
}
