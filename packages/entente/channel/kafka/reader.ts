import type { Consumer, KafkaRecord, RecordsBatch } from '@platformatic/kafka'
import { ChannelError } from '../error.ts'
import { answered, closeClient, createReader, type KafkaConnection } from './client.ts'

/** What one request brings; a larger message comes alone. */
const FETCH_BYTES = 1_048_576
/** How long a broker may keep a request that it has nothing for. */
const FETCH_MS = 1_000
/** RecordBatch attributes, bit 5: what a transaction coordinator wrote. */
const CONTROL = 0x20
const EARLIEST = -2n
const LATEST = -1n

/** Next offset of each partition. */
export type Offsets = Map<number, bigint>
export type Fetched = { partition: number; offset: bigint; record: KafkaRecord }

/** Reads the partitions of one topic from offsets that it is told, from each leader one request at a time. */
export class Reader {
  readonly #connection: KafkaConnection
  readonly #topic: string
  #client: Consumer
  /** Of the topic as it was read last: one of the same name may take its place. */
  #topicId: string | undefined
  /** Requests under way, by leader. They never reject. */
  #pending = new Map<number, Promise<{ node: number; result: Fetched[] | Error }>>()

  constructor(connection: KafkaConnection, topic: string) {
    this.#connection = connection
    this.#topic = topic
    this.#client = createReader(connection, topic)
  }

  async countPartitions(): Promise<number> {
    return (await this.#metadata()).topic.partitionsCount
  }

  /** The oldest offset that is there, or the one behind the newest, of each partition. */
  async list(which: 'start' | 'now'): Promise<Offsets> {
    const timestamp = which === 'start' ? EARLIEST : LATEST
    const offsets = await this.#client.listOffsets({ topics: [this.#topic], timestamp })
    return new Map((offsets.get(this.#topic) ?? []).entries())
  }

  /**
   * What follows in the partitions of `offsets`, in order for each: of whichever leader answers first, perhaps nothing. `offsets` moves behind what
   * nobody is to read.
   *
   * @throws whatever the library throws; the next call begins with a new connection
   */
  async fetch(offsets: Offsets, stop: AbortSignal): Promise<Fetched[]> {
    try {
      const { topic, brokers } = await this.#metadata()
      const isAnew = this.#topicId !== undefined && topic.id !== this.#topicId
      this.#topicId = topic.id
      if (isAnew) throw new MadeAnew(`the topic ${this.#topic} was deleted and made anew`)
      const leaders = Map.groupBy(offsets.keys(), partition => topic.partitions[partition]?.leader ?? -1)
      for (const [node, partitions] of leaders) {
        if (!brokers.has(node))
          throw new ChannelError('unreachable', `Kafka has no leader for a part of ${this.#topic}`)
        if (this.#pending.has(node)) continue
        const request = this.#request(topic.id, node, partitions, offsets)
        this.#pending.set(
          node,
          request.then(
            result => ({ node, result }),
            (error: Error) => ({ node, result: error }),
          ),
        )
      }
      const stopped = Promise.withResolvers<undefined>()
      const onStop = () => stopped.resolve(undefined)
      stop.addEventListener('abort', onStop)
      if (stop.aborted) onStop()
      const first = await Promise.race([...this.#pending.values(), stopped.promise])
      stop.removeEventListener('abort', onStop)
      if (first === undefined) return []
      this.#pending.delete(first.node)
      if (first.result instanceof Error) throw first.result
      // What was asked for before a partition went to somebody else is theirs.
      return first.result.filter(({ partition, offset }) => offset >= (offsets.get(partition) ?? offset + 1n))
    } catch (error) {
      await this.close()
      this.#client = createReader(this.#connection, this.#topic)
      throw error
    }
  }

  async #metadata() {
    const { topics, brokers } = await this.#client.metadata({ topics: [this.#topic] })
    const topic = topics.get(this.#topic)
    if (!topic) throw new ChannelError('unreachable', `Kafka does not show the topic ${this.#topic}`)
    return { topic, brokers }
  }

  async #request(topicId: string, node: number, partitions: number[], offsets: Offsets): Promise<Fetched[]> {
    const asked = partitions.map(partition => ({
      partition,
      fetchOffset: offsets.get(partition) as bigint,
      partitionMaxBytes: FETCH_BYTES,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }))
    const response = await this.#client.fetch({
      node,
      topics: [{ topicId, partitions: asked }],
      maxBytes: FETCH_BYTES,
      maxWaitTime: FETCH_MS,
    })
    const fetched: Fetched[] = []
    for (const { partitions } of response.responses)
      for (const { partitionIndex, records } of partitions) {
        const from = offsets.get(partitionIndex)
        if (from === undefined || !records) continue
        const found = records.flatMap(batch => recordsOf(batch, partitionIndex)).filter(r => r.offset >= from)
        const last = records.at(-1)
        if (found.length === 0 && last) offsets.set(partitionIndex, behind(last))
        fetched.push(...found)
      }
    return fetched
  }

  async close(): Promise<void> {
    this.#pending.clear()
    await closeClient(this.#client)
  }
}

const behind = (batch: RecordsBatch): bigint => batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n

const recordsOf = (batch: RecordsBatch, partition: number): Fetched[] =>
  (batch.attributes & CONTROL) === 0
    ? batch.records.map(record => ({ partition, offset: batch.firstOffset + BigInt(record.offsetDelta), record }))
    : []

/** The topic is another one than that which the offsets are of. */
export class MadeAnew extends Error {}

/** Whether the offset that was asked for is not there. */
export const isOutOfRange = (error: unknown): boolean => answered(error, 'OFFSET_OUT_OF_RANGE')
