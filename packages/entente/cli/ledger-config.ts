import Type, { type Static, type TSchema } from 'typebox'

const object = <T extends Record<string, TSchema>>(properties: T) =>
  Type.Object(properties, { additionalProperties: false })

/** What every ledger has. */
const common = {
  id: Type.String({ pattern: '^[a-z][a-z0-9-]{0,39}$' }),
  intervalMs: Type.Optional(
    Type.Integer({
      minimum: 10,
      description: 'Least time between two anchors; anchoring.intervalMs where it is left out',
    }),
  ),
}

const EmbeddedLedger = object({
  ...common,
  kind: Type.Literal('embedded'),
  path: Type.String({ default: './ledger' }),
  chainId: Type.Integer({ minimum: 1, default: 6100 }),
})

const EvmLedger = object({
  ...common,
  kind: Type.Literal('evm'),
  urls: Type.Array(Type.String({ pattern: '^https?://' }), { minItems: 1 }),
  chainId: Type.Integer({ minimum: 1 }),
  contract: Type.Optional(Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' })),
  keyFile: Type.String({ description: 'File with the hexadecimal private key of the account that anchors' }),
  finality: Type.Union([Type.Literal('instant'), Type.Integer({ minimum: 1, description: 'Blocks on top' })], {
    default: 'instant',
  }),
})

/** One entry of `ledgers:`. */
export const LedgerSchema = Type.Union([EmbeddedLedger, EvmLedger])
export type LedgerConfig = Static<typeof LedgerSchema>
