import { generateKeyPairSync } from 'node:crypto'
import { existsSync, renameSync, rmSync } from 'node:fs'
import { type Continuation, signContinuation, verifyContinuation } from '@entente/verify/proof'
import { equalHashes } from '@entente/verify/tlog'
import { emptyBatch, type Store, type StoredHead } from '#store/store.ts'
import { NotaryError } from './errors.ts'
import { formatKeyFile, type LogKey, openLogKey, toLogKey, writeSecret } from './key.ts'
import { openLog } from './log.ts'
import { formatMicros } from './time.ts'

/** Where a log ended, and what is known of it besides. */
export type End = Pick<Continuation, 'size' | 'root' | 'last'>

/**
 * The key of the log that goes on from one that ended, with the statement that it does (docs/formats.md 18), in a file of its own. Where the file is there already it
 * is taken as it is, so that whoever begins again after a crash goes on with the same log.
 *
 * @param old the key of the log that ended
 * @param origin of the new log
 * @param now microseconds since 1970
 * @throws NotaryError `key` where the file there is of another end, or another log
 */
export function makeContinuation(file: string, old: LogKey, origin: string, end: End, now: number): LogKey {
  if (!existsSync(file)) {
    const key = generateKeyPairSync('ed25519').privateKey
    const next = toLogKey(origin, key)
    const time = `${formatMicros(now).slice(0, 19)}Z`
    const note = signContinuation(
      { ...end, first: old.first, from: old.vkey, to: next.vkey, time },
      old.signer,
      next.signer,
    )
    rmSync(`${file}.part`, { force: true }) // of one that was cut off
    writeSecret(`${file}.part`, formatKeyFile(key, [], [...old.continuations, note]))
    renameSync(`${file}.part`, file)
  }
  const made = openLogKey(file, origin, false)
  const stated = verifyContinuation(made.continuations.at(-1) as string)
  if (stated.from !== old.vkey || stated.size !== end.size || !equalHashes(stated.root, end.root))
    throw new NotaryError(
      'key',
      `${file} is the key of a log that goes on from ${stated.from} at size ${stated.size}, and not from ${old.vkey} at ${end.size}: it is of another restore that was cut off. Finish that one, or remove it`,
    )
  return made
}

/**
 * Has a store go on as another log: behind the entries of the old one comes the statement, and the checkpoint over it is the first of the new one. One commit.
 *
 * @param old the key of the log that the store holds
 * @param next of {@link makeContinuation}
 * @throws NotaryError `integrity`; StoreError
 */
export async function continueLog(store: Store, old: LogKey, next: LogKey): Promise<StoredHead> {
  const note = next.continuations.at(-1) as string
  const { size, root } = verifyContinuation(note)
  const log = await openLog(store, old.signer.name, old.vkey, old.keys.successions)
  if (log.size !== size || !equalHashes(log.root, root))
    throw new NotaryError(
      'integrity',
      `the statement is of a log that ended at size ${size}, the store holds ${log.size}`,
    )
  const stage = log.stage()
  stage.say(note)
  const head = stage.seal(next.signer)
  await store.commit(stage.base, { ...emptyBatch(head), ...stage.writes() })
  return head
}
