import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Anchor, AnchorIdentity, AnchorReceipt, Checkpoint, EndorsedEvidence } from '../anchor.ts'
import { LedgerError } from '../error.ts'
import { createMemoryJournal, type SubmitJournal } from '../journal.ts'
import { type Anchored, parseAnswer, rootBytes, toAnchored, toLatest } from './answer.ts'
import { endorsedPayload, type FabricBlock, parseBlock, parseHeight, parseOrganizations, parseWrites } from './block.ts'
import { type FabricConnectionOptions, openFabricConnection } from './connection.ts'
import { isOutOfStep } from './refusal.ts'
import { createFabricRecords } from './records.ts'
import { createSubmitter } from './submit.ts'

export interface FabricAnchorOptions extends FabricConnectionOptions {
  /** The ledger's id in the configuration. */
  readonly id: string
  /** Name of the log, as in its checkpoints. */
  readonly origin: string
  /** The log's id in the chaincode, where it came from another owner. Left out: that of our own identity and origin. */
  readonly logId?: string
  /** Nothing is ever submitted. */
  readonly readOnly?: boolean
  /** Whether it takes records as well. */
  readonly records?: boolean
  /** What was endorsed is written there before it is sent to the orderers. Left out: only this process knows. */
  readonly journal?: SubmitJournal
  /** How long a method may try. Default: 60 s. */
  readonly timeoutMs?: number
  /** How often it tries. Default: 200 ms. */
  readonly pollMs?: number
  readonly wait?: (milliseconds: number) => Promise<unknown>
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number
}

/** How long a peer that is not needed may take. */
const OTHER_PEERS_MS = 2000

/**
 * The log's anchor in our chaincode on a Fabric channel. The log is registered if nobody did.
 *
 * @throws LedgerError `unreachable`; `refused` where the log is somebody else's or the identity is not taken; `mismatch` where the chaincode has
 * no such log and may get none; `invalid` where the key is none
 */
