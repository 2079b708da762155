import { readLogKeys } from '@entente/verify/proof'
import {
  consistencyProof,
  formatAddCheckpoint,
  parseVkey,
  readCosignature,
  treeRoot,
  type VerifierKey,
  verifyCheckpoint,
} from '@entente/verify/tlog'
import type { StoredHead } from '#store/store.ts'
import { createCosigned } from './cosigned.ts'
import { backoff } from './backoff.ts'
import { isContradiction, NotaryError } from './errors.ts'
import type { Notary } from './notary.ts'

/** A witness as one speaks to it (C2SP tlog-witness). Both reject where it can't be reached; what it answers is not believed. */
export type WitnessLink = {
  vkey: string
  /** POST add-checkpoint. */
  add(body: string): Promise<{ status: number; body: string }>
  /** The newest checkpoint of a log that it shows to monitors, or undefined where it shows none. */
  latest(origin: string): Promise<string | undefined>
}

export type WitnessingOptions = {
  notary: Notary
  /** The log's own key. */
  vkey: string
  /** Statements by which it followed others. */
  successions?: readonly string[]
  witnesses: WitnessLink[]
  /** How many must have cosigned one checkpoint before it goes on to the ledgers. */
  quorum: number
  /** Least time between two checkpoints that are shown to the witnesses, milliseconds. */
  intervalMs: number
  /** Whether this process is the one that shows them: always by default. Else it reads what another one has got. */
  leads?: () => boolean
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
}

/** How far a witness has come with this log. */
export type WitnessState = {
  /** Name of its key. */
  witness: string
  vkey: string
  /** Size of the largest checkpoint of which we have its cosignature; 0 before the first. */
  cosignedSize: number
  /** Since the start. */
  failures: number
  /** Its last answer, while it is away or refuses. */
  error: string | undefined
}

/** Shows checkpoints to witnesses, and says which a quorum of them has cosigned: those are what is anchored. */
export type Witnessing = {
  readonly quorum: number
  /** Compares the log with what each witness has of it, then begins. A store that is older than that halts the notary. */
  start(): Promise<void>
  /** The newest checkpoint that a quorum has cosigned, with the cosignatures. */
  head(): StoredHead | undefined
  onHead(listener: () => void): void
  /** Reads what another process has got of the witnesses. */
  look(): Promise<void>
  /** {@link WitnessingOptions.leads} says yes now: goes on where the other process was. */
  turn(): Promise<void>
  states(): WitnessState[]
  close(): Promise<void>
}

/** A checkpoint that all witnesses are shown: they can only agree on one if they don't each get another. */
type Target = StoredHead & { lines: Map<VerifierKey, string> }
type Party = {
  link: WitnessLink
  key: VerifierKey
  state: WitnessState
  /** Size of the checkpoint that the witness has, as far as we know. */
  at: number
  tries: number
  asked: Target | undefined
  running: Promise<void> | undefined
  timer: NodeJS.Timeout | undefined
}

