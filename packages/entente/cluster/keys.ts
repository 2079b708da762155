import { hkdfSync, type KeyObject } from 'node:crypto'

/** What the servers of one log know each other by: 32 bytes each, of which nobody without the log's key has any. */
export type ClusterKeys = {
  /** Pre-shared key of their connections. */
  psk: Buffer
  /** Authenticates the lease. */
  lease: Buffer
}

/** HKDF (RFC 5869) with SHA-256 of the Ed25519 seed. */
export function deriveKeys(logKey: KeyObject): ClusterKeys {
  const seed = Buffer.from(logKey.export({ format: 'jwk' }).d as string, 'base64url')
  const derive = (use: string) => Buffer.from(hkdfSync('sha256', seed, 'entente/cluster/v1', use, 32))
  return { psk: derive('connections'), lease: derive('lease') }
}
