import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, installMongod, startMongod } from '../test/support/mongod.ts'
import { root } from '../test/support/server.ts'
import type { Side } from './client.ts'
import { authorization, PASSWORD, startReady } from './processes.ts'

export type Medallion = {
  /** With what it stores; for the table. */
  name: string
  /** Undefined where it can't run here. */
  side: Side | undefined
  stop(): Promise<void>
}

const REQUIREMENTS = join(import.meta.dirname, 'medallion-requirements.txt')
const COLLECTION = '/api/collections/3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11/'
/** Acknowledged once it is in the journal on disk, as Entente's 202 is. */
const DURABLE = '&w=majority&journal=true'

/** medallion in a virtual environment under `.cache/`, with MongoDB, or with memory where there is none; or a printed reason. */
export async function startMedallion(folder: string, say: (text: string) => void): Promise<Medallion> {
  const python = installMedallion(say)
  if (python === undefined) return { name: 'medallion', side: undefined, stop: async () => {} }
  mkdirSync(folder, { recursive: true })
  const mongod = installMongod()
  if ('reason' in mongod) say(`medallion keeps its objects in memory: ${mongod.reason}`)
  const database = 'path' in mongod ? await startMongod(mongod.path, folder) : undefined
  const port = String(await freePort())
  const args = ['bench/serve_medallion.py', folder, port, PASSWORD, ...(database ? [database.url + DURABLE] : [])]
  try {
    const server = await startReady(python, args, folder)
    return {
      name: database ? 'medallion + MongoDB' : 'medallion in memory',
      side: { url: server.url, authorization, collection: COLLECTION },
      stop: async () => {
        await server.stop()
        await database?.stop()
      },
    }
  } catch (error) {
    await database?.stop()
    throw error
  }
}

/** @returns the Python of an environment that holds exactly the pinned packages */
function installMedallion(say: (text: string) => void): string | undefined {
  const key = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  const environment = join(root, '.cache', `medallion-${key}`)
  const python = join(environment, 'bin', 'python')
  if (existsSync(python)) return python
  const partial = `${environment}.part`
  rmSync(partial, { recursive: true, force: true })
  try {
    execFileSync('python3', ['-m', 'venv', partial], { stdio: 'pipe' })
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', REQUIREMENTS]
    execFileSync(join(partial, 'bin', 'python'), pip, { stdio: 'pipe' })
    renameSync(partial, environment) // its Python finds its packages by where it lies
    return python
  } catch (error) {
    const lines = (error as Error).message.split('\n').slice(0, 3)
    say(`there is no medallion to compare with: ${lines.join('; ')}`)
    return undefined
  }
}
