import { isAbsolute, join } from 'node:path'
import type { Anchor } from '#ledger/anchor.ts'
import type { Finality } from '#ledger/chain.ts'
import { LedgerError } from '#ledger/error.ts'
import { createMemoryJournal, openFileJournal, type SubmitJournal } from '#ledger/journal.ts'
import type { RecordKeeper } from '#ledger/records.ts'
import type { AnchorRow } from '#store/store.ts'
import type { AnchorEvidence } from '#taxii/context.ts'
import type { Config, Paths } from './config.ts'
import type { LedgerConfig } from './ledger-config.ts'

/**
 * Opens every configured ledger; an adapter's code is loaded only where the configuration asks for it. The embedded ledger
 * must open, or the server doesn't start; one behind a network may be away, and is opened when it answers.
 *
 * @param readOnly of an embedded ledger: as it is now, beside a server that runs
 * @throws LedgerError, CliError
 */
export async function openAnchors(config: Config, paths: Paths, origin: string, readOnly = false): Promise<Anchor[]> {
  const anchors: Anchor[] = []
  try {
    for (const ledger of config.ledgers) anchors.push(await openOne(ledger, paths, origin, readOnly))
    return anchors
  } catch (error) {
    await Promise.allSettled(anchors.map(a => a.close()))
    throw error
  }
}

/** Ledgers that several servers have: one of them sends, the others only read. */
export type SharedAnchors = {
  anchors: Anchor[]
  /** Another server sends now, or this one. */
  turn(): Promise<void>
}

/**
 * As {@link openAnchors}, of what other servers have open as well.
 *
 * @param sends whether this is the one that sends
 * @throws CliError `usage`
 */
export async function openSharedAnchors(
  config: Config,
  paths: Paths,
  origin: string,
  sends: () => boolean,
): Promise<SharedAnchors> {
  // Whatever is wrong in the configuration shows now, and not when this server begins to send.
  for (const ledger of config.ledgers) await (await openOne(ledger, paths, origin, false)).close()
  const anchors = config.ledgers.map(ledger => whenReachable(ledger, () => openOne(ledger, paths, origin, !sends())))
  return { anchors, turn: async () => void (await Promise.allSettled(anchors.map(a => a.reopen()))) }
}

async function openOne(ledger: LedgerConfig, paths: Paths, origin: string, readOnly: boolean): Promise<Anchor> {
  if (ledger.kind === 'embedded') {
    const { openEmbeddedAnchor } = await import('#ledger/evm/embedded/anchor.ts')
    return openEmbeddedAnchor({
      id: ledger.id,
      folder: ledgerFolder(ledger, paths),
      chainId: ledger.chainId,
      origin,
      now: Date.now,
      readOnly,
      // Who only reads is a command, whose thread has nothing else to do: one of the chain's own takes a third of a second to start.
      worker: !readOnly,
      records: ledger.records,
    })
  }
  if (ledger.kind === 'bitcoin') {
    const { bitcoinOptions } = await import('./bitcoin-ledger.ts')
    const options = bitcoinOptions(ledger, paths)
    return whenReachable(ledger, async () => {
      const { openBitcoinAnchor } = await import('#ledger/bitcoin/anchor.ts')
      const journal = readOnly ? createMemoryJournal() : ledgerJournal(ledger.id, paths)
      return openBitcoinAnchor({ ...options, journal, origin })
    })
  }
  if (ledger.kind === 'fabric') {
    const { fabricOptions } = await import('./fabric-ledger.ts')
    const options = fabricOptions(ledger, paths)
    return whenReachable(ledger, async () => {
      const { openFabricAnchor } = await import('#ledger/fabric/anchor.ts')
      const journal = readOnly ? {} : { journal: ledgerJournal(ledger.id, paths) }
      return openFabricAnchor({ ...options, ...journal, origin, readOnly })
    })
  }
  const { evmOptions } = await import('./evm-ledger.ts')
  const options = await evmOptions(ledger, paths, readOnly)
  return whenReachable(ledger, async () => {
    const { openEvmAnchor } = await import('#ledger/evm/anchor.ts')
    const journal = readOnly ? {} : { journal: ledgerJournal(ledger.id, paths) }
    return openEvmAnchor({ ...options, ...journal, origin, records: ledger.records })
  })
}

export const journalFile = (id: string, paths: Paths): string => join(paths.data, 'ledgers', `${id}.journal`)

/** Where an adapter says what it is about to send. */
export const ledgerJournal = (id: string, paths: Paths): SubmitJournal => openFileJournal(journalFile(id, paths))

/** `./ledger` lies in the data folder; other relative paths beside the configuration file. */
export function ledgerFolder(ledger: Extract<LedgerConfig, { kind: 'embedded' }>, paths: Paths): string {
  if (isAbsolute(ledger.path)) return ledger.path
  return join(ledger.path === './ledger' ? paths.data : paths.base, ledger.path)
}

