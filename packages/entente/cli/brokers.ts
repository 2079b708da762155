import type { ChannelState, Message, Publisher } from '#channel/channel.ts'
import type { KafkaConnection } from '#channel/kafka/client.ts'
import type { SentEntry, SentLog } from '#channel/sent.ts'
import type { Notary } from '#notary/notary.ts'
import { createOutbox, type Outbox } from '#notary/outbox.ts'
import type { ApiRootConfig, CollectionConfig } from '#taxii/context.ts'
import type { Markings, TlpName } from '#taxii/markings.ts'
import { type ChannelsConfig, type ConfiguredChannel, toChannels } from './channel-config.ts'
import type { Config, Paths } from './config.ts'
import { readConfigured } from './configured-file.ts'
import { toSource } from './identity.ts'
import type { Fault, Logger } from './open-log.ts'

/** A broker, and what brings the channels to it. */
export type Broker = {
  publisher: Publisher
  /** Sends while it is started; it may be started again once it was stopped. */
  outbox: Pick<Outbox, 'start' | 'states'> & { stop(): Promise<void> }
  /** Where consumers find a channel. */
  addresses(channel: string): { kind: string; address: string }[]
  close(): Promise<void>
}

/**
 * Opens the broker that the configuration names; it need not be there yet. Whoever has another kind of broker writes a Publisher
 * (channel/channel.ts), runs `channelConformance` over it, and adds a case to `openPublisher`: nothing else knows the kinds.
 *
 * @returns undefined without a broker
 * @throws CliError `usage`
 */
export async function openBroker(
  config: Config,
  paths: Paths,
  options: {
    notary: Notary
    apiRoots: ApiRootConfig[]
    log: Logger
    markings?: Markings | undefined
    sent?: Pick<SentLog, 'note'> | undefined
    fault?: Fault | undefined
  },
): Promise<Broker | undefined> {
  const { notary, apiRoots, log, markings, sent, fault } = options
  const channels = toChannels(config.channels)
  const publisher = await openPublisher(config.channels, channels, paths)
  if (!publisher) return undefined
  const toWhole = ({ audience }: ConfiguredChannel) =>
    apiRoots.flatMap(root =>
      root.collections
        .filter(c => isForAll(c, audience))
        .flatMap(c => {
          const known = notary.collection(root.path, c.id)
          return known ? [{ ...known, unmarked: c.unmarked }] : []
        }),
    )
  const open = () => {
    const whole = new Map(channels.map(c => [c.name, toWhole(c)]))
    return createOutbox({
      notary,
      publisher,
      source: toSource(config, notary.log.origin),
      channels: channels.map(({ name, audience }) => ({
        name,
        isWhole: toIsWhole(audience, whole.get(name) ?? [], markings),
      })),
      log,
      confirmed:
        sent &&
        ((channel, messages) => {
          sent.note(toSentEntry(publisher, channel, whole.get(channel) ?? [], messages))
        }),
      fault,
    })
  }
  let outbox: Outbox | undefined
  /** Of the one before, which may wait for the broker. */
  let stopping: Promise<void> | undefined
  return {
    publisher,
    outbox: {
      start: async () => {
        await stopping
        outbox = open()
        await outbox.start()
      },
      states: async () => (outbox ? outbox.states() : []),
      stop: async () => {
        stopping = outbox?.close()
        outbox = undefined
      },
    },
    addresses: channel => [{ kind: publisher.kind, address: publisher.address(channel) }],
    close: async () => {
      stopping = outbox?.close() ?? stopping
      await publisher.close() // ends what is under way
      await stopping
    },
  }
}

/** Whether an object goes to a channel as it is: its collection is for all, and each role of the audience is cleared by itself for its markings. */
export function toIsWhole(
  audience: string[],
  forAll: readonly { number: number; unmarked?: TlpName | undefined }[],
  markings: Markings | undefined,
): (collection: number, object: Buffer) => boolean {
  const collections = new Map(forAll.map(c => [c.number, c]))
  const clearances = markings ? audience.map(role => markings.clearance([role])).filter(c => !c.isFull) : []
  return (number, object) => {
    const collection = collections.get(number)
    if (!collection || !markings || clearances.length === 0) return collection !== undefined
    const label = markings.label(object, collection.unmarked)
    return clearances.every(c => c.clears(label))
  }
}

