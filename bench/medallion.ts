import { mkdirSync } from 'node:fs'
import { installMedallion } from '../test/support/medallion.ts'
import { freePort, installMongod, type Mongod, startMongod } from '../test/support/mongod.ts'
import type { Side } from './client.ts'
import { authorization, PASSWORD, startReady } from './processes.ts'

export type Medallion = {
  /** With what it stores; for the table. */
  name: string
  /** Undefined where it can't run here. */
  side: Side | undefined
  stop(): Promise<void>
}

const COLLECTION = '/api/collections/3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11/'
/** Acknowledged once it is in the journal on disk, as Entente's 202 is. */
const DURABLE = '&w=majority&journal=true'

/** medallion in a virtual environment under `.cache/`, with MongoDB, or with memory where there is none; or a printed reason. `shared` is a MongoDB that others use as well. */
export async function startMedallion(folder: string, say: (text: string) => void, shared?: Mongod): Promise<Medallion> {
  const medallion = installMedallion()
  if ('reason' in medallion) {
    say(`there is no medallion to compare with: ${medallion.reason}`)
    return { name: 'medallion', side: undefined, stop: async () => {} }
  }
  mkdirSync(folder, { recursive: true })
  const database = shared ?? (await startDatabase(folder, say))
  const port = String(await freePort())
  const args = ['bench/serve_medallion.py', folder, port, PASSWORD, ...(database ? [database.url + DURABLE] : [])]
  try {
    const server = await startReady(medallion.python, args, folder)
    return {
      name: database ? 'medallion + MongoDB' : 'medallion in memory',
      side: { url: server.url, authorization, collection: COLLECTION },
      stop: async () => {
        await server.stop()
        if (!shared) await database?.stop()
      },
    }
  } catch (error) {
    if (!shared) await database?.stop()
    throw error
  }
}

async function startDatabase(folder: string, say: (text: string) => void): Promise<Mongod | undefined> {
  const mongod = installMongod()
  if ('path' in mongod) return startMongod(mongod.path, folder)
  say(`medallion keeps its objects in memory: ${mongod.reason}`)
  return undefined
}
