import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Admin,
  type CreateRecordsBatchOptions,
  compatibilityPartitioner,
  type MessageRecord,
  NumericMap,
  ProduceAcks,
} from '@platformatic/kafka'
import { EVENT_HEADER, type Message, POSITION_HEADER, REDELIVERED_HEADER } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { answered, getApi, type KafkaConnection, toChannelError } from './client.ts'
import type { Link } from './link.ts'
import { ensureTopic } from './topic.ts'

/** What one request carries; a broker takes 1 MiB by default. */
const BATCH_BYTES = 524_288
/** Between two tries. */
const AGAIN_MS = 100
/** How long the brokers may wait for each other's copies. */
const COPIES_MS = 4_000
/** An epoch is an int16; after the last one a new producer id begins. */
const LAST_EPOCH = 32_766
/** Sequences are int32. */
const LAST_SEQUENCE = 2_000_000_000

/** Answers that say that the broker's memory of this producer is not ours: the same sequence would never be taken. */
const FORGOT = [
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
]

type Batch = { partition: number; sequence: number; records: MessageRecord[] }
type Produce = [acks: number, timeout: number, records: MessageRecord[], options: Partial<CreateRecordsBatchOptions>]
type Init = [transactionalId: null, timeout: number, producerId: bigint, epoch: number]

/**
 * The idempotent producer of one topic (KIP-98), one request at a time. The library has one, too, which sends again what the broker has forgotten the
 * number of under a new producer id, unmarked; and which never gives up. Here:
 *
 * - Within one {@link Producer.send}, the same records with the same numbers are sent again after a lost connection: the broker drops those it has.
 * - After a rejection the epoch is raised (KIP-360), so that a request of before that is still on its way is refused when it comes late; what the caller
 *   then sends is new to the broker.
 */
export class Producer {
  readonly #connection: KafkaConnection
  readonly #topic: string
  readonly #now: () => number
  readonly #keepMs: number
  /** Through which its topic was seen. */
  #prepared: Admin | undefined
  #id: bigint | undefined
  #epoch = 0
  /** Next sequence of each partition. */
  #next = new Map<number, number>()

  constructor(connection: KafkaConnection, topic: string, keepMs: number, now: () => number) {
    this.#connection = connection
    this.#topic = topic
    this.#now = now
    this.#keepMs = keepMs
  }

  /** @throws ChannelError `refused` if its topic is missing, and not for this account to make */
  async prepare(client: Admin): Promise<void> {
    if (this.#prepared === client) return
    await ensureTopic(client, this.#topic, this.#keepMs)
    this.#prepared = client
  }

  /** @throws ChannelError `unreachable` after `patienceMs`, and the time that a request under way may take */
  async send(link: Link, messages: readonly Message[], patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs
    let batches: Batch[] | undefined
    let client: Admin | undefined
    try {
      for (;;) {
        try {
          client = await link.client(until - performance.now())
          await this.prepare(client)
          batches ??= await this.#divide(client, messages)
          for (let batch = batches[0]; batch; batch = batches[0]) {
            await this.#produce(client, batch)
            batches.shift()
          }
          return
        } catch (error) {
          if (link.closed.aborted) throw link.closed.reason
          if (batches && answered(error, 'MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE')) {
            batches.splice(0, 1, ...this.#split(batches[0] as Batch, error))
            continue
          }
          const failure = toChannelError(error, this.#connection)
          if (client && failure.code === 'unreachable') link.lost(client, failure)
          if (failure.code !== 'unreachable' || answered(error, ...FORGOT) || performance.now() > until) throw failure
          await sleep(AGAIN_MS, undefined, { signal: link.closed }).catch(() => {})
        }
      }
    } catch (error) {
      this.#renew(answered(error, 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING', 'PRODUCER_FENCED'))
      throw error
    }
  }

  #renew(fenced: boolean): void {
    this.#next.clear()
    if (fenced || this.#epoch >= LAST_EPOCH) this.#id = undefined
    else this.#epoch++
  }

  /** Into requests, each partition's in order: a key is always in the same one, so each object's events are in order. */
  async #divide(client: Admin, messages: readonly Message[]): Promise<Batch[]> {
    if (Math.max(0, ...this.#next.values()) > LAST_SEQUENCE) this.#renew(false)
    const { topics } = await client.metadata({ topics: [this.#topic] })
    const partitions = topics.get(this.#topic)?.partitionsCount ?? 1
    const timestamp = BigInt(this.#now())
    const open = new Map<number, { batch: Batch; bytes: number }>()
    const batches: Batch[] = []
    for (const message of messages) {
      const record = toRecord(this.#topic, message, timestamp)
      const partition = partitions === 1 ? 0 : compatibilityPartitioner(record, record.key) % partitions
      const sequence = this.#next.get(partition) ?? 0
      this.#next.set(partition, sequence + 1)
      const size = record.value.length + 512
      const last = open.get(partition)
      if (last && last.bytes + size <= BATCH_BYTES) {
        last.batch.records.push({ ...record, partition })
        last.bytes += size
      } else {
        const batch = { partition, sequence, records: [{ ...record, partition }] }
        open.set(partition, { batch, bytes: size })
        batches.push(batch)
      }
    }
    return batches
  }

  /** A batch that was refused for its size was not stored: its halves may go out under its numbers. */
  #split({ partition, sequence, records }: Batch, cause: unknown): Batch[] {
    const [first] = records
    if (first === undefined || records.length === 1)
      throw new ChannelError(
        'too-large',
        `Kafka takes no message of ${first?.value.length} bytes on ${this.#topic}: raise its max.message.bytes, and replica.fetch.max.bytes of the brokers`,
        { cause },
      )
    const half = records.length >> 1
    return [
      { partition, sequence, records: records.slice(0, half) },
      { partition, sequence: sequence + half, records: records.slice(half) },
    ]
  }

  async #produce(client: Admin, { partition, sequence, records }: Batch): Promise<void> {
    const { topics, brokers } = await client.metadata({ topics: [this.#topic] })
    const leader = brokers.get(topics.get(this.#topic)?.partitions[partition]?.leader ?? -1)
    if (!leader)
      throw new ChannelError('unreachable', `Kafka has no leader for partition ${partition} of ${this.#topic}`)
    const connection = await client.connections.get(leader)
    if (this.#id === undefined) {
      const init = await getApi<Init, { producerId: bigint; producerEpoch: number }>(client, 'InitProducerId')
      const { producerId, producerEpoch } = await init.async(connection, null, COPIES_MS, -1n, -1)
      this.#id = producerId
      this.#epoch = producerEpoch
    }
    const produce = await getApi<Produce, unknown>(client, 'Produce')
    const sequences = new NumericMap([[`${this.#topic}:${partition}`, sequence]])
    const options = { producerId: this.#id, producerEpoch: this.#epoch, sequences }
    await produce.async(connection, ProduceAcks.ALL, COPIES_MS, records, options)
  }
}

function toRecord(topic: string, message: Message, timestamp: bigint): MessageRecord & { key: Buffer } {
  const { body } = message
  const headers = new Map([
    [POSITION, Buffer.from(String(message.position))],
    [EVENT, Buffer.from(message.event)],
  ])
  if (message.redelivered) headers.set(REDELIVERED, YES)
  const value = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return { topic, key: Buffer.from(message.key), value, headers, timestamp }
}
const POSITION = Buffer.from(POSITION_HEADER)
const EVENT = Buffer.from(EVENT_HEADER)
const REDELIVERED = Buffer.from(REDELIVERED_HEADER)
const YES = Buffer.from('1')
