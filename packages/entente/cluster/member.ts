import { setTimeout as sleep } from 'node:timers/promises'
import { createAsk } from '#notary/ask.ts'
import { NotaryError } from '#notary/errors.ts'
import { formatGrowth, parseGrowth } from '#notary/growth.ts'
import { OLDER_MS, OLDER_TRIES } from '#notary/log.ts'
import { Moved, type Notary, type Others } from '#notary/notary.ts'
import type { Request } from '#notary/sequence.ts'
import type { LeaseStore } from '#store/lease.ts'
import type { StatusRow } from '#store/store.ts'
import { createGrants, GRANT_MS, HELD_MS } from './grants.ts'
import type { ClusterKeys } from './keys.ts'
import { createLease, type Held, LEASE_MS, RENEW_MS } from './lease.ts'
import {
  type Answer,
  type Link,
  LinkError,
  listen,
  type Listener,
  type News,
  openLink,
  type Peer,
  type Question,
  RemoteError,
} from './link.ts'
import { formatRequest, formatStatus, fromFault, parseRequest, parseStatus, toFault } from './wire.ts'

export type MemberOptions = {
  lease: LeaseStore
  keys: ClusterKeys
  /** Of this run of the server: nobody else's, ever. */
  id: string
  listen: { host: string; port: number }
  /** Where the others reach it. */
  address: string
  /** Of what one server sends another at a time. */
  maxBytes: number
  /** Milliseconds of a clock that never goes back. */
  now: () => number
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  /** How long a request waits for somebody who writes. */
  patienceMs?: number
}

/** What a server does while it is the one that writes, and what it must know of the one that does. */
export type Work = {
  notary: Notary
  /** The configured collections. */
  collections: { apiRoot: string; id: string }[]
  duties: { start(): Promise<void>; stop(): Promise<void> }
  /** Does what is asked of the server that writes, and is no {@link Request}; throws {@link Moved} where that is another by now. */
  perform: (data: Record<string, unknown>) => Promise<Record<string, unknown>>
  /** Whether somebody here waits for what is new. */
  isListening: () => boolean
  /** Objects were erased: copies go. */
  erased: () => void
}

export type MemberState = {
  role: 'sequencer' | 'follower' | 'seeking'
  term: number
  /** Address of the one that writes, as far as it is known. */
  sequencer: string | undefined
  /** Since the start. */
  takeovers: number
  forwarded: number
  /** Questions for what is new, to the one that writes. */
  asked: number
  /** Why what is stored is no continuation of the log that this server knows: it serves nothing until it is, or the server is started again with the right key. */
  refusal: NotaryError | undefined
}

/** A server among several of one log. */
export type Member = Others & {
  /** Begins; resolves once somebody writes, or after a while. */
  start(work: Work): Promise<void>
  state(): MemberState
  /**
   * Resolves once all that any server has acknowledged is in this server's log.
   *
   * @throws NotaryError, StoreError
   */
  fresh(): Promise<void>
  /** Has whoever writes do something; never twice. @throws NotaryError */
  perform(data: Record<string, unknown>): Promise<Record<string, unknown>>
  close(): Promise<void>
}

/** How often the lease is looked at while the one that holds it is connected, and while nobody is. */
const FOLLOW_MS = 500
const SEEK_MS = 50
/** How long another server is asked for its head before the store is. */
const HEAD_MS = 500
/** Others are told of a new head no more often: those where somebody waits for what is new, and those where nobody does. */
const NEWS_MS = 10
const QUIET_NEWS_MS = 100
/** For so long after it said so, somebody waits at another server. */
const LISTENING_MS = 3 * FOLLOW_MS
const DEFAULT_PATIENCE_MS = 10_000
/** How long a start waits for somebody who writes. */
const START_MS = 15_000

/**
 * One of the servers writes: by a lease (cluster/lease.ts) that says who should, and by the store's compare-and-swap, which sees to it that nobody else can.
 * The others pass on what is to be written, and read what is stored up to the head that the one who writes has acknowledged.
 *
 * A takeover: T1 take the lease; T2 settle what another may have on its way to the store; T3 go on to the stored head; T4 wait until the grants of whoever wrote
 * have run out (cluster/grants.ts); T5 write. A crash at any of them is one more takeover.
 */
