// A chain with everybody on it: what the tests of the rules begin with. Keys are names, ids are numbers in hexadecimal.
import assert from 'node:assert/strict'
import { type Call, createMemory, type Memory } from '../call.ts'
import { type Id, PARTY_KINDS, type PartyKind } from '../entities.ts'
import { adoptScheme, type SchemeInput } from '../framework.ts'
import { Refusal, type RefusalCode, ZERO } from '../refusal.ts'

export const DAY = 86_400
export const NOW = 1_800_000_000
export const id = (n: number): Id => `0x${n.toString(16).padStart(64, '0')}`
export const hash = (n: number): Id => id(0xabc000 + n)

/** The id of the party of a kind; its key is called as its kind. */
export const party = (kind: PartyKind): Id => id(1 + PARTY_KINDS.indexOf(kind))

export type World = Memory & {
  /** As a party of this kind, or with this key. */
  as<T>(caller: string, rule: (call: Call) => Promise<T>): Promise<T>
  /** It is refused so, by this row, and nothing has changed. */
  refuses(row: number, code: RefusalCode, caller: string, rule: (call: Call) => Promise<unknown>): Promise<void>
  now: number
}

/** All on one chain, which no chain of the federation is: each test looks at what its row is about. */
export function createWorld(chain: 'eu' | 'artifact' | 'certification' | 'vulnerability' = 'certification'): World {
  const memory = createMemory()
  memory.seed('chain', 'self', { kind: chain, country: 'FR' })
  const registrars: Partial<Record<PartyKind, Id>> = {
    certificationBody: party('ncca'),
    cab: party('nab'),
    itsef: party('nab'),
    publicBody: party('nab'),
    manufacturer: party('ncca'),
    holder: party('ncca'),
    provider: party('coordinator'),
  }
  for (const kind of PARTY_KINDS) {
    const registrar = registrars[kind] ?? ZERO
    const country = kind === 'commission' || kind === 'enisa' ? 'EU' : 'FR'
    memory.seed('party', party(kind), { kind, country, act: hash(1), registrar, isActive: true, from: 'own' })
    memory.seed('key', kind, { party: party(kind), since: NOW - DAY, revoked: undefined })
  }
  const world: World = {
    ...memory,
    now: NOW,
    as: (caller, rule) => memory.run(caller, world.now, rule),
    refuses: async (row, code, caller, rule) => {
      const before = memory.events.length
      await assert.rejects(memory.run(caller, world.now, rule), (error: unknown) => {
        if (!(error instanceof Refusal)) throw error
        assert.deepEqual({ code: error.code, row: error.row }, { code, row }, error.message)
        return true
      })
      assert.equal(memory.events.length, before)
    },
  }
  return world
}

/** Another party of a kind. */
export function join(world: World, kind: PartyKind, key: string, n: number, country = 'FR'): Id {
  world.seed('party', id(n), { kind, country, act: hash(2), registrar: ZERO, isActive: true, from: 'own' })
  world.seed('key', key, { party: id(n), since: NOW - DAY, revoked: undefined })
  return id(n)
}

export const SCHEME = id(0x5c4e)
export const SCOPE = id(0x5c09e)
export const CATEGORY = id(0xca7)
/** As EUCC is, but for *basic*, which it does not have. */
export const scheme = (more: Partial<SchemeInput> = {}): SchemeInput => ({
  document: hash(10),
  scope: SCOPE,
  adopted: NOW - 365 * DAY,
  endsAt: undefined,
  levels: ['basic', 'substantial', 'high'],
  maxValidity: 5 * 365 * DAY,
  allowsDeclaration: true,
  isPublicOnly: false,
  authorisedLevels: [],
  van: { substantial: 2, high: 5 },
  maxSuspension: 42 * DAY,
  maxSuspended: 365 * DAY,
  maxAccreditation: 5 * 365 * DAY,
  allowsProfiles: true,
  ...more,
})

export const adopt = (world: World, more: Partial<SchemeInput> = {}, at: Id = SCHEME) =>
  world.as('commission', call => adoptScheme(call, at, scheme(more)))