export function toSentEntry(
  publisher: Publisher,
  topic: string,
  collections: readonly { id: string; number: number }[],
  messages: readonly Message[],
): SentEntry {
  const numbers = new Set(collections.map(c => c.number))
  const withheld: [number, number][] = []
  let references = 0
  let isRun = false
  for (const { event, position, collection } of messages) {
    const isReference = event === 'reference'
    if (isReference) references++
    if (!numbers.has(collection)) continue
    if (isReference && isRun) (withheld.at(-1) as [number, number])[1] = position
    else if (isReference) withheld.push([position, position])
    isRun = isReference
  }
  return {
    connection: `${publisher.kind} ${topic}`,
    via: publisher.kind,
    kind: 'channel',
    topic,
    subscriber: publisher.address(topic),
    address: '',
    collections: collections.map(c => c.id),
    first: messages[0]?.position ?? 0,
    last: messages.at(-1)?.position ?? 0,
    whole: messages.length - references,
    references,
    withheld,
  }
}

/** Whether each role of a channel's audience may read the collection by itself. */
const isForAll = ({ read }: Pick<CollectionConfig, 'read'>, audience: string[]): boolean =>
  audience.every(role => read.includes(role))

/** How the broker is reached, with what its files hold. */
type Reached =
  | { kind: 'rabbitmq'; url: string; tls: Pem | undefined; prefix: string }
  | ({ kind: 'kafka' } & Pick<KafkaConnection, 'brokers' | 'sasl'> & { tls: Pem | undefined; prefix: string })
type Pem = { ca?: Buffer; cert?: Buffer; key?: Buffer }

/** @throws CliError `usage` where a file can't be read */
function toReached(config: ChannelsConfig, paths: Pick<Paths, 'base'>): Reached | undefined {
  const read = (file: string, what: string) => readConfigured(paths, file, what)
  const line = (file: string, what: string) => read(file, what).toString().trim()
  const tls = config.tls && {
    ...(config.tls.ca === undefined ? {} : { ca: read(config.tls.ca, 'channels.tls.ca') }),
    ...(config.tls.cert === undefined ? {} : { cert: read(config.tls.cert, 'channels.tls.cert') }),
    ...(config.tls.key === undefined ? {} : { key: read(config.tls.key, 'channels.tls.key') }),
  }
  const { prefix } = config
  switch (config.kind) {
    case 'embedded':
      return undefined
    case 'rabbitmq': {
      const url = config.url ?? line(config.urlFile as string, 'channels.urlFile')
      return { kind: 'rabbitmq', url, tls, prefix }
    }
    case 'kafka': {
      const sasl = config.sasl && {
        mechanism: config.sasl.mechanism,
        username: config.sasl.username,
        password: line(config.sasl.passwordFile, 'channels.sasl.passwordFile'),
      }
      return { kind: 'kafka', brokers: config.brokers as string[], sasl, tls, prefix }
    }
  }
}

async function openPublisher(
  config: ChannelsConfig,
  channels: ConfiguredChannel[],
  paths: Paths,
): Promise<Publisher | undefined> {
  const reached = toReached(config, paths)
  if (!reached) return undefined
  const common = { channels: channels.map(c => c.name), now: Date.now }
  if (reached.kind === 'rabbitmq') {
    // Only who has such a broker loads its client.
    const { openRabbitPublisher } = await import('#channel/rabbitmq/publisher.ts')
    return openRabbitPublisher({ ...reached, ...common })
  }
  const { openKafkaPublisher } = await import('#channel/kafka/publisher.ts')
  // A topic that is there already keeps what it keeps.
  return openKafkaPublisher({ ...reached, ...common, keepMs: config.keepHours * 3_600_000 })
}

/**
 * What the configured broker has of each channel; nothing is made.
 *
 * @throws CliError `usage`, ChannelError
 */
export async function inspectBroker(config: ChannelsConfig, paths: Pick<Paths, 'base'>): Promise<ChannelState[]> {
  const reached = toReached(config, paths)
  if (!reached) return []
  const channels = toChannels(config).map(c => c.name)
  if (reached.kind === 'rabbitmq') {
    const { inspectRabbit } = await import('#channel/rabbitmq/inspect.ts')
    return inspectRabbit({ ...reached, channels })
  }
  const { inspectKafka } = await import('#channel/kafka/inspect.ts')
  return inspectKafka({ ...reached, channels })
}
