import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Type, { type Static, type TSchema } from 'typebox'
import { parse } from 'yaml'
import { toValid } from '../problem.ts'
import { CliError } from '../errors.ts'
import { Address, Endpoint, FABRIC, Finality, Pem } from '../ledger-config.ts'
import { type CountryPaths, EU, pathsOf } from './layout.ts'

const object = <T extends Record<string, TSchema>>(properties: T) =>
  Type.Object(properties, { additionalProperties: false })

const chainId = Type.Integer({ minimum: 1, description: 'EIP-155' })
const validators = Type.Array(Address('A validator'), {
  minItems: 1,
  maxItems: 512,
  uniqueItems: true,
  description: 'What is read counts as proven only under headers that these have sealed',
})
const Chain = Type.Union([
  object({
    kind: Type.Literal('embedded'),
    path: Type.String({ minLength: 1, description: 'Folder of the chain and of the keys of its validators' }),
    chainId,
    validators,
    genesis: Type.String({
      description: 'What it begins with, JSON: whoever joins compares it with what was agreed on',
    }),
  }),
  object({
    kind: Type.Literal('evm'),
    urls: Type.Array(Type.String({ pattern: '^https?://' }), { minItems: 1, maxItems: 16 }),
    chainId,
    genesis: Type.String(),
    finality: Finality,
    validators: Type.Optional(validators),
    deployer: Type.Optional(
      Address(
        'Where several chains of the country are on one network: whose first transactions there are the contracts of this one; its key is keys/deployer-CHAIN.key',
      ),
    ),
  }),
  object({
    kind: Type.Literal('fabric'),
    endpoints: Type.Array(Endpoint('HOST:PORT of a peer whose gateway is asked'), {
      minItems: 1,
      maxItems: 16,
      description: 'Of our own organisation first; the others while the one before is away',
    }),
    tlsCert: Pem("the CAs of the peers' TLS certificates, several behind each other"),
    mspId: Type.String({ ...FABRIC.mspId, description: 'Organisation of the identities in keys/fabric' }),
    cert: Pem('the certificate of the identity that founds the chain and reads it; it has no right there'),
    key: Pem('its private key; nobody else may read it'),
    fabricChannel: Type.String(FABRIC.fabricChannel),
    chaincode: Type.String({ ...FABRIC.chaincode, description: 'One chaincode, by its name, is one chain' }),
    endorsers: Type.Optional(FABRIC.endorsers),
    genesis: Type.String({ description: 'As of an embedded chain; keys are names of identities' }),
  }),
])

/** `federation.yaml` in the folder of a country (docs/federation.md has one of everything). */
const CountrySchema = object({
  country: Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2, or EU' }),
  rpc: Type.Object(
    {
      host: Type.String({ default: '127.0.0.1' }),
      port: Type.Integer({ minimum: 0, maximum: 65535, description: '0: any that is free' }),
    },
    {
      additionalProperties: false,
      description: 'JSON-RPC of the embedded chains, for the commands and the other countries',
    },
  ),
  deployer: Address('Whose first transactions on each chain create its contracts; it has no right there'),
  chains: Type.Object(
    {
      eu: Type.Optional(Chain),
      artifact: Type.Optional(Chain),
      certification: Type.Optional(Chain),
      vulnerability: Type.Optional(Chain),
    },
    { additionalProperties: false },
  ),
  eu: Type.Optional(
    object({
      url: Type.Optional(
        Type.String({
          pattern: '^https?://',
          description: "JSON-RPC of the EU chain's process; of the folder beside, where it is left out",
        }),
      ),
    }),
  ),
  facts: Type.Object(
    {
      intervalMs: Type.Integer({
        minimum: 50,
        default: 500,
        description: 'How often it is looked whether other chains have new facts',
      }),
    },
    { additionalProperties: false, default: {} },
  ),
  documents: Type.Object(
    {
      serve: Type.Boolean({
        default: true,
        description: 'A TAXII server of the documents that the chains have commitments of; taxii.yaml configures it',
      }),
    },
    { additionalProperties: false, default: {} },
  ),
  metrics: Type.Optional(
    Type.Object(
      {
        host: Type.String({ default: '127.0.0.1' }),
        port: Type.Integer({ minimum: 0, maximum: 65535, description: '0: any that is free' }),
      },
      { additionalProperties: false, description: 'The clocks that run on its chains, for Prometheus' },
    ),
  ),
  testKeys: Type.Boolean({ default: false, description: 'The keys derive from a known text: never for anything real' }),
})
export type CountryConfig = Static<typeof CountrySchema>
export type ChainConfig = Static<typeof Chain>
/** Of a chain in contracts. */
export type EvmConfig = Extract<ChainConfig, { kind: 'embedded' | 'evm' }>
export type Country = { config: CountryConfig; paths: CountryPaths }

/** @throws CliError `usage` that names the key that is wrong */
export function loadCountry(dir: string, country: string): Country {
  const paths = pathsOf(dir, country)
  if (!existsSync(paths.config))
    throw new CliError(
      'usage',
      `${dir} has no ${country}: "entente federation init --members ${country === EU ? 'FR,DE' : country} --dir ${dir}" makes one, --dir names another folder`,
    )
  let given: unknown
  try {
    given = parse(readFileSync(paths.config, 'utf8'), { maxAliasCount: 100 })
  } catch (cause) {
    throw new CliError('usage', `${paths.config}: ${(cause as Error).message}`, { cause })
  }
  const config = toValid(CountrySchema, given, paths.config)
  if (config.country !== country)
    throw new CliError('usage', `${paths.config} is of ${config.country}, its folder is called ${country}`)
  const isEu = country === EU
  if (isEu !== (config.chains.eu !== undefined))
    throw new CliError('usage', `${paths.config}: the chain eu is of the country EU, and of no other`)
  return { config, paths }
}

/** Countries that have a folder here, EU first. */
export function listCountries(dir: string): string[] {
  const names = existsSync(dir) ? readdirSync(dir).filter(name => existsSync(join(dir, name, 'federation.yaml'))) : []
  return names
    .filter(name => /^[A-Z]{2}$/.test(name))
    .sort((a, b) => Number(b === EU) - Number(a === EU) || (a < b ? -1 : 1))
}
