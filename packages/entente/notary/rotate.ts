import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { signSuccession, verifySuccession } from '@entente/verify/proof'
import { parseVkey, verifyCheckpoint } from '@entente/verify/tlog'
import { emptyBatch, type Store, StoreError, type StoredHead } from '#store/store.ts'
import { NotaryError } from './errors.ts'
import { formatKeyFile, oldKeyFile, openLogKey, toLogKey, writeSecret } from './key.ts'
import { openLog } from './log.ts'
import { formatMicros } from './time.ts'

/** Where a new key waits until the log has the statement of it. */
const nextKeyFile = (file: string): string => `${file}.next`

export type RotateOptions = {
  /** Opened to write. Servers with the old key may write there as well, until the log has the statement. */
  store: Store
  /** The log's key. */
  file: string
  origin: string
  /** Microseconds since 1970. */
  now: number
  /** For tests. */
  newKey?: () => KeyObject
  fault?: ((point: string) => void) | undefined
  /** How long it is tried while others are quicker, in milliseconds. */
  patienceMs?: number
}

const PATIENCE_MS = 30_000

/** A key that followed another, with the log index of the statement. */
export type Rotated = { from: string; to: string; index: number }

/**
 * Has a new key sign the log from now on, or completes what was cut off. The statement of it, signed by both (docs/formats.md 16), is an entry of the log, and the checkpoint over it is
 * signed by both as well. The old key stays beside the new one and goes on signing with it, until {@link retireKey}.
 *
 * Crash points; a test kills the process at each (notary/rotate.test.ts):
 *   K1 the new key is written   the log knows nothing of it: the old one goes on, and the next rotation makes another
 *   K2 the log has the statement, and the new key is not in its place: {@link finishRotation} puts it there
 *   K3 the old key was put aside, the new one is not in its place: the same
 *   K4 complete
 *
 * Where another server commits first, the statement is made again behind that. Of servers with the old key none can write from K2 on: their compare-and-swap fails, and
 * what they then read is signed by a newer key.
 *
 * @throws NotaryError `integrity`, `key`; `unavailable` where others write all the time
 */
export async function rotateKey({
  store,
  file,
  origin,
  now,
  newKey,
  fault,
  patienceMs = PATIENCE_MS,
}: RotateOptions): Promise<Rotated> {
  const isFinished = finishRotation(file, origin, await store.head())
  const old = openLogKey(file, origin, false)
  if (isFinished) return verifySuccession(old.keys.successions.at(-1) as string)
  if (old.signer.also)
    throw new NotaryError(
      'key',
      `${old.keys.vkeys.at(-2)}, the key before this one, still signs as well: retire it first ("entente log retire-key")`,
    )
  const log = await openLog(store, origin, old.vkey, old.keys.successions)
  if (!log.head) throw new NotaryError('key', 'the log has no checkpoint yet: its key can be replaced by removing it')
  const key = newKey?.() ?? generateKeyPairSync('ed25519').privateKey
  const next = toLogKey(origin, key)
  const time = `${formatMicros(now).slice(0, 19)}Z`

  /** Behind all that the log has: as little as can be is done between reading that and the commit, for others commit meanwhile. */
  async function commitStatement(): Promise<{ index: number; head: StoredHead }> {
    const index = log.size
    const statement = signSuccession({ from: old.vkey, to: next.vkey, index, time }, old.signer, next.signer)
    rmSync(nextKeyFile(file), { force: true }) // of a rotation that was cut off at K1, or of the try before
    writeSecret(nextKeyFile(file), formatKeyFile(key, [...old.keys.successions, statement], old.continuations))
    syncFolder(file)
    fault?.('K1')
    const stage = log.stage()
    stage.say(statement)
    const head = stage.seal({ ...next.signer, also: old.signer })
    await store.commit(stage.base, { ...emptyBatch(head), ...stage.writes() })
    return { index, head }
  }

  const until = performance.now() + patienceMs
  for (let tries = 1; ; tries++)
    try {
      const { index, head } = await commitStatement()
      fault?.('K2')
      finishRotation(file, origin, head, fault)
      return { from: old.vkey, to: next.vkey, index }
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'conflict') throw error
      if (performance.now() >= until)
        throw new NotaryError(
          'unavailable',
          `servers of this log were quicker with each of ${tries} commits in ${patienceMs / 1000} s: nothing was changed. Stop the one that writes ("sequencer" in its /readyz), or all, and try again`,
        )
      await log.advance()
    }
}

/**
 * Puts a new key in its place where the log has the statement of it, which the checkpoint shows: nobody else could have signed it. Does nothing else.
 *
 * @param head of the store
 * @returns whether there was one
 */
export function finishRotation(
  file: string,
  origin: string | ((publicKey: Uint8Array) => string),
  head: StoredHead | undefined,
  fault?: (point: string) => void,
): boolean {
  const waiting = nextKeyFile(file)
  if (!existsSync(waiting) || !head || !isSignedBy(head, openLogKey(waiting, origin, false).vkey)) return false
  // A name more for the old key, and then the new one in its place: there is a key under this name at every moment.
  if (!existsSync(oldKeyFile(file))) linkSync(file, oldKeyFile(file))
  syncFolder(file)
  fault?.('K3')
  renameSync(waiting, file)
  syncFolder(file)
  fault?.('K4')
  return true
}

/**
 * Destroys the key before the log's own, which then signs alone.
 *
 * @returns its verifier key; undefined where there is none
 * @throws NotaryError `integrity`
 */
export function retireKey(file: string, origin: string | ((publicKey: Uint8Array) => string)): string | undefined {
  const old = oldKeyFile(file)
  if (!existsSync(old)) return undefined
  const { keys, signer } = openLogKey(file, origin, false)
  if (!signer.also) throw new NotaryError('integrity', `${old} is not the key before ${keys.vkeys.at(-1)}: it stays`)
  const vkey = keys.vkeys.at(-2)
  const length = statSync(old).size
  const fd = openSync(old, 'r+')
  try {
    writeSync(fd, Buffer.alloc(length))
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  rmSync(old)
  syncFolder(file)
  return vkey
}

function isSignedBy({ note }: StoredHead, vkey: string): boolean {
  try {
    verifyCheckpoint(note, { logs: [parseVkey(vkey)] })
    return true
  } catch {
    return false
  }
}

/** Names are durable once their folder is. */
function syncFolder(file: string): void {
  const folder = openSync(dirname(file), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
