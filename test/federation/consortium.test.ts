// The contract ConsortiumRegistry against packages/rules: the same calls in the same order, the same refusals by the same row, the same state.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  addKey,
  type Call,
  type Change,
  CONSORTIUM,
  createMemory,
  found,
  type Genesis,
  type Memory,
  type PartyKind,
  propose,
  Refusal,
  replaceKey,
  revokeKey,
  vote,
} from '@entente/rules'
import fc from 'fast-check'
import { type Abi, decodeErrorResult, encodeDeployData, encodeFunctionData, type Hex, stringToHex } from 'viem'
import { artifactOf, forge } from '../../contracts/tools/artifact.mts'
import { startAnvil } from '../../packages/entente/ledger/conformance/anvil.ts'
import { createHttpProvider } from '../../packages/entente/ledger/evm/http.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20_261_122)
const STEPS = 60
const RUNS = process.env['ENTENTE_TEST_LONG'] === undefined ? 12 : 300
const DAY = 86_400
const KINDS: (PartyKind | 'none')[] = [
  'none',
  'commission',
  'enisa',
  'state',
  'ncca',
  'nab',
  'coordinator',
  'certificationBody',
  'publicBody',
  'cab',
  'itsef',
  'manufacturer',
  'holder',
  'provider',
]
const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
/** TEST KEY: an address that nobody has the private key of; the chain lets it send. */
const key = (n: number): Hex => `0x${(0xe000 + n).toString(16).padStart(40, '0')}`
const CHAIN = id(0xc4a1)
const PERIOD = 10 * DAY
const member = (n: number, kind: PartyKind, country: string) => ({
  id: id(n),
  kind,
  country,
  key: key(n),
  act: id(0xac),
})
const GENESIS: Genesis = {
  chain: { kind: 'eu', country: 'EU' },
  parties: [
    member(1, 'commission', 'EU'),
    member(2, 'state', 'FR'),
    member(3, 'state', 'DE'),
    member(4, 'state', 'IT'),
  ],
  consortium: { numerator: 2, denominator: 3, period: PERIOD },
  chains: [{ id: CHAIN, validators: [id(11), id(12), id(13)], writers: [id(21)], minimum: 3 }],
}

const anvil = startAnvil('--hardfork', 'cancun', '--base-fee', '0', '--gas-price', '0', '--timestamp', '1800000000')
after(async () => {
  const started = await anvil
  if (typeof started === 'object') started.stop()
})

type Chain = {
  /** @returns the error that it reverts with, if it does */
  send(
    from: Hex,
    name: string,
    args: readonly unknown[],
    at: number,
  ): Promise<{ code: string; row: number } | undefined>
  read(name: string, args: readonly unknown[]): Promise<Hex>
  snapshot(): Promise<Hex>
  revert(to: Hex): Promise<void>
}

async function deploy(url: string): Promise<Chain> {
  const { abi, bytecode } = artifactOf('ConsortiumRegistry')
  const provider = createHttpProvider({ urls: [url] })
  const ask = (method: string, ...params: unknown[]) => provider.request({ method, params } as never) as Promise<any>
  await ask('anvil_autoImpersonateAccount', true)
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9, 99]) await ask('anvil_setBalance', key(n), '0x56bc75e2d63100000')
  const { parties, consortium, chains } = GENESIS as Required<Genesis>
  const args = [
    parties.map(toStruct),
    consortium?.numerator,
    consortium?.denominator,
    consortium?.period,
    chains?.map(({ id: chain, ...set }) => ({ chain, ...set })),
  ]
  const data = encodeDeployData({ abi: abi as Abi, bytecode, args })
  const created = await ask('eth_sendTransaction', { from: key(99), data, gas: '0x1000000' })
  const receiptOf = async (hash: Hex) => {
    for (let i = 0; i < 400; i++) {
      const receipt = await ask('eth_getTransactionReceipt', hash)
      if (receipt !== null) return receipt
      await sleep(5)
    }
    return assert.fail(`${hash} was not mined`)
  }
  const { contractAddress: to } = await receiptOf(created)
  return {
    send: async (from, name, args, at) => {
      const call = { from, to, data: encodeFunctionData({ abi: abi as Abi, functionName: name, args }) }
      await ask('evm_setNextBlockTimestamp', at)
      const hash = await ask('eth_sendTransaction', { ...call, gas: '0x300000' })
      const { status, blockNumber } = await receiptOf(hash)
      if (status === '0x1') return undefined
      const failed = await ask('eth_call', call, blockNumber).then(
        () => assert.fail('a call that reverted does not revert'),
        (error: { data?: Hex }) => error,
      )
      const { errorName, args: values } = decodeErrorResult({ abi: abi as Abi, data: failed.data as Hex })
      return { code: errorName, row: Number(values?.[0]) }
    },
    read: (name, args) =>
      ask('eth_call', { to, data: encodeFunctionData({ abi: abi as Abi, functionName: name, args }) }, 'latest'),
    snapshot: () => ask('evm_snapshot'),
    revert: async to => void (await ask('evm_revert', to)),
  }
}