/** An anchor that is opened by the first call that finds its ledger there. */
function whenReachable(
  ledger: Pick<LedgerConfig, 'id' | 'kind'> & { records?: boolean },
  open: () => Promise<Anchor>,
): Anchor & { reopen(): Promise<void> } {
  const { id, records } = ledger
  const kind = ledger.kind === 'embedded' ? 'evm' : ledger.kind
  let opening: Promise<Anchor> | undefined
  let closed = false
  const get = async (): Promise<Anchor> => {
    if (closed) throw new LedgerError('unreachable', `ledger "${id}" was closed`)
    opening ??= open()
    try {
      return await opening
    } catch (error) {
      opening = undefined
      throw error
    }
  }
  const keeper = async (): Promise<RecordKeeper> => {
    const { records: opened } = await get()
    if (!opened) throw new LedgerError('unsupported', `ledger "${id}" takes no records`)
    return opened
  }
  return {
    ledger: id,
    kind,
    ...(records === true
      ? { records: { put: async r => (await keeper()).put(r), get: async r => (await keeper()).get(r) } }
      : {}),
    describe: async () => (await get()).describe(),
    succeed: async (origin, shared) => {
      const anchor = await get()
      if (anchor.succeed) return anchor.succeed(origin, shared)
      throw new LedgerError(
        'unsupported',
        `ledger "${id}" (${kind}) does not end a log: what it has of ${origin} stays as it is`,
      )
    },
    latest: async () => (await get()).latest(),
    time: async () => (await get()).time(),
    append: async (checkpoint, consistency) => (await get()).append(checkpoint, consistency),
    read: async transaction => (await get()).read(transaction),
    find: async size => (await get()).find(size),
    finality: async receipt => (await get()).finality(receipt),
    prove: async size => (await get()).prove?.(size),
    proveMined: async size => (await get()).proveMined?.(size),
    proveEndorsed: async size => (await get()).proveEndorsed?.(size),
    close: async () => {
      closed = true
      await (await opening?.catch(() => undefined))?.close()
    },
    reopen: async () => {
      const old = opening
      opening = undefined
      await (await old?.catch(() => undefined))?.close()
    },
  }
}

/** What `entente verify --ledger-pin` takes. A reader compares it by another way than this server. */
export async function toPins(anchors: readonly Anchor[]): Promise<AnchorEvidence[]> {
  const pins: AnchorEvidence[] = []
  for (const anchor of anchors) {
    const identity = await anchor.describe().catch(() => undefined)
    if (!identity) continue
    const { ledger, kind, contract, logId, owner, validators, consensus, genesis, enforces, finality } = identity
    const { minWork, organizations } = identity
    const chainId = kind === 'evm' ? Number(identity.chainId) : identity.chainId
    pins.push({
      ledger,
      kind,
      chain_id: chainId,
      genesis,
      contract,
      log_id: logId,
      owner,
      validators,
      ...(consensus === 'clique' ? { consensus } : {}),
      enforces,
      ...(organizations === undefined
        ? {}
        : { organizations: organizations.map(({ mspId, certificates }) => ({ msp_id: mspId, certificates })) }),
      ...(minWork === undefined ? {} : { depth: depthOf(finality), min_work: `0x${minWork.toString(16)}` }),
    })
  }
  return pins
}

const depthOf = (finality: Finality): number => (typeof finality === 'object' ? finality.depth : 0)

/** docs/formats.md 8 */
export async function toEvidence(anchor: Anchor | undefined, row: AnchorRow): Promise<AnchorEvidence | undefined> {
  const claim = {
    ledger: row.ledger,
    size: row.size,
    root: Buffer.from(row.root).toString('base64'),
    transaction: row.transaction,
    block: row.block,
    block_hash: row.blockHash,
  }
  const identity = await anchor?.describe().catch(() => undefined)
  if (!anchor || !identity) return undefined
  const sealed = await anchor.prove?.(row.size).catch(() => undefined)
  const mined = await anchor.proveMined?.(row.size).catch(() => undefined)
  const endorsed = await anchor.proveEndorsed?.(row.size).catch(() => undefined)
  const hex = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString('hex')}`
  return {
    ...claim,
    kind: anchor.kind,
    chain_id: anchor.kind === 'evm' ? Number(identity.chainId) : identity.chainId,
    ...(identity.contract === undefined ? {} : { contract: identity.contract }),
    ...(identity.logId === undefined ? {} : { log_id: identity.logId }),
    ...(mined ? { bitcoin: mined.bitcoin } : {}),
    ...(endorsed ? { endorsed: { payload: Buffer.from(endorsed.payload).toString('base64') } } : {}),
    ...(sealed
      ? {
          sealed: {
            header: hex(sealed.header),
            account_proof: sealed.accountProof.map(hex),
            storage_proof: sealed.storageProof.map(hex),
            ...(sealed.following === undefined ? {} : { following: sealed.following.map(hex) }),
          },
        }
      : {}),
  }
}
