import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTaxiiClient, type TaxiiCollection } from '@entente/client'
import { ictExtensionDefinitions, ictIdentity } from '@entente/stix'
import { createToken } from '#taxii/auth/local.ts'
import { stringify } from 'yaml'
import { loadConfig } from '../config.ts'
import { CliError } from '../errors.ts'
import type { Logger } from '../open-log.ts'
import { changeUsers } from '../users.ts'
import { writeWhole } from '../whole-file.ts'
import type { Country } from './config.ts'
import { EU } from './layout.ts'

/** What a country's chains have only commitments of, by the aliases of the collections that have it. */
export const COLLECTIONS = {
  artifacts: 'ICT products, services and processes',
  certificates: 'Certificates and statements of conformity',
  schemes: 'Certification schemes',
  advisories: 'Disclosed vulnerabilities',
} as const
export type CollectionName = keyof typeof COLLECTIONS

/** The EU chain has schemes alone. */
const collectionsOf = (country: string): CollectionName[] =>
  country === EU ? ['schemes'] : (Object.keys(COLLECTIONS) as CollectionName[])

export type Node = {
  /** Of its API root, with a slash. */
  url: string
  collection(name: CollectionName): TaxiiCollection
  close(): Promise<void>
}

/**
 * The TAXII server of a country: its off-chain database. It is an Entente server like others, with its own configuration (`taxii.yaml`, made once
 * and the operator's from then on), data folder and log.
 *
 * @throws what startServer throws
 */
export async function startNode(country: Country, log: Logger): Promise<Node> {
  const { config: file, data, readerToken } = nodePaths(country)
  if (!existsSync(file)) writeWhole(file, stringify(configurationOf(country)))
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const { config, paths } = loadConfig({ file, data, env: {} })
  if (config.auth.kind !== 'local')
    throw new CliError(
      'usage',
      `${file}: auth.kind is ${config.auth.kind}, and this process publishes as the local user admin: leave it out`,
    )
  // Before the start: a running server looks for changed users from time to time.
  if (!existsSync(readerToken)) await makeReader(paths.users, readerToken)
  const { startServer } = await import('../serve.ts')
  const server = await startServer(config, paths, log)
  const password = process.env['ENTENTE_ADMIN_PASSWORD'] ?? readFileSync(paths.adminPassword, 'utf8').trim()
  const url = `${server.url}${config.apiRoots[0]?.path ?? '/api/'}`
  const client = createTaxiiClient({ url, auth: { kind: 'basic', user: 'admin', password } })
  const collection = (name: CollectionName) => client.collection(`${url}collections/${name}/`)
  // Whoever reads a document finds what its extensions are (STIX 2.1 section 7.3).
  for (const name of collectionsOf(country.config.country)) await addDefinitions(collection(name))
  return { url, collection, close: server.close }
}

const DEFINITIONS = [ictIdentity, ...ictExtensionDefinitions]

/** Those that are not there yet in this version. */
async function addDefinitions(collection: TaxiiCollection): Promise<void> {
  const there = new Set<string>()
  for await (const { items } of collection.manifest({ ids: DEFINITIONS.map(({ id }) => String(id)) }))
    for (const { id, version } of items) there.add(`${id} ${Date.parse(version)}`)
  const missing = DEFINITIONS.filter(({ id, modified }) => !there.has(`${String(id)} ${Date.parse(String(modified))}`))
  if (missing.length > 0) await collection.add(missing)
}

export const nodePaths = ({ paths: { folder } }: Country) => ({
  config: join(folder, 'taxii.yaml'),
  data: join(folder, 'taxii'),
  /** An API token that reads: of whoever has this folder, and is given to whoever should read. */
  readerToken: join(folder, 'taxii-reader.token'),
})

/** Next to the port of the chains. */
const PORT_STEP = 100

function configurationOf({ config: { country, rpc } }: Country): object {
  return {
    server: { host: rpc.host, port: rpc.port === 0 ? 0 : rpc.port + PORT_STEP },
    log: { origin: `federation/${country}` },
    // What counts is on the country's own chains: each document's commitment.
    ledgers: [],
    channels: { names: [] },
    apiRoots: [
      {
        path: '/api/',
        title: `Documents of the chains of ${country}`,
        collections: collectionsOf(country).map(alias => ({ id: randomUUID(), alias, title: COLLECTIONS[alias] })),
      },
    ],
  }
}

async function makeReader(users: string, file: string): Promise<void> {
  const { token, stored } = createToken('admin', ['taxii-read'], { now: new Date(), note: 'reads documents' })
  await changeUsers(users, all => {
    all.tokens.push(stored)
  })
  writeWhole(file, `${token}\n`)
}