const toStruct = ({
  id,
  kind,
  country,
  key,
  act,
}: {
  id: string
  kind: string
  country: string
  key: string
  act: string
}) => ({
  id,
  kind: KINDS.indexOf(kind as PartyKind),
  country: stringToHex(country),
  key,
  act,
})

type Step =
  | { do: 'propose'; change: Change }
  | { do: 'vote'; number: number }
  | { do: 'addKey'; key: Hex }
  | { do: 'revokeKey'; key: Hex }
  | { do: 'replaceKey'; lost: Hex; key: Hex }

/** The call of the contract that is this one of the rules. */
function toSolidity(step: Step): [name: string, args: readonly unknown[]] {
  if (step.do === 'vote') return ['vote', [BigInt(step.number)]]
  if (step.do === 'replaceKey') return ['replaceKey', [step.lost, step.key, id(0xac)]]
  if (step.do === 'addKey' || step.do === 'revokeKey') return [step.do, [step.key]]
  const { change } = step
  switch (change.do) {
    case 'seat':
      return ['proposeSeat', [toStruct({ ...change.authority, act: change.act })]]
    case 'remove':
      return ['proposeRemoval', [change.authority, change.act]]
    case 'replaceKey':
      return ['proposeKey', [change.party, change.lost, change.key, change.act]]
    case 'admit':
      return ['proposeAdmission', [toStruct({ ...change, id: change.member })]]
    case 'dismiss':
      return ['proposeDismissal', [change.member, change.act]]
    case 'validators':
      return ['proposeValidators', [change.chain, change.add, change.remove]]
    case 'writers':
      return ['proposeWriters', [change.chain, change.add, change.remove]]
    case 'upgrade':
      return ['proposeUpgrade', [change.contract, change.code]]
  }
}

function toRule(step: Step): (call: Call) => Promise<unknown> {
  if (step.do === 'vote') return call => vote(call, String(step.number))
  if (step.do === 'replaceKey') return call => replaceKey(call, step.lost, step.key, id(0xac))
  if (step.do === 'addKey') return call => addKey(call, step.key)
  if (step.do === 'revokeKey') return call => revokeKey(call, step.key)
  return call => propose(call, step.change)
}

// Few values, so that steps meet each other.
const ids = fc.constantFrom(...[1, 2, 3, 4, 5, 6, 7].map(id))
const keys = fc.constantFrom(...[1, 2, 3, 4, 5, 6, 7, 8, 9].map(key))
/** Mostly the members. */
const callers = fc.constantFrom(...[1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7].map(key))
const acts = fc.constantFrom(id(0xac), id(0xac), id(0xac), id(0))
const countries = fc.constantFrom('FR', 'DE', 'IT')
const validators = fc.uniqueArray(fc.constantFrom(...[11, 12, 13, 14, 15, 21].map(id)), { maxLength: 2 })
const changes = fc.oneof(
  fc.record({
    do: fc.constant('seat' as const),
    authority: fc.record({
      id: ids,
      kind: fc.constantFrom('ncca' as const, 'nab' as const, 'coordinator' as const),
      country: countries,
      key: keys,
    }),
    act: acts,
  }),
  fc.record({ do: fc.constant('remove' as const), authority: ids, act: acts }),
  fc.record({ do: fc.constant('replaceKey' as const), party: ids, lost: keys, key: keys, act: acts }),
  fc.record({
    do: fc.constant('admit' as const),
    member: ids,
    kind: fc.constantFrom('state' as const, 'enisa' as const),
    country: countries,
    key: keys,
    act: acts,
  }),
  fc.record({ do: fc.constant('dismiss' as const), member: ids, act: acts }),
  fc.record({
    do: fc.constantFrom('validators' as const, 'writers' as const),
    chain: fc.constantFrom(CHAIN, CHAIN, CHAIN, id(9)),
    add: validators,
    remove: validators,
  }),
  fc.record({ do: fc.constant('upgrade' as const), contract: ids, code: acts }),
)
const steps = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('propose' as const), change: changes }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('vote' as const),
      number: fc.constantFrom(0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('addKey' as const), key: keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revokeKey' as const), key: keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replaceKey' as const), lost: keys, key: keys }) },
)
const calls = fc.array(fc.tuple(callers, fc.constantFrom(...Array<number>(20).fill(1), 60, DAY, 4 * DAY), steps), {
  minLength: STEPS / 2,
  maxLength: STEPS,
})

