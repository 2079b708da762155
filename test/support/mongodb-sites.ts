import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Db, MongoClient } from 'mongodb'
import { type Mongod, startMongod } from './mongod.ts'
import { root, temporaryFolder } from './server.ts'

/** A data folder, and a configuration that names a database of its own. */
export type Site = { data: string; args: string[]; db: Db }
export type Said = { code: number | null; json: any; said: string }

/** Servers that share a mongod. */
export type Sites = {
  site(): Site
  /** Runs a command with --json. */
  entente(...args: string[]): Said
  close(): Promise<void>
}

/** @param path of a mongod */
export async function startSites(path: string): Promise<Sites> {
  const atEnd: (() => void)[] = []
  const folder = temporaryFolder({ after: f => void atEnd.push(f) })
  const mongod: Mongod = await startMongod(path, folder)
  const client = await MongoClient.connect(mongod.url)
  let databases = 0
  return {
    site: () => {
      const database = `server-${++databases}`
      const place = join(folder, database)
      mkdirSync(place)
      const config = join(place, 'entente.yaml')
      writeFileSync(join(place, 'database-url'), `${mongod.url}\n`, { mode: 0o600 })
      const store = `store: { kind: mongodb, urlFile: database-url, database: ${database} }`
      writeFileSync(config, `${store}\nanchoring: { intervalMs: 50 }\naudit: { share: 0 }\n`)
      return { data: join(place, 'data'), args: ['--config', config], db: client.db(database) }
    },
    entente: (...args) => {
      const main = join(root, 'packages/entente/cli/main.ts')
      const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args, '--json'], { encoding: 'utf8' })
      return { code: status, json: stdout.trim() === '' ? undefined : JSON.parse(stdout), said: stdout + stderr }
    },
    close: async () => {
      await client.close()
      await mongod.stop()
      for (const f of atEnd) f()
    },
  }
}
