import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { loadConfig } from '../../config.ts'
import { type RunningServer, startServer } from '../../serve.ts'

/** A server in this process and a folder to run commands in. */
export type Site = { server: RunningServer; url: string; data: string; folder: string; config: string }

/** Collections without a ledger: what is logged is complete. */
const PLAIN = `
server: { port: 0 }
ledgers: []
apiRoots:
  - path: /api/
    title: Tests
    collections:
      - { alias: default, title: Default collection }
      - { alias: other, title: Other collection }
      - { alias: inbox, title: Write only, read: [nobody] }
      - { alias: feed, title: Read only, write: [nobody] }
`

export async function startSite(
  t: TestContext,
  configuration: string = PLAIN,
  files: Record<string, string> = {},
  mode = 0o644,
): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'entente-cli-'))
  const data = join(folder, 'data')
  mkdirSync(data)
  const file = join(folder, 'entente.yaml')
  writeFileSync(file, configuration)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode })
  const { config, paths } = loadConfig({ file, data, env: {} })
  const server = await startServer(config, paths, () => {})
  t.after(async () => {
    await server.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return { server, url: `${server.url}/api/collections/default/`, data, folder, config: file }
}

export const adminPassword = (site: Site): string => readFileSync(join(site.data, 'admin-password'), 'utf8').trim()

/** Small valid objects, the same in every run. */
export function indicators(count: number, from = 0): { type: string; id: string; [p: string]: unknown }[] {
  return Array.from({ length: count }, (_, i) => ({
    type: 'indicator',
    spec_version: '2.1',
    id: `indicator--00000000-0000-4000-8000-${(from + i).toString(16).padStart(12, '0')}`,
    created: '2026-01-01T00:00:00.000Z',
    modified: '2026-01-01T00:00:00.000Z',
    name: `indicator ${from + i}`,
    pattern: "[file:name = 'a']",
    pattern_type: 'stix',
    valid_from: '2026-01-01T00:00:00Z',
  }))
}
