import type { Message, Publisher } from '#channel/channel.ts'
import type { SentEntry, SentLog } from '#channel/sent.ts'
import type { Notary } from '#notary/notary.ts'
import { createOutbox, type Outbox } from '#notary/outbox.ts'
import type { ApiRootConfig, CollectionConfig } from '#taxii/context.ts'
import { type ChannelsConfig, type ConfiguredChannel, toChannels } from './channel-config.ts'
import type { Config, Paths } from './config.ts'
import { readConfigured } from './configured-file.ts'
import { toSource } from './identity.ts'
import type { Fault, Logger } from './open-log.ts'

/** A broker, and what brings the channels to it. */
export type Broker = {
  publisher: Publisher
  outbox: Outbox
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
    sent?: Pick<SentLog, 'note'> | undefined
    fault?: Fault | undefined
  },
): Promise<Broker | undefined> {
  const { notary, apiRoots, log, sent, fault } = options
  const channels = toChannels(config.channels)
  const publisher = await openPublisher(config.channels, channels, paths)
  if (!publisher) return undefined
  const toWhole = ({ audience }: ConfiguredChannel) =>
    apiRoots.flatMap(root =>
      root.collections
        .filter(c => isForAll(c, audience))
        .flatMap(c => {
          const known = notary.collection(root.path, c.id)
          return known ? [known] : []
        }),
    )
  const whole = new Map(channels.map(c => [c.name, toWhole(c)]))
  const outbox = createOutbox({
    notary,
    publisher,
    source: toSource(config, notary.log.origin),
    channels: channels.map(({ name }) => {
      const numbers = new Set(whole.get(name)?.map(c => c.number))
      return { name, isWhole: collection => numbers.has(collection) }
    }),
    log,
    confirmed:
      sent &&
      ((channel, messages) => {
        const collections = whole.get(channel)?.map(c => c.id) ?? []
        sent.note(toSentEntry(publisher, channel, collections, messages))
      }),
    fault,
  })
  return {
    publisher,
    outbox,
    addresses: channel => [{ kind: publisher.kind, address: publisher.address(channel) }],
    close: async () => {
      const closing = outbox.close()
      await publisher.close() // ends what is under way
      await closing
    },
  }
}

function toSentEntry(
  publisher: Publisher,
  topic: string,
  collections: string[],
  messages: readonly Message[],
): SentEntry {
  const references = messages.filter(m => m.event === 'reference').length
  return {
    connection: `${publisher.kind} ${topic}`,
    via: publisher.kind,
    kind: 'channel',
    topic,
    subscriber: publisher.address(topic),
    address: '',
    collections,
    first: messages[0]?.position ?? 0,
    last: messages.at(-1)?.position ?? 0,
    whole: messages.length - references,
    references,
  }
}

/** Whether each role of a channel's audience may read the collection by itself. */
const isForAll = ({ read }: Pick<CollectionConfig, 'read'>, audience: string[]): boolean =>
  audience.every(role => read.includes(role))

async function openPublisher(
  config: ChannelsConfig,
  channels: ConfiguredChannel[],
  paths: Paths,
): Promise<Publisher | undefined> {
  const read = (file: string, what: string) => readConfigured(paths, file, what)
  const line = (file: string, what: string) => read(file, what).toString().trim()
  const tls = config.tls && {
    ...(config.tls.ca === undefined ? {} : { ca: read(config.tls.ca, 'channels.tls.ca') }),
    ...(config.tls.cert === undefined ? {} : { cert: read(config.tls.cert, 'channels.tls.cert') }),
    ...(config.tls.key === undefined ? {} : { key: read(config.tls.key, 'channels.tls.key') }),
  }
  const common = { prefix: config.prefix, channels: channels.map(c => c.name), now: Date.now }
  switch (config.kind) {
    case 'embedded':
      return undefined
    case 'rabbitmq': {
      // Only who has such a broker loads its client.
      const { openRabbitPublisher } = await import('#channel/rabbitmq/publisher.ts')
      const url = config.url ?? line(config.urlFile as string, 'channels.urlFile')
      return openRabbitPublisher({ ...common, url, tls })
    }
    case 'kafka': {
      const { openKafkaPublisher } = await import('#channel/kafka/publisher.ts')
      const sasl = config.sasl && {
        mechanism: config.sasl.mechanism,
        username: config.sasl.username,
        password: line(config.sasl.passwordFile, 'channels.sasl.passwordFile'),
      }
      // A topic that is there already keeps what it keeps.
      const keepMs = config.keepHours * 3_600_000
      return openKafkaPublisher({ ...common, brokers: config.brokers as string[], tls, sasl, keepMs })
    }
  }
}
