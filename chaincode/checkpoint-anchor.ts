import { createHash } from 'node:crypto'
import { EMPTY_ROOT, equalHashes, rootFromInclusion, rootsFromConsistency, TlogError } from '@entente/verify/tlog'
import { Refusal } from './refusal.ts'
import type { Call, State } from './state.ts'

/**
 * The rules of `contracts/src/log/CheckpointAnchor.sol`, one function each; what they mean is said in `ICheckpointAnchor.sol`. They
 * differ where Fabric does: an owner is an identity that an MSP vouches for, a log id is a SHA-256, and sizes end at 2^53 - 1.
 *
 * Three keys a log, so that transactions of different logs never conflict and records do not conflict with anchors:
 * `log/<id>` who owns it, `latest/<id>`, and `root/<id>/<size>` for every checkpoint that was anchored.
 */
interface Log {
  readonly owner: string
  readonly originHash: string
  readonly offeredTo?: string
  readonly successor?: string
  readonly finalSize?: number
}

/** A checkpoint in the state. `root`: lower-case hex. `time`: seconds since 1970, of the transaction. */
export interface Anchored {
  readonly root: string
  readonly size: number
  readonly time: number
  readonly transaction: string
}

/** Binds the first owner, so nobody can take another's origin. */
export const logIdOf = (owner: string, originHash: string): string =>
  createHash('sha256').update(`entente/fabric-log/v1\n${owner}\n${originHash}\n`).digest('hex')

/** Creates a log owned by the caller; again by the same caller it changes nothing. @returns its id */
export async function register({ state, caller }: Call, originHash: string): Promise<string> {
  const logId = logIdOf(caller, originHash)
  if ((await readLog(state, logId)) === undefined) await writeLog(state, logId, { owner: caller, originHash })
  return logId
}

/**
 * Anchors a checkpoint, if the proof leads to it from the latest one.
 *
 * @returns whether it was not the latest already
 * @throws Refusal `UnknownLog`, `NotOwner`, `Closed`, `Stale`, `Fork`, `BadProof`, `ZeroRoot`. `latestSize` in the details is what this
 * endorser has: one that lags behind refuses what another takes
 */
export async function anchor(
  call: Call,
  logId: string,
  size: number,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): Promise<boolean> {
  await ownLog(call, logId)
  const before = await latest(call.state, logId)
  const latestSize = before.size
  const latestRoot = fromHex(before.root)
  if (size < latestSize) throw new Refusal('Stale', { logId, latestSize, size })
  const fork = (at: number, expected: Uint8Array, actual: Uint8Array) =>
    new Refusal('Fork', { logId, latestSize, size: at, expected: toHex(expected), actual: toHex(actual) })
  if (size === latestSize) {
    if (!equalHashes(root, latestRoot)) throw fork(size, latestRoot, root)
    return false
  }
  if (root.every(byte => byte === 0)) throw new Refusal('ZeroRoot', { logId, size })
  if (latestSize === 0) {
    if (proof.length > 0) throw new Refusal('BadProof', { logId, latestSize, size, actualLength: proof.length })
  } else {
    const found = wellFormed(() => rootsFromConsistency(latestSize, latestRoot, size, proof))
    if (found === undefined) throw new Refusal('BadProof', { logId, latestSize, size, actualLength: proof.length })
    if (!equalHashes(found.oldRoot, latestRoot)) throw fork(latestSize, latestRoot, found.oldRoot)
    if (!equalHashes(found.root, root)) throw fork(size, root, found.root)
  }
  await store(call, logId, size, toHex(root))
  return true
}

/** Closes a log at a size that was anchored (0: at nothing), and names the one that goes on. */
export async function succeed(call: Call, logId: string, finalSize: number, newLogId: string): Promise<void> {
  const { state } = call
  const log = await ownLog(call, logId)
  if (newLogId === logId) throw new Refusal('OwnSuccessor', { logId })
  await ownLog(call, newLogId)
  if (finalSize !== 0) {
    const last = await rootOf(state, logId, finalSize)
    if (last === undefined) throw new Refusal('UnknownSize', { logId, size: finalSize })
    const { size: latestSize } = await latest(state, newLogId)
    const taken = (await rootOf(state, newLogId, finalSize))?.root ?? ''
    if (latestSize === 0) await store(call, newLogId, finalSize, last.root)
    else if (taken !== last.root) {
      const details = { logId: newLogId, latestSize, size: finalSize, expected: last.root, actual: taken }
      throw new Refusal('Fork', details)
    }
  }
  await writeLog(state, logId, { ...log, finalSize, successor: newLogId })
}