async function assertSame(chain: Chain, memory: Memory): Promise<void> {
  for (let n = 1; n <= 7; n++) {
    const party = memory.get('party', id(n))
    const words = (await chain.read('partyOf', [id(n)])).slice(2).match(/.{64}/g) as string[]
    assert.equal(KINDS[Number(`0x${words[0]}`)], party?.kind ?? 'none')
    assert.equal(Number(`0x${words[2]}`) === 1, party?.isActive ?? false)
  }
  for (let n = 1; n <= 9; n++) {
    const found = memory.get('key', key(n))
    const [party, since, revoked] = (await chain.read('keyOf', [key(n)])).slice(2).match(/.{64}/g) as string[]
    assert.equal(`0x${party}`, found?.party ?? id(0))
    assert.equal(Number(`0x${since}`) > 0, found !== undefined)
    assert.equal(Number(`0x${revoked}`), found?.revoked ?? 0)
  }
  const [members = '', , , , proposals = ''] = (await chain.read('consortium', [])).slice(2).match(/.{64}/g) as string[]
  const consortium = memory.get('consortium', CONSORTIUM)
  assert.deepEqual([Number(`0x${members}`), Number(`0x${proposals}`)], [consortium?.members, consortium?.proposals])
  for (const which of ['validators', 'writers'] as const) {
    const list = (await chain.read(`${which}Of`, [CHAIN])).slice(130).match(/.{64}/g) ?? []
    assert.deepEqual(
      list.map(word => `0x${word}`),
      memory.get('chainSet', CHAIN)?.[which],
    )
  }
}

test(`${RUNS} runs of ${STEPS} calls at most: contract and rules do and refuse the same (seed ${SEED})`, async t => {
  const started = await anvil
  if (typeof started === 'string') return t.skip(started)
  forge('build')
  const chain = await deploy(started.url)
  let at = 1_800_000_100
  let made = 0
  const refused = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(calls, async list => {
      const back = await chain.snapshot()
      try {
        const memory = createMemory()
        await memory.run('', 1_800_000_000, call => found(call, GENESIS))
        for (const [caller, pause, step] of list) {
          at += pause
          const [name, args] = toSolidity(step)
          const contract = await chain.send(caller, name, args, at)
          const rules = await memory.run(caller, at, toRule(step)).then(
            () => undefined,
            (error: unknown) => {
              if (!(error instanceof Refusal)) throw error
              return { code: error.code, row: error.row }
            },
          )
          assert.deepEqual(contract, rules, `${name} ${JSON.stringify(step)}`)
          if (rules) refused.set(`${rules.row} ${rules.code}`, (refused.get(`${rules.row} ${rules.code}`) ?? 0) + 1)
        }
        await assertSame(chain, memory)
        made += memory.events.filter(event => event.name === 'ChangeMade').length
      } finally {
        await chain.revert(back)
      }
    }),
    { seed: SEED, numRuns: RUNS },
  )
  console.log(
    `measured: ${made} changes made, ${[...refused.values()].reduce((a, b) => a + b, 0)} calls refused in ${refused.size} ways`,
  )
  assert.ok(made > RUNS / 4)
  assert.ok(refused.size > 12, [...refused.keys()].join())
})
