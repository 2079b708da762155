import Type, { type Static, type TSchema } from 'typebox'
import { Address, Finality } from './ledger-config.ts'

const object = <T extends Record<string, TSchema>>(properties: T) =>
  Type.Object(properties, { additionalProperties: false })
const Url = (description: string) => Type.String({ pattern: '^https?://', maxLength: 2000, description })
const Listen = (description: string) =>
  object({
    host: Type.String({ default: '127.0.0.1' }),
    port: Type.Integer({ minimum: 0, maximum: 65535, description }),
  })

/** `validator:`, of whoever operates a validator of a chain of the federation. */
export const ValidatorSchema = object({
  chain: Type.String({
    pattern: '^(?:0x[0-9a-f]{64}|EU|[A-Z]{2}/(?:artifact|certification|vulnerability))$',
    description: 'Name of the chain that is validated, such as FR/artifact, or its id in the ConsortiumRegistry',
  }),
  chainId: Type.Integer({ minimum: 1, description: 'EIP-155, of the chain that is validated' }),
  node: Url(
    "JSON-RPC of one's own node, with its API clique or istanbul switched on for nobody else: what it answers is believed",
  ),
  registry: object({
    urls: Type.Array(Type.String({ pattern: '^https?://' }), {
      minItems: 1,
      maxItems: 16,
      description: "Nodes of the EU chain, one's own first",
    }),
    chainId: Type.Integer({ minimum: 1 }),
    contracts: object({
      ConsortiumRegistry: Address('Where the consortium is'),
      FrameworkRegistry: Address('Where the schemes are: the two are the EU chain'),
    }),
    finality: Finality,
    validators: Type.Optional(
      Type.Array(Address('A validator of the EU chain'), {
        minItems: 1,
        maxItems: 512,
        uniqueItems: true,
        description: 'What the registry says counts only when it is proven under a header that these sealed',
      }),
    ),
  }),
  intervalMs: Type.Integer({
    minimum: 100,
    default: 5000,
    description: 'From one look at registry and chain to the next',
  }),
  stateFile: Type.String({
    default: './validator.state',
    description: 'Which registry was followed, up to which block: an older one, or another, is not',
  }),
  guard: Type.Optional(Listen('Where "entente validator guard" takes transactions of writers for the node')),
  metrics: Type.Optional(Listen('Where "entente validator follow" and "guard" tell their metrics')),
})
export type ValidatorConfig = Static<typeof ValidatorSchema>
