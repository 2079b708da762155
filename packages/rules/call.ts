import type { Entities, Kind } from './entities.ts'
import type { Event } from './event.ts'

/**
 * Port: what a rule may look at and change. A chaincode gives the state of its peer, a preview that of a registry, a test a map
 * ({@link createMemory}).
 *
 * - `get` MUST answer what was there before the call, also after a `put` of it, as on Fabric: no rule reads what it wrote.
 * - What was put and emitted MUST count only if the call ends well.
 */
export interface State {
  get<K extends Kind>(kind: K, id: string): Promise<Entities[K] | undefined>
  put<K extends Kind>(kind: K, id: string, value: Entities[K]): void
  emit(event: Event): void
}

/** One call of a rule. */
export type Call = {
  state: State
  /** The key that signed: an address on EVM chains, an identity that an MSP vouches for on Fabric. */
  caller: string
  /** Block time, whole seconds since 1970. */
  now: number
}

export type Memory = {
  /** Runs a call as one transaction: a refusal changes nothing. */
  run<T>(caller: string, now: number, rule: (call: Call) => Promise<T>): Promise<T>
  get<K extends Kind>(kind: K, id: string): Entities[K] | undefined
  /** Puts without a rule: what a chain begins with. */
  seed<K extends Kind>(kind: K, id: string, value: Entities[K]): void
  readonly events: readonly Event[]
}

/** A state in memory: for previews over what was read before, and for tests. */
export function createMemory(): Memory {
  const rows = new Map<string, unknown>()
  const events: Event[] = []
  const key = (kind: Kind, id: string) => `${kind} ${id}`
  const get = <K extends Kind>(kind: K, id: string) => rows.get(key(kind, id)) as Entities[K] | undefined
  return {
    get,
    seed: (kind, id, value) => {
      rows.set(key(kind, id), value)
    },
    events,
    run: async (caller, now, rule) => {
      const written = new Map<string, unknown>()
      const emitted: Event[] = []
      const state: State = {
        get: async (kind, id) => get(kind, id),
        put: (kind, id, value) => {
          written.set(key(kind, id), value)
        },
        emit: event => {
          emitted.push(event)
        },
      }
      const result = await rule({ state, caller, now })
      for (const [at, value] of written) rows.set(at, value)
      events.push(...emitted)
      return result
    },
  }
}
