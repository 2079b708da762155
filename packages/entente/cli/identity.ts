import { createHash } from 'node:crypto'
import { parseVkey } from '@entente/verify/tlog'
import type { EventSource } from '#notary/event.ts'
import type { ApiRootConfig } from '#taxii/context.ts'
import { type Config, parseHold } from './config.ts'

/** Names that a configuration leaves out are derived from the log's key: the same after every start, and nobody else's. */
export function defaultOrigin(publicKey: Uint8Array): string {
  return `entente.local/${createHash('sha256').update(publicKey).digest('hex').slice(0, 16)}`
}

export const toSource = (config: Config, origin: string): EventSource => ({
  origin,
  publicUrl: config.server.publicUrl?.replace(/\/$/, '') ?? '',
})

/** A UUID of version 4 by its form (RFC 9562 section 5.4): TAXII collections have such ids. */
export function derivedId(vkey: string, name: string): string {
  const bytes = createHash('sha256')
    .update(parseVkey(vkey).publicKey)
    .update('\n')
    .update(name)
    .digest()
    .subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/**
 * The API roots with every id and policy filled in.
 *
 * @param vkey the first key of the log: names stay when another one follows
 */
export function toApiRoots(config: Config, vkey: string): ApiRootConfig[] {
  return config.apiRoots.map(root => ({
    path: root.path,
    title: root.title,
    description: root.description,
    collections: root.collections.map(c => ({
      id: c.id ?? derivedId(vkey, `${root.path} ${c.alias}`),
      alias: c.alias,
      title: c.title,
      description: c.description,
      read: c.read,
      write: c.write,
      ledgers: c.ledgers ?? config.ledgers.map(l => l.id),
      require: c.require ?? config.anchoring.require,
      intervalMs: c.intervalMs,
      record: c.record,
      onInvalid: c.onInvalid,
      validation: c.validation,
      onConflict: c.onConflict,
      hold: c.hold === undefined ? undefined : parseHold(c.hold),
      repost: c.repost,
      forward: c.forward,
      unmarked: c.unmarked,
    })),
  }))
}