/** Names a new owner, who becomes it by accepting; an empty text takes an earlier offer back. */
export async function offerOwnership(call: Call, logId: string, newOwner: string): Promise<void> {
  await writeLog(call.state, logId, { ...(await ownLog(call, logId)), offeredTo: newOwner })
}

/** Accepts a log that was offered to the caller. */
export async function acceptOwnership({ state, caller }: Call, logId: string): Promise<void> {
  const log = await readLog(state, logId)
  if (log === undefined) throw new Refusal('UnknownLog', { logId })
  const offered = log.offeredTo ?? ''
  if (offered !== caller) throw new Refusal('NotOwner', { logId, owner: offered, caller })
  await writeLog(state, logId, { ...log, owner: caller, offeredTo: '' })
}

/** Latest checkpoint; size 0 and the root of the empty tree when there is none yet. @throws Refusal `UnknownLog` */
export async function latest(
  state: State,
  logId: string,
): Promise<Pick<Anchored, 'root' | 'size'> & Partial<Anchored>> {
  if ((await readLog(state, logId)) === undefined) throw new Refusal('UnknownLog', { logId })
  const stored = await state.get(`latest/${logId}`)
  return stored === undefined ? { root: toHex(EMPTY_ROOT), size: 0 } : (JSON.parse(stored) as Anchored)
}

/** The checkpoint that was anchored at this size. */
export async function rootOf(state: State, logId: string, size: number): Promise<Anchored | undefined> {
  const stored = await state.get(rootKey(logId, size))
  return stored === undefined ? undefined : (JSON.parse(stored) as Anchored)
}

/** Owner, who may accept the log, and what goes on after it; undefined for an unknown log. */
export async function readLog(state: State, logId: string): Promise<Log | undefined> {
  const stored = await state.get(`log/${logId}`)
  return stored === undefined ? undefined : (JSON.parse(stored) as Log)
}

/** Whether a leaf is in a log, under the root anchored at `size`. */
export async function verifyInclusion(
  state: State,
  logId: string,
  size: number,
  index: number,
  leafHash: Uint8Array,
  proof: readonly Uint8Array[],
): Promise<boolean> {
  const stored = await rootOf(state, logId, size)
  const root = wellFormed(() => rootFromInclusion(index, size, leafHash, proof))
  return stored !== undefined && root !== undefined && toHex(root) === stored.root
}

/** The log, if the caller owns it and it is open. @throws Refusal `UnknownLog`, `NotOwner`, `Closed` */
export async function ownLog({ state, caller }: Pick<Call, 'state' | 'caller'>, logId: string): Promise<Log> {
  const log = await readLog(state, logId)
  if (log === undefined) throw new Refusal('UnknownLog', { logId })
  if (log.owner !== caller) throw new Refusal('NotOwner', { logId, owner: log.owner, caller })
  if (log.successor !== undefined) throw new Refusal('Closed', { logId, successor: log.successor })
  return log
}

export const rootKey = (logId: string, size: number): string => `root/${logId}/${size}`

const writeLog = (state: State, logId: string, log: Log) => state.put(`log/${logId}`, JSON.stringify(log))

async function store({ state, transaction, time }: Call, logId: string, size: number, root: string): Promise<void> {
  const anchored = JSON.stringify({ root, size, time: time(), transaction } satisfies Anchored)
  await state.put(`latest/${logId}`, anchored)
  await state.put(rootKey(logId, size), anchored)
}

/** What the tlog room finds, or undefined where sizes and lengths of a proof do not fit each other. */
function wellFormed<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch (error) {
    if (error instanceof TlogError) return undefined
    throw error
  }
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
