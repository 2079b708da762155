import {
  acceptOwnership,
  anchor,
  latest,
  offerOwnership,
  readLog,
  register,
  rootOf,
  succeed,
  verifyInclusion,
} from './checkpoint-anchor.ts'
import { getRecord, putRecords, type RecordPart } from './record-store.ts'
import { readEntity, runRule } from './federation.ts'
import { Refusal } from './refusal.ts'
import type { Kind } from '@entente/rules'
import type { Call } from './state.ts'

/** What `rootOf` answers begins with: endorsers sign it, and no other function's answer has it (docs/formats.md, section 8). */
export const ROOT_FORMAT = 'entente/fabric-root/v1'

const HASH = /^[0-9a-f]{64}$/
const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/
const OWNER = /^[A-Za-z0-9._-]{1,128}:x509::[^\p{Cc}]{1,4096}$/u
const OWNER_OR_NOBODY = new RegExp(`^$|${OWNER.source}`, 'u')
const NAME = /^[A-Za-z]{1,40}$/
const ENTITY = /^[^\p{Cc}]{1,5000}$/u
const JSON_TEXT = /^\[[^]{0,200000}$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** The arguments of one call, taken one after the other. */
class Arguments {
  readonly #given: readonly string[]
  #next = 0

  constructor(given: readonly string[]) {
    this.#given = given
  }

  text(form: RegExp, what: string): string {
    const value = this.#given[this.#next++]
    if (value === undefined || !form.test(value)) throw new Refusal('Invalid', { what, is: String(value).slice(0, 80) })
    return value
  }
  hash(what: string): string {
    return this.text(HASH, `${what}: 64 lower-case hex digits`)
  }
  number(what: string): number {
    const value = Number(this.text(DECIMAL, `${what}: a decimal number`))
    if (!Number.isSafeInteger(value)) throw new Refusal('Invalid', { what: `${what}: at most 2^53 - 1`, is: value })
    return value
  }
  bytes(what: string): Uint8Array {
    return Uint8Array.from(Buffer.from(this.text(BASE64, `${what}: base64`), 'base64'))
  }
  root(): Uint8Array {
    return Uint8Array.from(Buffer.from(this.hash('a hash'), 'hex'))
  }
  part(): RecordPart {
    const [id, index, count] = [this.hash('id'), this.number('index'), this.number('count')]
    return { id, index, count, bytes: this.bytes('chunk') }
  }
  /** All that is left. */
  rest<T>(take: () => T): T[] {
    const list: T[] = []
    while (this.#next < this.#given.length) list.push(take())
    return list
  }
  end(): void {
    const { length } = this.#given
    if (this.#next !== length) throw new Refusal('Invalid', { what: 'arguments', expected: this.#next, actual: length })
  }
}

/** Each takes the arguments that its name's function has in `ICheckpointAnchor.sol`, as text. What it answers becomes JSON. */
const FUNCTIONS: Record<string, (call: Call, given: Arguments) => Promise<unknown>> = {
  register: (call, given) => register(call, given.hash('originHash')),
  anchor: (call, given) =>
    anchor(
      call,
      given.hash('logId'),
      given.number('size'),
      given.root(),
      given.rest(() => given.root()),
    ),
  succeed: (call, given) => succeed(call, given.hash('logId'), given.number('finalSize'), given.hash('newLogId')),
  offerOwnership: (call, given) =>
    offerOwnership(
      call,
      given.hash('logId'),
      given.text(OWNER_OR_NOBODY, 'newOwner: MSP:x509::SUBJECT::ISSUER, or nothing'),
    ),
  acceptOwnership: (call, given) => acceptOwnership(call, given.hash('logId')),
  latest: ({ state }, given) => latest(state, given.hash('logId')),
  async rootOf({ state }, given) {
    const logId = given.hash('logId')
    const anchored = await rootOf(state, logId, given.number('size'))
    return anchored === undefined ? undefined : { format: ROOT_FORMAT, log_id: logId, ...anchored }
  },
  ownerOf: async ({ state }, given) => (await readLog(state, given.hash('logId')))?.owner ?? '',
  offeredTo: async ({ state }, given) => (await readLog(state, given.hash('logId')))?.offeredTo ?? '',
  async successorOf({ state }, given) {
    const log = await readLog(state, given.hash('logId'))
    return { finalSize: log?.finalSize ?? 0, newLogId: log?.successor ?? '' }
  },
  verifyInclusion: ({ state }, given) =>
    verifyInclusion(
      state,
      given.hash('logId'),
      given.number('size'),
      given.number('index'),
      given.root(),
      given.rest(() => given.root()),
    ),
  /** The contract has it in an event. */
  originHashOf: async ({ state }, given) => (await readLog(state, given.hash('logId')))?.originHash,
  /** Not in the contract: the name to which a log can be offered. */
  caller: async ({ caller }) => caller,
  putRecords: (call, given) =>
    putRecords(
      call,
      given.hash('logId'),
      given.rest(() => given.part()),
    ),
  /** A rule of the federation by its name, and its arguments as JSON. */
  rule: (call, given) => runRule(call, given.text(NAME, 'rule'), given.text(JSON_TEXT, 'arguments: JSON')),
  /** An entity of the federation: its kind and id. */
  entity: (call, given) => readEntity(call, given.text(NAME, 'kind') as Kind, given.text(ENTITY, 'id')),
  getRecord: ({ state }, given) => getRecord(state, given.hash('logId'), given.hash('id'), given.number('index')),
}

/**
 * Runs one function of the chaincode.
 *
 * @returns its answer as JSON; empty where it has none
 * @throws Refusal
 */
export async function invoke(call: Call, name: string, args: readonly string[]): Promise<string> {
  const run = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined
  if (run === undefined) throw new Refusal('Invalid', { what: 'function', is: name.slice(0, 80) })
  if (!OWNER.test(call.caller)) throw new Refusal('Invalid', { what: 'caller', is: call.caller.slice(0, 200) })
  const given = new Arguments(args)
  const answer = await run(call, given)
  given.end() // what was put before counts for nothing when this throws
  return answer === undefined ? '' : JSON.stringify(answer)
}
