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

/** What a ledger has that takes more than checkpoints. */
const records = Type.Boolean({
  default: false,
  description: 'It also gets the objects of collections with record: full, encrypted: for private ledgers',
})

const EmbeddedLedger = object({
  ...common,
  records,
  kind: Type.Literal('embedded'),
  path: Type.String({ default: './ledger' }),
  chainId: Type.Integer({ minimum: 1, default: 6100 }),
})

export const Address = (description: string) => Type.String({ pattern: '^0x[0-9a-fA-F]{40}$', description })

export const Finality = Type.Union(
  [
    Type.Literal('instant'),
    Type.Literal('finalized'),
    Type.Literal('clique'),
    Type.Integer({ minimum: 1, description: 'Blocks on top' }),
  ],
  {
    default: 'instant',
    description:
      'instant: BFT (QBFT, IBFT, Raft). clique: N/2 + 1 blocks of its N signers. finalized: as the chain itself says. Or a number of blocks',
  },
)

const EvmLedger = object({
  ...common,
  records,
  kind: Type.Literal('evm'),
  urls: Type.Array(Type.String({ pattern: '^https?://' }), {
    minItems: 1,
    maxItems: 16,
    description: 'Nodes of the network, the preferred first; what is final must be the same at all of them',
  }),
  chainId: Type.Integer({ minimum: 1 }),
  contract: Type.Optional(
    Address('The CheckpointAnchor; the one that the account created, or a new one, where it is left out'),
  ),
  logId: Type.Optional(
    Type.String({
      pattern: '^0x[0-9a-f]{64}$',
      description:
        "The log's id in the contract, where another account registered it: ownership was handed over, or an auditor reads",
    }),
  ),
  keyFile: Type.Optional(
    Type.String({ description: 'File with the hexadecimal private key of the account that anchors; or give account' }),
  ),
  account: Type.Optional(
    Type.Union([
      object({
        keystore: Type.String({ description: 'Encrypted key file (Web3 Secret Storage, version 3)' }),
        passwordFile: Type.String({ description: 'File with its password' }),
      }),
      object({ node: Address('Account whose key the node holds, unlocked') }),
    ]),
  ),
  finality: Finality,
  validators: Type.Optional(
    Type.Array(Address('A validator'), {
      minItems: 1,
      maxItems: 512,
      uniqueItems: true,
      description:
        'An anchor is final only if headers that these sealed prove it: ceil(2N/3) of them (QBFT), or more than half (finality: clique)',
    }),
  ),
})

const Rate = (minimum: number, value: number, description: string) =>
  Type.Number({ minimum, default: value, description })

const BitcoinLedger = object({
  ...common,
  intervalMs: Type.Integer({
    minimum: 10,
    default: 3_600_000,
    description: 'Least time between two anchors: each costs a fee',
  }),
  kind: Type.Literal('bitcoin'),
  url: Type.String({
    pattern: '^https?://',
    description: 'JSON-RPC of a node without a wallet: btcd with its indexes, or Bitcoin Core with -txindex',
  }),
  userFile: Type.Optional(Type.String({ description: "File with user:password of the node's RPCs" })),
  network: Type.Union(
    [
      Type.Literal('mainnet'),
      Type.Literal('testnet3'),
      Type.Literal('testnet4'),
      Type.Literal('signet'),
      Type.Literal('regtest'),
      Type.Literal('simnet'),
    ],
    { default: 'mainnet' },
  ),
  keyFile: Type.String({
    description:
      'File with the private key that pays and signs: WIF, 64 hexadecimal digits, or an extended key (BIP 84). For this log alone',
  }),
  finality: Type.Integer({ minimum: 1, maximum: 1000, default: 6, description: 'Blocks on top' }),
  fee: Type.Object(
    {
      min: Rate(0.1, 1, 'Lowest rate, satoshis a vbyte'),
      max: Rate(0.1, 100, 'Highest rate: at this one a transaction waits, however long'),
      target: Type.Integer({
        minimum: 1,
        maximum: 25,
        default: 6,
        description: 'Blocks within which the node is to estimate a rate for',
      }),
      bumpMs: Type.Integer({
        minimum: 1000,
        default: 3_600_000,
        description: 'After so long without a block a transaction is replaced by one that pays more',
      }),
    },
    { additionalProperties: false, default: {} },
  ),
})

export const Endpoint = (description: string) => Type.String({ pattern: '^[^\\s/]{1,253}:[0-9]{1,5}$', description })
export const Pem = (description: string) => Type.String({ minLength: 1, description: `File (PEM) with ${description}` })

/** Where our chaincode is on a network. */
export const FABRIC = {
  mspId: { pattern: '^[A-Za-z0-9._-]{1,128}$' },
  fabricChannel: { pattern: '^[a-z][a-z0-9.-]{0,248}$' },
  chaincode: { pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$' },
  endorsers: Type.Array(Type.String({ pattern: '^[A-Za-z0-9._-]{1,128}$' }), {
    minItems: 1,
    maxItems: 64,
    uniqueItems: true,
    description:
      "Organisations (MSP ids) that have to endorse; as few as the chaincode's policy asks for where it is left out",
  }),
}

const FabricLedger = object({
  ...common,
  records,
  kind: Type.Literal('fabric'),
  endpoint: Endpoint('HOST:PORT of a peer whose gateway is asked; of our own organisation is best'),
  endpoints: Type.Optional(
    Type.Array(Endpoint('Another peer'), {
      maxItems: 15,
      description: 'Asked in this order while the one before is away',
    }),
  ),
  tlsCert: Pem("the CAs of the peers' TLS certificates, several behind each other"),
  mspId: Type.String({ ...FABRIC.mspId, description: 'Organisation of the identity that anchors' }),
  cert: Pem('its certificate'),
  key: Pem('its private key; nobody else may read it'),
  fabricChannel: Type.String(FABRIC.fabricChannel),
  chaincode: Type.String(FABRIC.chaincode),
  endorsers: Type.Optional(FABRIC.endorsers),
  logId: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: "The log's id in the chaincode, where another identity registered it and handed it over",
    }),
  ),
})

/** One entry of `ledgers:`. */
export const LedgerSchema = Type.Union([EmbeddedLedger, EvmLedger, BitcoinLedger, FabricLedger])
export type LedgerConfig = Static<typeof LedgerSchema>
