import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { deriveKeys } from '#cluster/keys.ts'
import { type Member, openMember } from '#cluster/member.ts'
import { openPrivateKey } from '#notary/key.ts'
import type { Deletion, TaxiiContext } from '#taxii/context.ts'
import { TaxiiError, type TaxiiErrorCode, type TaxiiStatus } from '#taxii/errors.ts'
import { removeObject } from '#taxii/objects.ts'
import { toHostPort } from './cluster-config.ts'
import type { Config, Paths } from './config.ts'
import { CliError } from './errors.ts'
import type { Logger } from './open-log.ts'
import { openLease } from './stores.ts'

/** What a request becomes on its way from one server to another: a multiple of its body, and what is said of each object. */
const BYTES_PER_BODY = 4

/**
 * This server among the others of its log, where the configuration says that there are any. It takes no part before it is started.
 *
 * @throws CliError, StoreError
 */
export async function openCluster(config: Config, paths: Paths, log: Logger): Promise<Member | undefined> {
  const { cluster } = config
  if (!cluster) return undefined
  if (!existsSync(paths.logKey))
    throw new CliError(
      'usage',
      `${paths.logKey} is missing: all servers of a log have the same key. Copy it from another one; for a new log make it once: openssl genpkey -algorithm ed25519 -out log.key`,
    )
  const lease = await openLease(config, paths)
  try {
    return await openMember({
      lease,
      keys: deriveKeys(openPrivateKey(paths.logKey, false, 'the key is missing')),
      id: randomUUID(),
      listen: toHostPort(cluster.listen),
      address: cluster.address ?? cluster.listen,
      maxBytes: BYTES_PER_BODY * config.server.maxContentLength,
      now: () => performance.now(),
      log,
    })
  } catch (cause) {
    await lease.close()
    throw new CliError('no', `cluster.listen: ${cluster.listen} can't be listened on: ${(cause as Error).message}`, {
      cause,
    })
  }
}

type Removed = { found: number } | { refused: Pick<TaxiiError, 'status' | 'code' | 'message' | 'headers'> }

/** {@link TaxiiContext.remove} by the server that writes. */
export const removeBy =
  (member: Member): NonNullable<TaxiiContext['remove']> =>
  async deletion => {
    const removed = (await member.perform(deletion)) as Removed
    if ('found' in removed) return removed.found
    const { status, code, message, headers } = removed.refused
    throw new TaxiiError(status as TaxiiStatus, code as TaxiiErrorCode, message, { headers })
  }

/** On the server that writes: what {@link removeBy} asks for. */
export async function performRemoval(context: TaxiiContext, data: Record<string, unknown>): Promise<Removed> {
  try {
    return { found: await removeObject(context, data as Deletion) }
  } catch (error) {
    if (!(error instanceof TaxiiError)) throw error
    const { status, code, message, headers } = error
    return { refused: { status, code, message, headers } }
  }
}
