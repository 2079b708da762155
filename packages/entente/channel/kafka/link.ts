import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from '@platformatic/kafka'
import type { BrokerState } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { closeClient, createAdmin, type KafkaConnection, toChannelError } from './client.ts'

/** Between two tries to connect. */
const RETRY_MS = 250

/** A client that is connected, or about to be again. */
export type Link = {
  state(): BrokerState
  /**
   * The client, once it is connected.
   *
   * @throws ChannelError `unreachable` after `patienceMs`, `refused` at once, `closed`
   */
  client(patienceMs: number): Promise<Admin>
  /** That client is of no use any more: another one is made. */
  lost(client: Admin, error: ChannelError): void
  /** Aborts with {@link Link.close}; the reason is what to reject with. */
  closed: AbortSignal
  close(): Promise<void>
}

/** @param prepare what has to be done on the cluster with each new client before it is used */
export function openLink(
  connection: KafkaConnection,
  prepare: (client: Admin) => Promise<void>,
  now: () => number,
): Link {
  const closing = new AbortController()
  const closed = closing.signal
  let current: Admin | undefined
  let opening: Admin | undefined
  let failure = new ChannelError('unreachable', `Kafka at ${connection.brokers.join(', ')}: not connected yet`)
  let state: BrokerState = { connected: false, error: failure.message, since: now() }
  /** Resolves when a client is there, rejects when connecting failed. */
  let attempt = connect()
  attempt.catch(() => {})

  function note(error: ChannelError | undefined): void {
    if (closed.aborted) return
    if (error) failure = error
    const connected = error === undefined
    state = { connected, error: error?.message, since: connected === state.connected ? state.since : now() }
  }

  async function connect(): Promise<Admin> {
    const admin = createAdmin(connection)
    opening = admin
    try {
      await prepare(admin)
    } catch (error) {
      await closeClient(admin)
      note(toChannelError(error, connection))
      setTimeout(again, RETRY_MS).unref()
      throw failure
    }
    if (closed.aborted) {
      await closeClient(admin)
      throw closed.reason
    }
    current = admin
    const broke = new ChannelError('unreachable', `Kafka at ${connection.brokers.join(', ')}: the connection broke`)
    admin.on('client:broker:disconnect', () => lost(admin, broke))
    note(undefined)
    return admin
  }

  function again(): void {
    if (closed.aborted) return
    attempt = connect()
    attempt.catch(() => {})
  }

  function lost(client: Admin, error: ChannelError): void {
    if (client !== current || closed.aborted) return
    current = undefined
    note(error)
    void closeClient(client)
    again()
  }

  return {
    closed,
    lost,
    state: () => ({ ...state }),
    async client(patienceMs) {
      for (const until = performance.now() + patienceMs; ; ) {
        if (closed.aborted) throw closed.reason
        if (current) return current
        const rest = sleep(Math.max(0, until - performance.now()), undefined, { ref: false })
        await Promise.race([attempt.catch(() => {}), rest])
        if (current) continue
        if (failure.code !== 'unreachable' || performance.now() >= until) throw failure
        await sleep(RETRY_MS, undefined, { signal: closed }).catch(() => {})
      }
    },
    async close() {
      if (closed.aborted) return
      closing.abort(new ChannelError('closed', 'this publisher was closed'))
      state = { connected: false, error: 'closed', since: now() }
      await Promise.all([closeClient(current), closeClient(opening)])
    },
  }
}
