import Type, { type Static, type TSchema } from 'typebox'
import { CliError } from './errors.ts'

const strict = { additionalProperties: false }
const object = <T extends Record<string, TSchema>>(properties: T) => Type.Object(properties, strict)
/** What `pubsub:X` can name (packages/stix, marking.ts), and every broker takes. */
const Name = Type.String({ pattern: '^[A-Za-z0-9._-]{1,200}$' })

/** The channels of the paper that Entente comes from. */
const DEFAULT_CHANNELS = ['EVENTS', 'ATTACKS', 'MITIGATIONS', 'UNSPECIFIED']

const Audience = (description: string) => Type.Array(Type.String({ minLength: 1 }), { minItems: 1, description })

const ChannelSchema = object({
  name: Name,
  title: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })),
  audience: Type.Optional(
    Audience('Roles of those who may read this channel on the broker; channels.audience where it is left out'),
  ),
})

/** `channels`: which there are, and what carries them besides server-sent events, which are always there. */
export const ChannelsSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal('embedded'), Type.Literal('rabbitmq'), Type.Literal('kafka')], {
      default: 'embedded',
      description: 'embedded: server-sent events and no broker',
    }),
    names: Type.Array(Type.Union([Name, ChannelSchema]), { default: DEFAULT_CHANNELS }),
    url: Type.Optional(
      Type.String({ pattern: '^amqps?://', description: 'Of RabbitMQ; with a password rather in urlFile' }),
    ),
    urlFile: Type.Optional(Type.String({ minLength: 1, description: 'File that holds the URL of RabbitMQ' })),
    brokers: Type.Optional(
      Type.Array(Type.String({ pattern: '^[^/]+:[0-9]{1,5}$' }), { minItems: 1, description: 'host:port of Kafka' }),
    ),
    tls: Type.Optional(
      object({
        ca: Type.Optional(Type.String({ description: 'PEM file of who signs the certificates of the broker' })),
        cert: Type.Optional(Type.String({ description: 'PEM file, for a broker that asks for one' })),
        key: Type.Optional(Type.String()),
      }),
    ),
    sasl: Type.Optional(
      object({
        mechanism: Type.Union([Type.Literal('PLAIN'), Type.Literal('SCRAM-SHA-256'), Type.Literal('SCRAM-SHA-512')], {
          default: 'SCRAM-SHA-512',
        }),
        username: Type.String({ minLength: 1 }),
        passwordFile: Type.String({ minLength: 1 }),
      }),
    ),
    prefix: Type.String({
      default: '',
      pattern: '^[A-Za-z0-9._-]{0,49}$',
      description: 'What the names of exchanges or topics begin with; the name of the channel follows',
    }),
    audience: Type.Array(Type.String({ minLength: 1 }), {
      default: ['taxii-read'],
      minItems: 1,
      description: 'Roles of those who may read the broker: what not all of them may read goes out as a reference',
    }),
    keepHours: Type.Integer({
      minimum: 1,
      maximum: 87_600,
      default: 720,
      description: 'How long a subscriber of a channel may be away and miss nothing',
    }),
    sentDays: Type.Integer({
      minimum: 0,
      maximum: 3650,
      default: 30,
      description: 'How long it is kept who was sent what; 0: not at all',
    }),
    heartbeatMs: Type.Integer({ minimum: 100, default: 15_000 }),
    maxSubscribers: Type.Integer({ minimum: 0, default: 1000, description: 'Server-sent events, all together' }),
  },
  { ...strict, default: {} },
)
export type ChannelsConfig = Static<typeof ChannelsSchema>

/** `forward` of a collection: where what no marking sends anywhere goes. */
export const ForwardSchema = Type.Optional(
  object({
    default: Type.Array(Name, { default: [], description: 'Channels of objects that no rule is about' }),
    types: Type.Record(Type.String({ pattern: '^[a-z0-9-]{3,250}$' }), Type.Array(Name), {
      default: {},
      description: 'Channels by STIX type',
    }),
  }),
)
export type ForwardConfig = Static<typeof ForwardSchema>

/** What is known of one channel. */
export type ConfiguredChannel = { name: string; title: string | undefined; audience: string[] }

export const toChannels = ({ names, audience }: ChannelsConfig): ConfiguredChannel[] =>
  names.map(c =>
    typeof c === 'string'
      ? { name: c, title: undefined, audience }
      : { name: c.name, title: c.title, audience: c.audience ?? audience },
  )

/** The kinds of channels that a key means something for, where that is not all of them. */
const KINDS_OF: Record<string, string[]> = {
  url: ['rabbitmq'],
  urlFile: ['rabbitmq'],
  brokers: ['kafka'],
  sasl: ['kafka'],
  tls: ['rabbitmq', 'kafka'],
}

/** @throws CliError `usage` */
export function checkChannels(config: {
  channels: ChannelsConfig
  apiRoots: { path: string; collections: { title: string; forward?: ForwardConfig | undefined }[] }[]
}): void {
  const { channels } = config
  const { kind, url, urlFile, brokers } = channels
  const names = new Set<string>()
  for (const { name } of toChannels(channels)) {
    if (names.has(name)) throw new CliError('usage', `two channels are called "${name}"`)
    names.add(name)
  }
  if (kind === 'rabbitmq' && (url === undefined) === (urlFile === undefined))
    throw new CliError('usage', 'channels of the kind rabbitmq need url, amqp://…, or urlFile, the file that holds it')
  if (kind === 'kafka' && !brokers)
    throw new CliError('usage', 'channels of the kind kafka need brokers, such as ["kafka.example:9092"]')
  for (const [key, kinds] of Object.entries(KINDS_OF))
    if (channels[key as keyof ChannelsConfig] !== undefined && !kinds.includes(kind))
      throw new CliError(
        'usage',
        `channels.${key} means nothing for the kind ${kind}: leave it out, or set channels.kind`,
      )
  for (const root of config.apiRoots) {
    for (const { title, forward } of root.collections) {
      for (const name of [...(forward?.default ?? []), ...Object.values(forward?.types ?? {}).flat()])
        if (!names.has(name))
          throw new CliError(
            'usage',
            `the collection "${title}" forwards to the channel "${name}", which channels.names does not have`,
          )
    }
  }
}
