import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { readFileSync } from 'node:fs'
import { loadConfig } from '../../entente/cli/config.ts'
import { type RunningServer, startServer } from '../../entente/cli/serve.ts'

export type Real = { server: RunningServer; data: string; password: string }

/** The real server in this process, in a folder of its own, without a ledger: what is logged is complete. */
export async function startReal(t: TestContext, more = ''): Promise<Real> {
  const data = mkdtempSync(join(tmpdir(), 'entente-client-'))
  const file = join(data, 'entente.yaml')
  writeFileSync(file, `server: { port: 0, page: 7 }\nledgers: []\n${more}`)
  const { config, paths } = loadConfig({ file, data, env: {} })
  const server = await startServer(config, paths, () => {})
  t.after(async () => {
    await server.close()
    rmSync(data, { recursive: true, force: true })
  })
  return { server, data, password: readFileSync(paths.adminPassword, 'utf8').trim() }
}
