import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer } from '@platformatic/kafka'
import { answered, closeClient, createMember, type KafkaConnection, toChannelError } from './client.ts'
import type { Offsets, Reader } from './reader.ts'

const RETRY_MS = 200

/** A member of the consumer group that keeps how far a durable subscriber has acknowledged. */
export class Group {
  readonly #member: Consumer
  readonly #connection: KafkaConnection
  readonly #topic: string
  readonly #ended: AbortSignal
  /** Somebody came or left since {@link Group.take}. */
  #changed = false
  /** The library has given up: we join again. */
  #broken = false
  /** Offsets to commit, and those that are. */
  readonly #wanted: Offsets = new Map()
  readonly #committed: Offsets = new Map()
  #committing: Promise<void> | undefined

  constructor(connection: KafkaConnection, topic: string, name: string, ended: AbortSignal) {
    this.#connection = connection
    this.#topic = topic
    this.#ended = ended
    this.#member = createMember(connection, topic, `${name}.${topic}`)
    this.#member.on('consumer:group:join', () => {
      this.#changed = true
    })
    this.#member.on('error', () => {
      this.#broken = true
    })
  }

  async join(): Promise<void> {
    this.#broken = false
    await this.#member.joinGroup()
    this.#changed = true
  }

  /** Whether what this member reads may not be its own any more: {@link Group.take} says what is. */
  get isChanged(): boolean {
    return this.#changed || this.#broken
  }

  /**
   * What this member has to read now, and from where; and up to where somebody may have got it before.
   *
   * @param from where a group begins that the broker does not know; it knows it from then on
   */
  async take(reader: Reader, from: 'now' | 'start'): Promise<{ next: Offsets; seen: Offsets }> {
    if (this.#broken) await this.join()
    this.#changed = false
    const own = this.#own()
    const all = Array.from({ length: await reader.countPartitions() }, (_, partition) => partition)
    const known = await this.#member.listCommittedOffsets({ topics: [{ topic: this.#topic, partitions: all }] })
    const kept = new Map([...(known.get(this.#topic) ?? []).entries()].filter(([, offset]) => (offset ?? -1n) >= 0n))
    // A partition that was added to the topic later is read from its beginning.
    const fresh = await reader.list(kept.size > 0 ? 'start' : from)
    const end = await reader.list('now')
    const next: Offsets = new Map()
    const seen: Offsets = new Map()
    for (const partition of own) {
      const offset = kept.get(partition)
      if (offset === undefined) this.#wanted.set(partition, fresh.get(partition) ?? 0n)
      else {
        this.#committed.set(partition, offset)
        seen.set(partition, end.get(partition) ?? 0n)
      }
      next.set(partition, offset ?? fresh.get(partition) ?? 0n)
    }
    await this.#flush()
    return { next, seen }
  }

  /** Resolves when the group has it, or when a partition went to another member, who gets it again. */
  async commit(offsets: Offsets): Promise<void> {
    for (const [partition, offset] of offsets)
      if (offset > (this.#wanted.get(partition) ?? -1n)) this.#wanted.set(partition, offset)
    await this.#flush()
  }

  /** The offsets that it knows mean nothing any more: the topic is another one. */
  forget(): void {
    this.#wanted.clear()
    this.#committed.clear()
  }

  async #flush(): Promise<void> {
    while (this.#open().length > 0) await (this.#committing ??= this.#commitOnce())
  }

  /** What is to be committed of this member's partitions. */
  #open() {
    const own = new Set(this.#own())
    return [...this.#wanted]
      .filter(([partition, offset]) => own.has(partition) && offset > (this.#committed.get(partition) ?? -1n))
      .map(([partition, offset]) => ({ topic: this.#topic, partition, offset, leaderEpoch: -1 }))
  }

  async #commitOnce(): Promise<void> {
    const offsets = this.#open()
    try {
      this.#ended.throwIfAborted()
      if (this.#broken) await this.join()
      await this.#member.commit({ offsets })
      for (const { partition, offset } of offsets) this.#committed.set(partition, offset)
    } catch (error) {
      this.#ended.throwIfAborted()
      // The heartbeat joins the group again; then the number of its generation is another.
      const rejoins = answered(error, 'REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID')
      const failure = toChannelError(error, this.#connection)
      if (!rejoins && failure.code !== 'unreachable') throw failure
      await sleep(RETRY_MS, undefined, { signal: this.#ended })
    } finally {
      this.#committing = undefined
    }
  }

  #own(): number[] {
    return (this.#member.assignments ?? []).filter(({ topic }) => topic === this.#topic).flatMap(a => a.partitions)
  }

  close(): Promise<void> {
    return closeClient(this.#member)
  }
}
