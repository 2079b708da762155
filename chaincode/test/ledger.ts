import { invoke, type State } from '../index.ts'

/** Callers as Fabric names them. */
export const identity = (name: string): string =>
  `Org1MSP:x509::/OU=client/CN=${name}::/O=org1.example/CN=ca.org1.example`

export interface TestLedger {
  readonly state: ReadonlyMap<string, string>
  /** Of each transaction that ended well. */
  readonly events: readonly { name: string; payload: string }[]
  /** Runs one function as a transaction: what it puts counts only if it ends well, and it does not read what it put itself. */
  transact(caller: string, name: string, ...args: (string | number)[]): Promise<unknown>
  /** Key of the newest transaction, 64 hex digits. */
  readonly transaction: string
}

/** A world state in memory, with the clock that is given. */
export function createTestLedger(now: () => number = () => 1_800_000_000): TestLedger {
  const state = new Map<string, string>()
  const events: { name: string; payload: string }[] = []
  let transactions = 0
  return {
    state,
    events,
    get transaction() {
      return transactions.toString(16).padStart(64, '0')
    },
    async transact(caller, name, ...args) {
      transactions++
      const puts = new Map<string, string>()
      const view: State = { get: async key => state.get(key), put: async (key, value) => void puts.set(key, value) }
      let emitted: { name: string; payload: string } | undefined
      const emit = (event: string, payload: string) => {
        emitted = { name: event, payload }
      }
      const call = { state: view, caller, transaction: this.transaction, time: now, emit }
      const answer = await invoke(call, name, args.map(String))
      for (const [key, value] of puts) state.set(key, value)
      if (emitted) events.push(emitted)
      return answer === '' ? undefined : JSON.parse(answer)
    },
  }
}