export function createWitnessing(options: WitnessingOptions): Witnessing {
  const { notary, quorum, intervalMs, log, leads = () => true } = options
  const { store } = notary
  const own = readLogKeys(options.vkey, options.successions)
  // Which of them signed last doesn't matter here: all are ours.
  const logs = own.vkeys.map(parseVkey)
  const parties: Party[] = options.witnesses.map(link => {
    const key = parseVkey(link.vkey)
    const state = { witness: key.name, vkey: link.vkey, cosignedSize: 0, failures: 0, error: undefined }
    return { link, key, state, at: 0, tries: 0, asked: undefined, running: undefined, timer: undefined }
  })
  const listeners: (() => void)[] = []
  let target: Target | undefined
  let aimedAt = 0
  let timer: NodeJS.Timeout | undefined
  let witnessed: StoredHead | undefined
  let closed = false

  function proceed(): void {
    if (closed || notary.halted || !leads()) return
    aim()
    for (const p of parties) if (target && isDue(p, target)) ask(p, target)
  }

  const isDue = (p: Party, t: Target): boolean => !p.running && !p.timer && p.at <= t.size && !t.lines.has(p.key)

  /** The next checkpoint is shown once the one before has its quorum, or nobody is at it any more; a witness that is away holds up nobody. */
  function aim(): void {
    const { head } = notary.log
    if (!head || head.size === target?.size || timer) return
    const isUnderWay = target && target.lines.size < quorum && parties.some(p => p.running && p.asked === target)
    if (isUnderWay) return
    const wait = target ? aimedAt + intervalMs - performance.now() : 0
    if (wait > 0) {
      timer = setTimeout(() => {
        timer = undefined
        proceed()
      }, wait)
      return
    }
    aimedAt = performance.now()
    target = { ...head, lines: new Map() }
  }

  function ask(p: Party, t: Target): void {
    p.asked = t
    p.running = cosign(p, t)
      .then(
        line => (line === undefined ? undefined : enter(p, t, line)),
        error => refused(p, error),
      )
      .then(
        () => answered(p),
        error => failed(p, error as Error),
      )
      .finally(() => {
        p.running = undefined
        proceed()
      })
  }

  /** @returns undefined where the witness has a later checkpoint of ours than this one: a crash lost its answer */
  async function cosign(p: Party, t: Target): Promise<string | undefined> {
    for (let isAgain = false; ; isAgain = true) {
      const old = p.at
      const proof = await notary.log.tiles.prove(reader => consistencyProof(old, t.size, reader))
      const answer = await p.link.add(formatAddCheckpoint({ oldSize: old, proof, checkpoint: t.note }))
      if (answer.status === 200) return asRefusal(p, () => readCosignature(t.note, answer.body, p.key).line)
      if (answer.status !== 409 || isAgain) throw new Refusal(answer)
      // "The response body MUST consist of the tree size of the latest cosigned checkpoint in decimal"
      const latest = /^(0|[1-9][0-9]{0,15})\n$/.test(answer.body) ? Number(answer.body) : Number.NaN
      if (latest > notary.log.size) await notary.advance()
      if (!(latest <= notary.log.size)) throw new Refusal(answer)
      p.at = latest
      if (latest > t.size) return undefined
    }
  }

  async function enter(p: Party, t: Target, line: string): Promise<void> {
    await store.putCosignature({ size: t.size, witness: p.link.vkey, line })
    // A crash before this has lost a cosignature: the witness says where it is, and cosigns the next checkpoint.
    p.at = t.size
    p.state.cosignedSize = t.size
    t.lines.set(p.key, line)
    const before = witnessed?.size ?? 0
    if (t.lines.size < quorum || t.size < before) return
    witnessed = { size: t.size, note: t.note + [...t.lines.values()].join('') }
    if (t.size > before) for (const listener of listeners) listener()
  }

  function answered(p: Party): void {
    if (p.tries > 0) log('info', 'a witness cosigns again', { witness: p.key.name })
    p.tries = 0
    p.state.error = undefined
  }

  /** Before a refusal is told, the witness is asked for its grounds: what our own key signed is proof against this store. */
  async function refused(p: Party, error: Error): Promise<never> {
    if (!(error instanceof Refusal)) throw error
    if (error.status === 409 || error.status === 422) {
      await compare(p).catch(grounds => {
        if (isContradiction(grounds)) throw grounds
      })
    }
    throw explain(error, p, options.vkey)
  }

  /**
   * What a witness has of this log must be a beginning of it, if this log's key signed it. The word of the witness alone stops nothing.
   *
   * @throws NotaryError `rolled-back`, `forked`
   */
  async function compare(p: Party): Promise<void> {
    const note = await p.link.latest(own.origin)
    if (note === undefined) return
    const { size, root } = asRefusal(p, () => verifyCheckpoint(note, { logs }))
    // Shown by another process since this one last looked: then it is stored.
    if (size > notary.log.size) await notary.advance()
    if (size > notary.log.size)
      throw new NotaryError(
        'rolled-back',
        `witness ${p.key.name} has this log at size ${size}, signed by its own key, the store only at ${notary.log.size}: the store was put back to an older copy or lost its end. Nothing is written until the newer store is restored`,
      )
    const ours = await notary.log.tiles.prove(reader => treeRoot(size, reader))
    if (Buffer.compare(ours, root) !== 0)
      throw new NotaryError(
        'forked',
        `at size ${size} witness ${p.key.name} has a checkpoint that this log's own key signed with another root: the store is not the one that was witnessed. Treat it as an attack until you know better`,
      )
  }

  function failed(p: Party, error: Error): void {
    const witness = p.key.name
    p.tries++
    p.state.failures++
    p.state.error = error.message
    if (isContradiction(error)) {
      notary.halt(error)
      log('error', 'writing has stopped', { witness, code: error.code, error: error.message })
      return
    }
    const details = { witness, error: error.message, tries: p.tries }
    if (error instanceof NotaryError) log('error', 'a witness does not cosign this log', details)
    else log('warn', 'a witness is away', details)
    if (closed) return
    p.timer = setTimeout(
      () => {
        p.timer = undefined
        proceed()
      },
      backoff(intervalMs, p.tries),
    )
  }

  /** What the store has of earlier runs, as far as it verifies. */
  async function recall(): Promise<void> {
    const read = createCosigned(store)
    for (const p of parties) {
      const size = await store.cosignedSize([p.link.vkey], 1)
      if (size <= notary.log.size) p.at = p.state.cosignedSize = size
    }
    const vkeys = parties.map(p => p.link.vkey)
    const size = await store.cosignedSize(vkeys, quorum)
    const note = size > 0 && size <= notary.log.size ? await store.checkpoint(size) : undefined
    const last = note === undefined ? undefined : await read({ size, note })
    if (last && last.by.filter(vkey => vkeys.includes(vkey)).length >= quorum) witnessed = last
    const { head } = notary.log
    if (!head) return
    const { by } = await read(head)
    const rows = await store.cosignatures(head.size)
    const lines = new Map<VerifierKey, string>()
    for (const { link, key } of parties) {
      const row = rows.find(r => r.witness === link.vkey)
      if (row && by.includes(link.vkey)) lines.set(key, row.line)
    }
    target = { ...head, lines }
  }

  return {
    quorum,
    start: async () => {
      await recall()
      if (witnessed) for (const listener of listeners) listener()
      await Promise.all(parties.map(p => compare(p).catch(error => failed(p, error as Error))))
      notary.onCheckpoint(proceed)
      proceed()
    },
    look: async () => {
      const before = witnessed?.size ?? 0
      await recall()
      if (witnessed && witnessed.size > before) for (const listener of listeners) listener()
    },
    turn: async () => {
      await recall()
      proceed()
    },
    head: () => witnessed,
    onHead: listener => void listeners.push(listener),
    states: () => parties.map(p => ({ ...p.state })),
    close: async () => {
      closed = true
      clearTimeout(timer)
      for (const p of parties) clearTimeout(p.timer)
      await Promise.allSettled(parties.flatMap(p => p.running ?? []))
    },
  }
}

/** @throws NotaryError `witness` where what it answered is not what its key, or ours, has signed */
function asRefusal<T>({ key }: Party, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new NotaryError('witness', `what witness ${key.name} shows does not verify: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** An answer other than a cosignature. */
class Refusal extends Error {
  readonly status: number
  constructor({ status, body }: { status: number; body: string }) {
    super(`${status} ${JSON.stringify(body.slice(0, 200))}`)
    this.status = status
  }
}

/** What to do about it. */
function explain({ status, message }: Refusal, { key, at }: Party, vkey: string): NotaryError {
  const wayOut: Record<number, string> = {
    403: `it has another key for this log: tell its operator that the key is ${vkey}`,
    404: `it does not know this log: give its operator the key ${vkey} ("entente witness add-log" there)`,
    409: 'it has another size of this log than it said before, or than this log ever had: ask its operator what it shows',
    422: `it says that this log does not continue the one that it saw at size ${at}: ask its operator for that checkpoint, and compare`,
  }
  return new NotaryError(
    'witness',
    `witness ${key.name} answers ${message}: ${wayOut[status] ?? 'that is no answer of a witness; is its URL right?'}`,
  )
}
