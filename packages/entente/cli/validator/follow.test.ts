import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Voting } from '#ledger/evm/voting.ts'
import { LedgerError } from '#ledger/error.ts'
import { follow, type Round, runRound } from './follow.ts'
import type { RegistrySet } from './registry.ts'

const [A, B, C, D, E] = ['a', 'b', 'c', 'd', 'e'].map(digit => `0x${digit.repeat(40)}`) as [
  string,
  string,
  string,
  string,
  string,
]

const registryOf = (validators: string[], minimum = 1): RegistrySet => ({
  validators,
  writers: [],
  strangers: [],
  minimum,
  block: 5,
  blockHash: '0x05',
  time: 1_800_000_000,
  level: 'proven',
})

/** A Clique chain as one of its nodes sees it: what it proposes others propose as well, and a step makes the change. */
function createNode(validators: string[], self = A) {
  const state = {
    validators,
    active: undefined as string[] | undefined,
    proposals: new Map<string, boolean>(),
    calls: [] as string[],
  }
  const voting: Voting = {
    consensus: 'clique',
    self: async () => self,
    validators: async () => state.validators.toSorted(),
    proposals: async () => new Map(state.proposals),
    propose: async (address, isValidator) => {
      state.calls.push(`propose ${address.slice(2, 3)} ${isValidator}`)
      state.proposals.set(address, isValidator)
    },
    discard: async address => {
      state.calls.push(`discard ${address.slice(2, 3)}`)
      state.proposals.delete(address)
    },
    active: async () => new Set(state.active ?? state.validators),
    needed: count => Math.floor(count / 2) + 1,
  }
  const seal = () => {
    for (const [address, isValidator] of state.proposals)
      state.validators = isValidator
        ? [...new Set([...state.validators, address])]
        : state.validators.filter(one => one !== address)
  }
  return { state, voting, seal }
}

test('it proposes what is missing, withdraws what was made, and rests once chain and registry agree', async () => {
  const { state, voting, seal } = createNode([A, B, C])
  let registry = registryOf([A, B, C, D])
  const round = () => runRound({ read: async () => registry, voting })
  const first = await round()
  assert.deepEqual(first.proposed, [{ address: D, isValidator: true }])
  assert.deepEqual([first.isSame, first.isValidator], [false, true])
  assert.deepEqual((await round()).proposed, [], 'once')
  seal()
  const done = await round()
  assert.deepEqual([done.isSame, done.vote], [true, undefined])
  registry = registryOf([A, B, D])
  await round()
  seal()
  assert.equal((await round()).isSame, true)
  assert.deepEqual(state.calls, ['propose d true', 'discard d', 'propose c false', 'discard c'])
})

test('what nobody wants any more is withdrawn, whoever proposed it', async () => {
  const { state, voting } = createNode([A, B, C])
  state.proposals.set(E, true).set(B, false)
  const { withdrawn, isSame } = await runRound({ read: async () => registryOf([A, B, C]), voting })
  assert.equal(isSame, true)
  assert.deepEqual(withdrawn, [
    { address: E, isValidator: true },
    { address: B, isValidator: false },
  ])
  assert.equal(state.proposals.size, 0)
})

test('a node that was started again has forgotten its proposals, and gets them again; a reorganisation too', async () => {
  const { state, voting, seal } = createNode([A, B, C])
  const round = () => runRound({ read: async () => registryOf([A, B, C, D]), voting })
  await round()
  state.proposals.clear()
  assert.equal((await round()).proposed.length, 1)
  seal()
  await round()
  state.validators = [A, B, C]
  assert.deepEqual((await round()).proposed, [{ address: D, isValidator: true }])
})

test('a proposal the other way round is replaced', async () => {
  const { state, voting } = createNode([A, B, C])
  state.proposals.set(D, false)
  await runRound({ read: async () => registryOf([A, B, C, D]), voting })
  assert.deepEqual(state.calls, ['discard d', 'propose d true'])
  assert.equal(state.proposals.get(D), true)
})

test('a dry run shows what it would do, and does nothing', async () => {
  const { state, voting } = createNode([A, B, C])
  state.proposals.set(E, true)
  const round = await runRound({ read: async () => registryOf([A, B, C, D]), voting, isDryRun: true })
  assert.deepEqual([round.proposed.length, round.withdrawn.length, state.calls.length], [1, 1, 0])
})

/** Runs rounds until there are none left; answers what was logged and how long it waited. */
async function followed(...outcomes: (Round | Error)[]) {
  const lines: string[] = []
  const waits: number[] = []
  const told: (Round | Error)[] = []
  let next = 0
  await follow({
    round: async () => {
      const outcome = outcomes[next++] as Round | Error
      if (outcome instanceof Error) throw outcome
      return outcome
    },
    log: (level, message) => void lines.push(`${level} ${message}`),
    intervalMs: 5_000,
    told: outcome => void told.push(outcome),
    wait: async milliseconds => {
      waits.push(milliseconds)
      return next === outcomes.length
    },
  })
  return { lines, waits, told }
}

test('registry or node away: said once, tried ever more seldom, and said when they are back', async () => {
  const { voting } = createNode([A, B, C])
  const round = await runRound({ read: async () => registryOf([A, B, C]), voting })
  const away = () => new LedgerError('unreachable', 'no node answered')
  const { lines, waits, told } = await followed(away(), away(), away(), away(), away(), round, round)
  assert.deepEqual(waits, [10_000, 20_000, 40_000, 60_000, 60_000, 5_000, 5_000])
  assert.deepEqual(lines, [
    'error no node answered',
    'info registry and node answer again',
    'info this node is a validator: its votes are in the blocks that it seals',
    'info the chain has the validators that the registry says',
  ])
  assert.equal(told.length, 7)
})

test('each vote, each change of the set, and each new reason to wait is one line', async () => {
  const { state, voting, seal } = createNode([A, B, C])
  const rounds: Round[] = []
  const run = async (registry: RegistrySet) => void rounds.push(await runRound({ read: async () => registry, voting }))
  const first = registryOf([A, B, D], 3)
  await run(first)
  await run(first)
  seal()
  await run(first)
  seal()
  await run(first)
  state.validators = [B, D]
  await run(registryOf([B], 2))
  const { lines } = await followed(...rounds)
  assert.deepEqual(lines, [
    'info proposed what the registry says',
    'info this node is a validator: its votes are in the blocks that it seals',
    'warn a validator is not voted out: the set would be smaller than the registry allows',
    'info withdrew a proposal',
    'info proposed what the registry says',
    'info the chain has a new validator',
    'info withdrew a proposal',
    'info the chain has a validator less',
    'info the chain has the validators that the registry says',
    'info the chain has a validator less',
    'warn this node is no validator: it seals no block, so its votes count for nothing',
    'warn a validator is not voted out: the set would be smaller than the registry allows',
  ])
})