export async function openMember(options: MemberOptions): Promise<Member> {
  const { keys, id, now, log, patienceMs = DEFAULT_PATIENCE_MS } = options
  const lease = createLease({ store: options.lease, key: keys.lease, id, address: options.address, now })
  let work: Work | undefined
  let held: Held | undefined
  let link: Link | undefined
  /** Whose link that is. */
  let linked: string | undefined
  /** Whether it takes what is to be written, and whether its duties are on. */
  let leads = false
  let writes = false
  let closed = false
  let running: Promise<void> | undefined
  let takeovers = 0
  let forwarded = 0
  let asked = 0
  /** The largest size that whoever wrote has told: it was stored then. */
  let told = 0
  let hasConflict = false
  let refusal: NotaryError | undefined
  let looked = Number.NEGATIVE_INFINITY
  const grants = createGrants(now)
  /** Of who writes, on this link: until when this server has all that anybody was shown, and the number of the last one that was revoked. */
  let grant = noGrant()
  let wantsGrant = false
  /** Whoever writes did not answer when it was asked last. */
  let isSilent = false
  /** Since when nobody writes who could grant anything, while this server is about to. */
  let ungranted: number | undefined
  /** Who waits for something to change. */
  const rouse = new Set<() => void>()
  /** By connection: the size that the server there was told in an answer. */
  const knows = new WeakMap<Peer, number>()
  /** By connection: until when somebody there waits for what is new. */
  const listening = new WeakMap<Peer, number>()
  /** By status id: what another server asked, and is under way. */
  const begun = new Map<string, Promise<StatusRow>>()
  let renewing: NodeJS.Timeout | undefined
  let isRenewing = false

  function changed(): void {
    for (const one of rouse) one()
  }
  const change = (ms: number) =>
    new Promise<void>(resolve => {
      const done = () => {
        clearTimeout(timer)
        rouse.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      rouse.add(done)
    })

  // Questions of others.
  async function answer({ kind, data, body }: Question, peer: Peer): Promise<Answer> {
    const nothing = Buffer.alloc(0)
    if (!work || !leads) throw new Moved()
    if (kind === 'head') {
      if (!lease.isSure()) throw new Moved()
      if (data['listens'] === true) listening.set(peer, now() + LISTENING_MS)
      const { log } = work.notary
      // Read from the store there: a commit of this one whose answer is on its way.
      if (Number(data['size']) > log.size) await work.notary.advance()
      const added = log.head && log.since(Number(data['size']))
      const given = data['grant'] === true ? grants.give(peer) : undefined
      const bytes = log.head && added ? formatGrowth(added, log.head) : nothing
      knows.set(peer, log.size)
      return { data: { size: log.size, grant: given }, body: bytes.length > options.maxBytes ? nothing : bytes }
    }
    if (kind === 'submit') {
      const row = await take(work, parseRequest(body), data['again'] === true)
      knows.set(peer, Math.max(knows.get(peer) ?? 0, row.size))
      return { data: {}, body: requireSendable(formatStatus(row)) }
    }
    if (kind === 'perform') return { data: { given: await work.perform(JSON.parse(body.toString())) }, body: nothing }
    throw new NotaryError('unavailable', `this server does not know what "${kind}" is: it is of another version`)
  }

  /** A request that came before is not done twice: neither while it is under way, nor once it is stored. */
  function take({ notary }: Work, request: Request, isAgain: boolean): Promise<StatusRow> {
    const { statusId } = request
    let one = begun.get(statusId)
    if (!one) {
      const put = async () => (isAgain && (await notary.store.status(statusId))) || notary.submit(request)
      one = put().finally(() => begun.get(statusId) === one && begun.delete(statusId))
      begun.set(statusId, one)
    }
    return one
  }

  // Questions to others.
  async function submit(request: Request, isBegun = false): Promise<StatusRow> {
    const body = { bytes: undefined as Buffer | undefined }
    let isAgain = isBegun
    if (isBegun) begun.delete(request.statusId) // or it would wait for itself
    for (const until = now() + patienceMs; ; ) {
      const to = link
      if (leads && work) {
        try {
          return await take(work, request, isAgain)
        } catch (error) {
          if (!(error instanceof Moved)) throw error
        }
      } else if (to?.isOpen) {
        body.bytes ??= requireSendable(formatRequest(request))
        try {
          const { body: answered } = await to.ask('submit', isAgain ? { again: true } : {}, body.bytes)
          forwarded++
          const row = parseStatus(answered)
          hear({ size: row.size })
          return row
        } catch (error) {
          throwUnlessMoved(error)
          isAgain = true
        }
      }
      await nextTry(until)
    }
  }

  /** A larger one would end the connection, and with it what others wait for. */
  function requireSendable(bytes: Buffer): Buffer {
    if (bytes.length <= options.maxBytes) return bytes
    throw new NotaryError(
      'overloaded',
      `${bytes.length} bytes are more than one server gives another at a time (${options.maxBytes}): send fewer objects`,
    )
  }

  async function perform(data: Record<string, unknown>): Promise<Record<string, unknown>> {
    for (const until = now() + patienceMs; ; ) {
      const to = link
      try {
        if (leads && work) return await work.perform(data)
        if (to?.isOpen) {
          const { data: answered } = await to.ask('perform', {}, Buffer.from(JSON.stringify(data)))
          forwarded++
          return answered['given'] as Record<string, unknown>
        }
      } catch (error) {
        if (error instanceof LinkError && error.code === 'lost')
          throw new NotaryError(
            'unavailable',
            'the server that writes was lost while it was at it: look whether it was done, and ask again if not',
          )
        if (!(error instanceof Moved)) throwUnlessMoved(error)
      }
      await nextTry(until)
    }
  }

  function throwUnlessMoved(error: unknown): void {
    if (error instanceof LinkError) return
    if (!(error instanceof RemoteError)) throw error
    const found = fromFault(error.fault)
    if (!(found instanceof Moved)) throw found
  }

  async function nextTry(until: number): Promise<void> {
    if (closed) throw new Moved()
    const wrong = refusal ?? work?.notary.clockGuard.look()
    if (now() >= until)
      throw new NotaryError(
        'unavailable',
        `no server has written for ${Math.round(patienceMs / 1000)} s${wrong ? `, and this one can't: ${wrong.message}` : ': try again later'}`,
      )
    await change(SEEK_MS)
  }

  /** What was acknowledged is known to who acknowledged it, and to the store. */
  async function askHead(): Promise<void> {
    if (!work) return
    const { notary } = work
    if (leads && lease.isSure()) return
    if (!leads && link?.isOpen) {
      const [own, sent] = [grant, now()]
      const question = {
        size: notary.log.size,
        ...(wantsGrant ? { grant: true } : {}),
        ...(work.isListening() ? { listens: true } : {}),
      }
      wantsGrant = false
      asked++
      const answered = await within(HEAD_MS, link.ask('head', question))
      isSilent = !answered
      if (answered && (await catchUp(notary, Number(answered.data['size']), answered.body))) {
        const number = answered.data['grant']
        if (grant === own && typeof number === 'number' && number > own.revoked) own.until = sent + GRANT_MS
        return
      }
    }
    const least = told // what is told from now on may come after what is read now
    await options.lease.barrier()
    const isMoved = await advance(notary)
    await requireTold(notary, least)
    if (isMoved && leads) conflict()
  }

  /**
   * Goes on to the size that who writes has told: by what it added, where that is what this log lacks and the store has it too, else what is read there might be older.
   *
   * @returns whether this log has that size now
   */
  async function catchUp(notary: Notary, size: number, added: Buffer): Promise<boolean> {
    if (!Number.isSafeInteger(size)) return false
    told = Math.max(told, size)
    if (size > notary.log.size && added.length > 0) {
      const stored = await notary.store.head()
      try {
        const { growth, head } = parseGrowth(added)
        if (stored && (stored.size > size || stored.note === head.note)) notary.extend(growth, head)
      } catch (error) {
        const { message } = error as Error
        log('warn', 'what the server that writes has added does not verify: the store is read', { error: message })
      }
    }
    if (size > notary.log.size) await advance(notary)
    return size <= notary.log.size
  }

  async function advance(notary: Notary): Promise<boolean> {
    try {
      looked = now()
      const isMoved = await notary.advance()
      refusal = undefined
      return isMoved
    } catch (error) {
      if (error instanceof NotaryError) refusal = error
      throw error
    }
  }

  /** @throws NotaryError `rolled-back`, which stops all writing */
  async function requireTold(notary: Notary, least: number): Promise<void> {
    for (let tries = 1; notary.log.size < least && tries < OLDER_TRIES; tries++) {
      await sleep(OLDER_MS)
      await advance(notary)
    }
    if (notary.log.size >= least) return
    const reason = new NotaryError(
      'rolled-back',
      `the store has this log at size ${notary.log.size}, and the server that wrote had stored it at ${least}: it was put back to an older copy or lost its end. Nothing is written until the newer store is restored`,
    )
    notary.halt(reason)
    throw reason
  }
  const ask = createAsk(askHead)

  /**
   * What was read may be a commit whose answer is on its way to who writes: that one shows it first, or what it has granted until now runs out. Others would
   * answer without it after this server did with it.
   */
  async function agree(size: number): Promise<void> {
    if (size <= told) return
    const since = ungranted ?? now()
    if (ungranted === undefined && !isSilent && link?.isOpen) {
      const answered = await within(HEAD_MS, link.ask('head', { size }))
      if (answered && Number(answered.data['size']) >= size) return
    }
    await sleep(Math.max(0, since + HELD_MS - now()))
  }

  function conflict(): void {
    leads = false
    hasConflict = true
    changed()
  }

  // Who writes.
  async function round({ notary }: Work): Promise<void> {
    // Nothing that it wrote would be dated right: nothing is stored then, and others may have clocks that are.
    const wrongClock = notary.clockGuard.look()
    if (writes) {
      if (hasConflict || notary.halted || wrongClock)
        await stepDown(wrongClock?.message ?? 'another server has written')
      return
    }
    held = await lease.look()
    const isGone = await connect()
    if (notary.halted || wrongClock) return
    // Nobody can rely on anything that an empty log has not.
    const isFirst = notary.log.head === undefined && held === undefined
    const mayTake = isFirst || lease.mayTake(isGone)
    if (mayTake) ungranted = now()
    try {
      // Who can't go on from what is stored must not take the lease from those who can.
      if (!link && (mayTake || now() - looked > LEASE_MS)) await advance(notary)
      if (mayTake) await takeOver(isFirst)
    } finally {
      ungranted = undefined
    }
  }

  /** @returns whether the process that holds the lease is gone */
  async function connect(): Promise<boolean> {
    const wanted = held && !held.released && held.holder !== id ? held : undefined
    if (link && (!link.isOpen || linked !== wanted?.holder)) {
      link.close()
      link = undefined
      grant = noGrant()
      isSilent = false
    }
    if (!wanted || link) return false
    try {
      const opened: Link = await openLink({
        address: wanted.address,
        psk: keys.psk,
        wanted: wanted.holder,
        maxBytes: options.maxBytes,
        news: news => hear(news),
        closed: changed,
      })
      link = opened
      linked = wanted.holder
      // What it may have told before is not known here.
      work?.erased()
      log('info', 'requests that write go to the server that does', { sequencer: wanted.address, term: wanted.term })
      changed()
      return false
    } catch (error) {
      return error instanceof LinkError && error.code === 'refused'
    }
  }

  function hear(news: News): void {
    if (!work) return
    if (typeof news['revoke'] === 'number') {
      grant.revoked = news['revoke']
      grant.until = Number.NEGATIVE_INFINITY
      return link?.say('revoked', { number: news['revoke'] })
    }
    if (news['erased'] === true) work.erased()
    if (typeof news['size'] === 'number') told = Math.max(told, news['size'])
    if (news['released'] === true) changed()
    if (work.isListening()) void ask().catch(() => {})
  }

  async function takeOver(isFirst: boolean): Promise<void> {
    const { notary, collections, duties } = work as Work
    const started = now()
    if (!(await lease.take())) return
    const from = held?.address
    hasConflict = false
    writes = true
    renewing = setInterval(() => void renew(), RENEW_MS)
    try {
      // T1
      const least = told
      await options.lease.settle()
      // T2
      await advance(notary)
      await requireTold(notary, least)
      // T3: whoever wrote grants nothing since, and who was granted something may still answer with what was.
      const since = ungranted ?? started
      if (!isFirst && held?.released !== true) await sleep(Math.max(0, since + HELD_MS - now()))
      // T4
      await notary.lead(collections)
      leads = !hasConflict
      work?.erased() // whoever wrote may have erased something and been gone before it said so
      await duties.start()
      // T5
      takeovers++
      link?.close()
      link = undefined
      grant = noGrant()
      const ms = Math.round(now() - started)
      log('info', 'this server writes now', { term: lease.term, ms, log_size: notary.log.size, from })
      changed()
    } catch (error) {
      log('error', 'this server could not take over', { term: lease.term, error: (error as Error).message })
      await stepDown('it could not take over')
    }
  }

  async function renew(): Promise<void> {
    if (isRenewing) return
    isRenewing = true
    try {
      if (!(await lease.renew())) conflict()
    } catch (error) {
      log('warn', 'the lease could not be renewed; it is tried again', { error: (error as Error).message })
    } finally {
      isRenewing = false
    }
  }

  async function stepDown(reason: string): Promise<void> {
    const { notary, duties } = work as Work
    leads = false
    clearInterval(renewing)
    log('info', 'this server stops writing', { term: lease.term, reason })
    await notary.follow()
    await duties.stop()
    await grants.show(() => {}) // or the next one would have to wait for it
    await lease.release().catch(() => {})
    tellAll({ size: notary.log.size, released: true })
    writes = false
    changed()
  }

  async function run(of: Work): Promise<void> {
    let failed = ''
    while (!closed) {
      const isLinked = link?.isOpen === true
      const waited = change(writes || isLinked ? FOLLOW_MS : SEEK_MS)
      try {
        await round(of)
        if (failed !== '') log('info', 'the database answers again', {})
        failed = ''
        if (!leads && of.isListening()) await ask()
      } catch (error) {
        const { message } = error as Error
        if (failed !== message)
          log('warn', 'it is not known which server writes; it is asked again', { error: message })
        failed = message
      }
      await waited
    }
  }

  const heard = ({ kind, data }: Omit<Question, 'body'>, peer: Peer) => {
    if (kind === 'revoked') grants.takeBack(peer, Number(data['number']))
  }
  const listener: Listener = await listen({ ...options.listen, ...options, psk: keys.psk, answer, heard, toFault })
  const tellAll = (news: News) => listener.peers().forEach(peer => peer.tell(news))
  const listens = (peer: Peer) => (listening.get(peer) ?? 0) > now()
  const telling = new Map<number, NodeJS.Timeout>()
  /** Within this time the size, to those who were told no such size in an answer. */
  function tellSize({ notary }: Work, ms: number, to: (peer: Peer) => boolean): void {
    if (telling.has(ms)) return
    const tell = () => {
      telling.delete(ms)
      const { size } = notary.log
      for (const peer of listener.peers().filter(to)) {
        if ((knows.get(peer) ?? 0) >= size) continue
        knows.set(peer, size)
        peer.tell({ size })
      }
    }
    telling.set(ms, setTimeout(tell, ms))
  }

  return {
    start: async of => {
      work = of
      of.notary.onErased(() => leads && tellAll({ erased: true }))
      of.notary.onCheckpoint(() => {
        if (!leads) return
        if (listener.peers().some(listens)) tellSize(of, NEWS_MS, listens)
        tellSize(of, QUIET_NEWS_MS, () => true)
      })
      running = run(of)
      for (const until = now() + START_MS; now() < until && !closed && !of.notary.halted; await change(SEEK_MS)) {
        if (leads) return
        if (!link?.isOpen) continue
        await ask()
        // Who writes may only just begin: without its first checkpoint there are no collections.
        if (of.notary.log.head) return
      }
    },
    state: () => ({
      role: leads ? 'sequencer' : link?.isOpen ? 'follower' : 'seeking',
      term: lease.term,
      sequencer: leads ? options.address : held?.address,
      takeovers,
      forwarded,
      asked,
      refusal,
    }),
    submit,
    perform,
    conflict,
    show: grants.show,
    agree,
    fresh: async () => {
      if (leads ? lease.isSure() : now() < grant.until) return
      wantsGrant = true
      await ask()
    },
    close: async () => {
      if (closed) return
      closed = true
      changed()
      await running
      for (const timer of telling.values()) clearTimeout(timer)
      if (writes) await stepDown('it was asked to end')
      link?.close()
      await listener.close()
      await options.lease.close()
    },
  }
}

const noGrant = () => ({ until: Number.NEGATIVE_INFINITY, revoked: 0 })

/** What a promise comes to, if it does in this time. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([promise.catch(() => undefined), over])
  } finally {
    clearTimeout(timer)
  }
}
