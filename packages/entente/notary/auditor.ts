import { setTimeout as sleep } from 'node:timers/promises'
import type { RecordRow } from '#store/store.ts'
import type { Damage } from './damage.ts'
import { isSpec } from './derive.ts'
import type { Collection } from './log.ts'
import type { Notary } from './notary.ts'
import type { Invalid, Opened } from './reader.ts'

/**
 * Reads everything again and again while the server runs, a little at a time, so that damage shows before somebody asks for what is
 * damaged. What it finds is alerted and withheld as if a reader had met it (notary/damage.ts), and while anything is missing or
 * invalid "not found" is no longer said of what may be it. `entente audit` checks more, at once, and believes less of this process.
 */
export type Auditor = {
  readonly state: AuditorState
  /** Waits for the piece that is under way. */
  close(): Promise<void>
}

export type AuditorState = {
  /** Rounds over all collections that were completed since the start, and records looked at. */
  rounds: number
  records: number
  /** What was wrong in the last round that was completed. */
  problems: number
  /** When it was completed, microseconds; undefined before the first. */
  completed: number | undefined
}

export type AuditorOptions = {
  notary: Notary
  damage: Damage
  /** Part of a core that it may use, above 0 and at most 1. */
  share: number
  /** From the end of a round to the next, milliseconds; a write to the store that isn't ours ends the pause. */
  pauseMs: number
  alert: (message: string, details: Record<string, unknown>) => void
}

/** Records between two rests: some two milliseconds in which nobody else is heard. */
const PIECE = 64
/** How often it looks in a pause whether others wrote. */
const WATCH_MS = 1000

export function startAuditor({ notary, damage, share, pauseMs, alert }: AuditorOptions): Auditor {
  const { store, log, reader } = notary
  const closing = new AbortController()
  const state: AuditorState = { rounds: 0, records: 0, problems: 0, completed: undefined }
  const isOpen = () => !closing.signal.aborted
  const rest = (ms: number) => sleep(ms, undefined, { signal: closing.signal, ref: false }).catch(() => {})

  /** @returns how many of the rows in this range of `seq` are not as they must be; holes are counted by `damage` */
  async function checkPiece(collection: number, from: number): Promise<number> {
    const range = { from, limit: PIECE }
    const rows = await store.records(collection, { ...range, text: 'all' })
    const misfiled = new Set(await store.misfiled(collection, range))
    const here = rows.filter(row => row.seq < from + PIECE && row.leaf < log.size)
    const opened = await reader.openAll(here)
    let bad = 0
    for (const [i, row] of here.entries()) {
      const reason = await reasonOf(row, opened[i] as Opened | Invalid, misfiled.has(row.seq))
      if (reason === undefined) damage.cleared(row)
      else {
        damage.note(row, reason)
        bad++
      }
    }
    state.records += here.length
    return bad
  }

  /** Why a row is not as it must be. */
  async function reasonOf(row: RecordRow, opened: Opened | Invalid, isMisfiled: boolean): Promise<string | undefined> {
    if (opened.ok) return isMisfiled || !isSpec(row, opened.object) ? 'columns' : undefined
    const isGone = row.text === null && row.id === null && (await reader.isErased(row))
    return isGone ? undefined : opened.reason
  }

  async function check(collection: Collection): Promise<number> {
    let bad = 0
    // What is added meanwhile is for the next round.
    for (let from = 0; from < collection.count && isOpen(); from += PIECE) {
      const started = performance.now()
      try {
        bad += await checkPiece(collection.number, from)
      } catch (error) {
        bad++
        if (isOpen()) alert('the audit could not read a part of the store', { ...where(collection, from), error })
      }
      await rest((performance.now() - started) * (1 / share - 1))
    }
    return bad
  }

  async function run(): Promise<void> {
    while (isOpen()) {
      const writes = await store.foreignWrites()
      let problems = 0
      for (const collection of log.collections.values()) {
        problems += await check(collection)
        if (isOpen()) problems += await damage.missing(collection)
      }
      if (!isOpen()) return
      Object.assign(state, { rounds: state.rounds + 1, problems, completed: notary.clock() })
      const end = performance.now() + pauseMs
      do await rest(Math.min(WATCH_MS, pauseMs))
      while (isOpen() && performance.now() < end && (await store.foreignWrites()) === writes)
    }
  }

  const running = run().catch((error: Error) => {
    if (isOpen()) alert('the audit has ended', { error: error.message })
  })
  return {
    state,
    close: async () => {
      closing.abort()
      await running
    },
  }
}

const where = (collection: Collection, from: number) => ({ collection: collection.id, from_seq: from })
