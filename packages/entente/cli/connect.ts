import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Auth,
  ClientError,
  type CollectionInfo,
  createTaxiiClient,
  type TaxiiClient,
  type TaxiiCollection,
} from '@entente/client'
import { CliError } from './errors.ts'
import { dataFolder } from './options.ts'
import { note } from './print.ts'
import { readPassword } from './secrets.ts'
import { isSet, textOf } from './values.ts'

export type Connection = { client: TaxiiClient; collection: TaxiiCollection; info: CollectionInfo }

/**
 * Finds a collection by its URL, with the login of the options, the environment or, for a server on this machine, of its data folder.
 *
 * @throws CliError `usage`, or `no` with the way out where the server refuses the login or has no such collection
 * @throws ClientError
 */
export async function connect(address: string, values: Record<string, unknown>): Promise<Connection> {
  return withClient(address, 'that of a collection', values, async client => {
    const collection = client.collection(address)
    try {
      return { client, collection, info: await collection.info() }
    } catch (error) {
      if (error instanceof ClientError && error.code === 'not-found') throw await nameOthers(client, collection, error)
      throw error
    }
  })
}

/**
 * Runs what needs a server, with a client that has the login as {@link connect} finds it.
 *
 * @param wanted what the address should be of, for the message about one that is none
 * @throws CliError `usage`, or `no` with the way out where the server refuses the login
 * @throws ClientError, and what `run` throws
 */
export async function withClient<T>(
  address: string,
  wanted: string,
  values: Record<string, unknown>,
  run: (client: TaxiiClient) => Promise<T>,
): Promise<T> {
  const { hostname, protocol } = parseUrl(address, wanted)
  const isLocal = isLoopback(hostname)
  const { auth, source } = await readLogin(values, isLocal)
  if (protocol === 'http:' && !isLocal && auth && !isSet(values, 'json'))
    note(`warning: ${hostname} is asked over http: whoever is on the way can read the login`)
  try {
    return await run(createTaxiiClient({ url: address, auth }))
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    if (error.code === 'usage') throw new CliError('usage', error.message, { cause: error })
    if (error.code !== 'unauthorized') throw error
    const way = '--user NAME --password P, --token TOKEN, or --data DIR of a server on this machine'
    throw new CliError('no', `${error.message}\nThe login was ${source}. Give ${way}`, { cause: error })
  }
}

function parseUrl(text: string, wanted: string): URL {
  try {
    return new URL(text)
  } catch (cause) {
    throw new CliError('usage', `"${text}" is no URL: ${wanted} is wanted`, { cause })
  }
}

async function nameOthers(client: TaxiiClient, { apiRootUrl }: TaxiiCollection, error: ClientError): Promise<Error> {
  const others = await client.collections(apiRootUrl).catch(() => [])
  if (others.length === 0) return error
  const lines = others.map(c => `  ${c.url}  ${c.title}${c.alias === undefined ? '' : ` (alias ${c.alias})`}`)
  return new CliError('no', `${error.message}\nThere are these collections:\n${lines.join('\n')}`, { cause: error })
}

/** 127.0.0.0/8, ::1 and the name for them. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}

type Login = { auth: Auth | undefined; source: string }

async function readLogin(values: Record<string, unknown>, isLocal: boolean): Promise<Login> {
  const { env } = process
  const [user, given, token] = ['user', 'password', 'token'].map(name => textOf(values, name))
  if (token !== undefined && (user !== undefined || given !== undefined))
    throw new CliError('usage', 'either --token, or --user and --password')
  if (token !== undefined) return { auth: { kind: 'token', token }, source: '--token' }
  if (user === undefined && given === undefined && env['ENTENTE_TOKEN'] !== undefined)
    return { auth: { kind: 'token', token: env['ENTENTE_TOKEN'] }, source: 'ENTENTE_TOKEN' }
  const name = user ?? env['ENTENTE_USER']
  const stated = given ?? env['ENTENTE_PASSWORD']
  if (name === undefined && stated === undefined) {
    if (!isLocal) return { auth: undefined, source: 'not given' }
    const folder = dataFolder(values)
    const password = adminPassword(folder)
    if (password === undefined) return { auth: undefined, source: `not given, and ${folder} has no admin-password` }
    return {
      auth: { kind: 'basic', user: 'admin', password },
      source: `"admin" with ${join(folder, 'admin-password')}`,
    }
  }
  const who = name ?? 'admin'
  const password = await readPassword(stated, `Password of ${who}: `)
  if (password === undefined)
    throw new CliError('usage', `the password of ${who} is missing: --password P, --password -, or ENTENTE_PASSWORD`)
  return { auth: { kind: 'basic', user: who, password }, source: `"${who}" with a password` }
}

/** The password that a new server made, where this user may read it. */
function adminPassword(folder: string): string | undefined {
  const file = join(folder, 'admin-password')
  try {
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
  } catch {
    return undefined
  }
}
