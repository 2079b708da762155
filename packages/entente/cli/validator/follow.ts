import type { Voting } from '#ledger/evm/voting.ts'
import type { Logger } from '../open-log.ts'
import { type Change, type Plan, planVote } from './plan.ts'
import type { RegistrySet } from './registry.ts'

/** What one look at registry and chain has found, and done. */
export type Round = Plan & {
  readonly registry: RegistrySet
  readonly validators: readonly string[]
  /** What the node seals with, and whether its votes count. */
  readonly self: string | undefined
  readonly isValidator: boolean
  /** Proposals that were made, and those that were withdrawn. */
  readonly proposed: readonly Change[]
  readonly withdrawn: readonly Change[]
  /** Whether the chain has the validators that the registry wants. */
  readonly isSame: boolean
}

export type RoundOptions = {
  read(): Promise<RegistrySet>
  readonly voting: Voting
  /** Shows what it would do, and does nothing. */
  readonly isDryRun?: boolean
}

/** Blocks a validator in which one that is there has sealed. */
const ROUNDS = 3

/**
 * Compares registry and chain once, and has the node vote for the next change. The node is asked what it votes for, so nothing need be remembered of that: after a
 * start of the node or of this process, or a reorganisation of the chain, the next round proposes what is still missing.
 */
export async function runRound({ read, voting, isDryRun = false }: RoundOptions): Promise<Round> {
  const registry = await read()
  const [validators, proposals, self] = await Promise.all([voting.validators(), voting.proposals(), voting.self()])
  const isSame =
    validators.length === registry.validators.length && validators.every(one => registry.validators.includes(one))
  const plan: Plan = isSame
    ? { vote: undefined, waiting: [] }
    : planVote({
        wanted: registry,
        validators,
        active: await voting.active(ROUNDS * Math.max(validators.length, 4)),
        needed: voting.needed,
      })
  const { vote } = plan
  const withdrawn = [...proposals]
    .map(([address, isValidator]) => ({ address, isValidator }))
    .filter(one => one.address !== vote?.address || one.isValidator !== vote.isValidator)
  const proposed = vote === undefined || proposals.get(vote.address) === vote.isValidator ? [] : [vote]
  if (!isDryRun) {
    for (const { address } of withdrawn) await voting.discard(address)
    for (const { address, isValidator } of proposed) await voting.propose(address, isValidator)
  }
  const isValidator = self !== undefined && validators.includes(self)
  return { ...plan, registry, validators, self, isValidator, proposed, withdrawn, isSame }
}

export type FollowOptions = {
  round(): Promise<Round>
  readonly log: Logger
  readonly intervalMs: number
  /** After a round, or a failure of one. */
  told?(outcome: Round | Error): void
  /** Waits; resolves with true once the process is asked to end. */
  wait(milliseconds: number): Promise<boolean>
}

const MOST_WAIT_MS = 60_000

/** Round after round until asked to end. What goes wrong is said once, and tried again ever more seldom. */
export async function follow({ round, log, intervalMs, told, wait }: FollowOptions): Promise<void> {
  let before: Round | undefined
  let failure: string | undefined
  for (let pause = intervalMs; ; ) {
    try {
      const now = await round()
      if (failure !== undefined) log('info', 'registry and node answer again', {})
      failure = undefined
      pause = intervalMs
      tell(log, now, before)
      before = now
      told?.(now)
    } catch (error) {
      const { message } = error as Error
      pause = Math.min(2 * pause, Math.max(MOST_WAIT_MS, intervalMs))
      if (message !== failure)
        log('error', message, { code: (error as { code?: string }).code ?? 'internal', again_ms: pause })
      failure = message
      told?.(error as Error)
    }
    if (await wait(pause)) return
  }
}

const said = ({ address, isValidator }: Change) => ({ validator: address, vote: isValidator ? 'add' : 'remove' })

/** Writes down each vote, each change of the set, and why a change waits when that is new. */
function tell(log: Logger, now: Round, before: Round | undefined): void {
  const { registry, validators, self } = now
  const at = { registry_block: registry.block, evidence: registry.level }
  for (const change of now.withdrawn) log('info', 'withdrew a proposal', { ...said(change), ...at })
  for (const change of now.proposed) log('info', 'proposed what the registry says', { ...said(change), ...at })
  for (const one of validators)
    if (before !== undefined && !before.validators.includes(one))
      log('info', 'the chain has a new validator', { validator: one, validators: validators.length })
  for (const one of before?.validators ?? [])
    if (!validators.includes(one))
      log('info', 'the chain has a validator less', { validator: one, validators: validators.length })
  if (before === undefined || before.isValidator !== now.isValidator)
    log(
      now.isValidator ? 'info' : 'warn',
      now.isValidator
        ? 'this node is a validator: its votes are in the blocks that it seals'
        : 'this node is no validator: it seals no block, so its votes count for nothing',
      { self: self ?? null },
    )
  for (const { reason, ...change } of now.waiting) {
    if (reason === 'turn') continue
    if (before?.waiting.some(w => w.address === change.address && w.reason === reason)) continue
    log('warn', REASONS[reason], { ...said(change), minimum: registry.minimum, validators: validators.length })
  }
  if (registry.strangers.length > 0 && String(before?.registry.strangers) !== String(registry.strangers))
    log('warn', 'the registry names validators or writers that are no address of this kind of chain', {
      strangers: registry.strangers.slice(0, 10),
    })
  if (now.isSame && before?.isSame !== true)
    log('info', 'the chain has the validators that the registry says', { validators: validators.length, ...at })
}

export const REASONS = {
  turn: 'another change comes first',
  minimum: 'a validator is not voted out: the set would be smaller than the registry allows',
  standstill: 'a change waits: the chain could come to a stand, as too few validators have sealed of late',
} as const
