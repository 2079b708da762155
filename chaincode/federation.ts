import {
  type Entities,
  type Event,
  invokeRule,
  type Kind,
  Refusal as RuleRefusal,
  type State as RuleState,
} from '@entente/rules'
import { Refusal } from './refusal.ts'
import type { Call } from './state.ts'

/** Rules of the federation (packages/rules) on Fabric: the same functions that the Solidity contracts are held against. */
const keyOf = (kind: Kind, id: string): string => `federation/${kind}/${id}`

/**
 * Runs a rule on the state of this peer. What it emits is one event of Fabric, named `federation`, as Fabric has one a transaction.
 *
 * @param args JSON: the rule's arguments in their order
 * @throws Refusal by the rule's name of the error, with its row
 */
export async function runRule(call: Call, name: string, args: string): Promise<unknown> {
  const puts = new Map<string, string>()
  const events: Event[] = []
  const state: RuleState = {
    get: (kind, id) => readEntity(call, kind, id),
    put: (kind, id, value) => {
      puts.set(keyOf(kind, id), JSON.stringify(value))
    },
    emit: event => {
      events.push(event)
    },
  }
  const rule = { state, caller: call.caller, now: call.time() }
  try {
    const answer = await invokeRule(rule, name, parse(args))
    for (const [key, value] of puts) await call.state.put(key, value)
    if (events.length > 0) call.emit?.('federation', JSON.stringify(events))
    return answer
  } catch (error) {
    if (!(error instanceof RuleRefusal)) throw error
    throw new Refusal(error.code, { row: error.row, ...flat(error.details) })
  }
}

/** An entity as it is; undefined where there is none. */
export async function readEntity<K extends Kind>(
  { state }: Call,
  kind: K,
  id: string,
): Promise<Entities[K] | undefined> {
  const text = await state.get(keyOf(kind, id))
  return text === undefined ? undefined : (JSON.parse(text) as Entities[K])
}

function parse(args: string): unknown {
  try {
    return JSON.parse(args)
  } catch {
    throw new Refusal('Invalid', { what: 'arguments: a JSON array', is: args.slice(0, 80) })
  }
}

const flat = (details: Readonly<Record<string, unknown>>): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(details).map(([name, value]) => [
      name,
      typeof value === 'number' ? value : (JSON.stringify(value) ?? 'none'),
    ]),
  )