export async function openFabricAnchor(options: FabricAnchorOptions): Promise<Anchor> {
  const { id, origin, fabricChannel, chaincode, timeoutMs = 60_000, pollMs = 200, wait = sleep } = options
  const { journal = createMemoryJournal(), now = () => performance.now() } = options
  const connection = openFabricConnection({
    ...options,
    callTimeoutMs: Math.min(options.callTimeoutMs ?? 15_000, timeoutMs),
  })
  const submitter = createSubmitter({ connection, journal, timeoutMs, pollMs, wait, now })
  const ask = async (name: string, ...args: string[]): Promise<unknown> =>
    parseAnswer(await connection.evaluate(name, args))

  let queue: Promise<unknown> = Promise.resolve()
  /** One after the other: there is one journal, and the order of anchors is theirs. */
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const ran = queue.then(run)
    queue = ran.catch(() => undefined)
    return ran
  }

  let logId: string
  let identity: AnchorIdentity
  try {
    logId = await ownedLog()
    const system = (contract: string, name: string, ...args: string[]) =>
      connection.evaluate(name, [fabricChannel, ...args], contract)
    identity = {
      ledger: id,
      kind: 'fabric',
      finality: 'instant',
      enforces: true,
      chainId: fabricChannel,
      genesis: parseBlock(await system('qscc', 'GetBlockByNumber', '0')).blockHash,
      contract: chaincode,
      logId,
      owner: (await ask('ownerOf', logId)) as string,
      organizations: parseOrganizations(await system('cscc', 'GetConfigBlock')),
    }
  } catch (error) {
    connection.close()
    throw error
  }

  async function ownedLog(): Promise<string> {
    const originHash = createHash('sha256').update(origin).digest('hex')
    const caller = await ask('caller')
    // Without being submitted it changes nothing, and says which log would be ours
    const own = options.logId ?? ((await ask('register', originHash)) as string)
    const owner = await ask('ownerOf', own)
    if (owner === '' && (options.logId !== undefined || options.readOnly === true))
      throw new LedgerError('mismatch', `chaincode ${chaincode} on ${fabricChannel} has no log ${own}`)
    if (owner !== '' && owner !== caller && options.readOnly !== true)
      throw new LedgerError(
        'refused',
        `log ${own} belongs to ${String(owner)}, the identity is ${String(caller)}: have it offered and accept it`,
      )
    if (owner === '') {
      await submitter.settle()
      await submitter.submit('register', [originHash])
    }
    return own
  }

  const latest = async (): Promise<Anchored | undefined> => toLatest(await ask('latest', logId))

  const blockOf = async (transaction: string): Promise<FabricBlock> =>
    parseBlock(await connection.evaluate('GetBlockByTxID', [fabricChannel, transaction], 'qscc'))

  const toReceipt = async (anchored: Anchored): Promise<AnchorReceipt> => {
    const { transaction } = anchored
    return { ledger: id, ...toCheckpoint(anchored), transaction, ...(await blockOf(transaction)) }
  }

  async function read(transaction: string): Promise<AnchorReceipt | undefined> {
    const processed = /^[0-9a-f]{64}$/.test(transaction) ? await submitter.find(transaction) : undefined
    const writes = processed && parseWrites(processed, chaincode)
    const [key] = [...(writes?.keys() ?? [])].filter(name => name.startsWith(`root/${logId}/`))
    if (writes === undefined || key === undefined) return undefined
    return toReceipt(toAnchored(parseAnswer(writes.get(key)!)))
  }

  async function find(size: number): Promise<AnchorReceipt | undefined> {
    const answer = await ask('rootOf', logId, String(size))
    return answer === undefined ? undefined : toReceipt(toAnchored(answer))
  }

  /** A peer that shows another block than the others do is not one of this channel, or lies: which one, an operator has to find out. */
  async function checkPeersAgree({ block, blockHash }: FabricBlock): Promise<void> {
    const shown = await connection.askEach(async gateway => {
      const args = { arguments: [fabricChannel, String(block)] }
      const question = gateway.getNetwork(fabricChannel).getContract('qscc').newProposal('GetBlockByNumber', args)
      return parseBlock(await question.evaluate({ deadline: Date.now() + OTHER_PEERS_MS }))
    })
    const other = shown.find(({ value }) => value.blockHash !== blockHash)
    if (other)
      throw new LedgerError(
        'mismatch',
        `block ${block} of ${fabricChannel} is ${other.value.blockHash} at ${other.endpoint}, and ${blockHash} at another peer: one of them is not of this network, or lies`,
      )
  }

  async function append(
    checkpoint: Checkpoint,
    consistency: (oldSize: number) => Uint8Array[] | Promise<Uint8Array[]>,
  ) {
    const { size } = checkpoint
    const root = Buffer.from(checkpoint.root).toString('hex')
    await submitter.settle()
    for (const end = now() + timeoutMs; ; await wait(pollMs)) {
      const before = await latest()
      const found = before?.size === size && before.root === root ? await find(size) : undefined
      if (found !== undefined) return found
      // Stale and forked ones go to the chaincode as well: it is the one that refuses
      const proof = before === undefined || before.size >= size ? [] : await consistency(before.size)
      const args = [logId, String(size), root, ...proof.map(hash => Buffer.from(hash).toString('hex'))]
      try {
        // After a conflict, and as after a success: what the ledger has now decides
        await submitter.submit('anchor', args)
      } catch (error) {
        if (!isOutOfStep(error, before?.size ?? 0)) throw error
      }
      if (now() >= end)
        throw new LedgerError(
          'unreachable',
          `size ${size} did not come through in ${timeoutMs} ms: peers disagree on what is the latest, or others anchor all the time`,
        )
    }
  }

  const submitInTurn = (name: string, args: readonly string[]) =>
    inTurn(async () => {
      await submitter.settle()
      for (const end = now() + timeoutMs; (await submitter.submit(name, args)).is === 'conflict'; await wait(pollMs))
        if (now() >= end)
          throw new LedgerError('unreachable', `${name} did not come through in ${timeoutMs} ms: others write the same`)
    })

  const toEndorsed = async (size: number): Promise<EndorsedEvidence | undefined> => {
    checkSize(size)
    const found = await find(size)
    if (found === undefined) return undefined
    const { endorsers } = options
    const args = {
      arguments: [logId, String(size)],
      ...(endorsers === undefined ? {} : { endorsingOrganizations: [...endorsers] }),
    }
    // Endorsed, never submitted: organisations sign what their peers have committed
    const endorsed = await connection.ask((_, contract) => contract.newProposal('rootOf', args).endorse())
    return {
      size,
      root: found.root,
      block: found.block,
      blockHash: found.blockHash,
      payload: endorsedPayload(endorsed.getBytes()),
    }
  }

  return {
    ledger: id,
    kind: 'fabric',
    describe: async () => identity,
    latest: async () => {
      const found = await latest()
      return found && toCheckpoint(found)
    },
    // Blocks carry no time; endorsers hold that of an anchor's proposal against their clocks
    time: async () => (await latest())?.time,
    append(checkpoint, consistency) {
      checkSize(checkpoint.size)
      if (checkpoint.root.length !== 32)
        throw new LedgerError('invalid', `a root has 32 bytes, this one ${checkpoint.root.length}`)
      return inTurn(() => append(checkpoint, consistency))
    },
    read,
    async find(size) {
      checkSize(size)
      return find(size)
    },
    async finality({ transaction, blockHash, block }) {
      const present = (await submitter.find(transaction)) === undefined ? undefined : await blockOf(transaction)
      if (present?.blockHash !== blockHash || present.block !== block) return { final: false, confirmations: 0 }
      await checkPeersAgree(present)
      const newest = parseHeight(await connection.evaluate('GetChainInfo', [fabricChannel], 'qscc'))
      return { final: true, confirmations: Math.max(0, newest - 1 - block) }
    },
    proveEndorsed: toEndorsed,
    ...(options.records === true ? { records: createFabricRecords({ ask, submit: submitInTurn, logId }) } : {}),
    async close() {
      await queue
      connection.close()
    },
  }
}

const toCheckpoint = (anchored: Anchored): Checkpoint => ({ size: anchored.size, root: rootBytes(anchored) })

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 1)
    throw new LedgerError('invalid', `size ${size}: a number of leaves of at least 1 is wanted`)
}
