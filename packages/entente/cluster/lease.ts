import { createHmac, timingSafeEqual } from 'node:crypto'
import type { LeaseStore } from '#store/lease.ts'

/** Who writes, as it stands in the store. */
export type Held = {
  /** One run of a server. */
  holder: string
  /** Where the other servers reach it. */
  address: string
  /** Counts up with every holder. */
  term: number
  /** Counts up with every renewal. */
  beat: number
  /** The holder has stopped writing, and reads nothing from its memory any more without asking. */
  released: boolean
}

export type LeaseOptions = {
  store: LeaseStore
  /** {@link ClusterKeys.lease} */
  key: Uint8Array
  id: string
  address: string
  /** Milliseconds of a clock that never goes back. */
  now: () => number
}

/** For so long a lease must stand unchanged before another server takes it. */
export const LEASE_MS = 3000
/** How often its holder renews it. */
export const RENEW_MS = 1000
/** For so long its holder relies on it, counted from before a renewal was sent: less than others wait, for clocks that don't run alike. */
export const SURE_MS = 2400
/** For so long a server has watched before it takes what looks free at once: a holder has renewed meanwhile, whatever somebody wrote over it. */
export const WATCH_MS = 1500

/**
 * The lease by which one of several servers writes. No time of any other machine counts: who wants it has itself seen it stand unchanged for long enough, and
 * who has it counts from before it asked. Every text carries a MAC under a key of the servers, so that what others write into the store is no
 * lease: it is waited out, and written over.
 */
export type Lease = {
  /** Reads the store. @returns who holds it, where a server of this log has written that */
  look(): Promise<Held | undefined>
  /**
   * Whether it may be taken, by what was seen last.
   *
   * @param isGone the process that holds it is known to be gone
   */
  mayTake(isGone: boolean): boolean
  /** @returns whether this server has it now */
  take(): Promise<boolean>
  /** @returns false where another server has it */
  renew(): Promise<boolean>
  /** Gives it back, where it is this server's. */
  release(): Promise<void>
  /** Whether nobody else can have it. */
  isSure(): boolean
  /** The largest that was seen; 0 before any. */
  readonly term: number
}

export function createLease({ store, key, id, address, now }: LeaseOptions): Lease {
  let since = now()
  let started: number | undefined
  let text: string | undefined
  let held: Held | undefined
  let term = 0
  let mine: { text: string; held: Held } | undefined
  let sureUntil = Number.NEGATIVE_INFINITY

  async function look(): Promise<Held | undefined> {
    const found = await store.read()
    if (started === undefined || found !== text) {
      since = now()
      started ??= since
      text = found
      const parsed = found === undefined ? undefined : parseLease(found, key)
      // Of an earlier term: somebody has put it back.
      held = parsed && parsed.term >= term ? parsed : undefined
      term = held?.term ?? term
    }
    return held
  }

  async function swap(expected: string | undefined, next: Held): Promise<boolean> {
    const sent = now()
    const formatted = formatLease(next, key)
    if (!(await store.swap(expected, formatted))) return false
    mine = { text: formatted, held: next }
    sureUntil = sent + SURE_MS
    term = next.term
    return true
  }

  return {
    look,
    mayTake: isGone => {
      if (started === undefined) return false
      const isFree = held !== undefined && (held.released || held.holder === id || isGone)
      return now() - since >= LEASE_MS || (isFree && now() - started >= WATCH_MS)
    },
    take: () => swap(text, { holder: id, address, term: term + 1, beat: 0, released: false }),
    renew: async () => {
      if (!mine) return false
      const next = { ...mine.held, beat: mine.held.beat + 1 }
      if (await swap(mine.text, next)) return true
      const found = await look()
      const isLost = found && (found.term > next.term || (found.term === next.term && found.holder !== id))
      if (isLost) {
        mine = undefined
        sureUntil = Number.NEGATIVE_INFINITY
        return false
      }
      // What no server wrote, or an answer that was lost.
      await swap(text, next)
      return true
    },
    release: async () => {
      sureUntil = Number.NEGATIVE_INFINITY
      if (!mine) return
      const { text: expected, held: last } = mine
      mine = undefined
      await store.swap(expected, formatLease({ ...last, released: true }, key))
    },
    isSure: () => mine !== undefined && now() < sureUntil,
    get term() {
      return term
    },
  }
}

const MOST_CHARACTERS = 1000
const mac = (json: string, key: Uint8Array): Buffer => createHmac('sha256', key).update(`lease\n${json}`).digest()

export function formatLease({ holder, address, term, beat, released }: Held, key: Uint8Array): string {
  const json = JSON.stringify({ holder, address, term, beat, released })
  return `${json}\n${mac(json, key).toString('base64')}`
}

/** @returns undefined for what no server with this key has written */
export function parseLease(text: string, key: Uint8Array): Held | undefined {
  if (text.length > MOST_CHARACTERS) return undefined
  const [json = '', given = ''] = text.split('\n')
  const bytes = Buffer.from(given, 'base64')
  return bytes.length === 32 && timingSafeEqual(bytes, mac(json, key)) ? (JSON.parse(json) as Held) : undefined
}
