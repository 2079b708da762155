// A server in this process on a folder that is gone afterwards; two objects published, anchored, and read back with the proof
// that nothing was left out.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTaxiiClient, readVerified } from '@entente/client'
import { loadConfig } from '../packages/entente/cli/config.ts'
import { startServer } from '../packages/entente/cli/serve.ts'

const data = mkdtempSync(join(tmpdir(), 'entente-example-'))
const { config, paths } = loadConfig({ data, port: '0', env: {} })
const server = await startServer(config, paths, () => {})
try {
  const password = readFileSync(paths.adminPassword, 'utf8').trim()
  const client = createTaxiiClient({ url: server.url, auth: { kind: 'basic', user: 'admin', password } })
  const collection = client.collection('/api/collections/default/')

  const [added] = await collection.add([
    { type: 'domain-name', id: 'domain-name--3c10e93f-798e-5a26-a0c1-08156efab7f5', value: 'example.com' },
    { type: 'ipv4-addr', id: 'ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd', value: '198.51.100.3' },
  ])
  if (!added) throw new Error('nothing was added')
  const status = await collection.waitFor(added)
  console.log(`${status.success_count} objects ${status.status}`)

  // In real life the key comes from the operator by another way than the server itself.
  const { verified } = await readVerified(collection, { vkeys: [await client.logKey()] })
  console.log(`${verified.records.length} records read, nothing left out: ${verified.level}`)
} finally {
  await server.close()
  rmSync(data, { recursive: true, force: true })
}
