import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { run } from './commands/validator.ts'
import { runScript } from './commands/test/script.ts'
import { loadConfig } from './config.ts'
import { ValidatorSchema } from './validator-config.ts'

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'entente-validator-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

test('docs/federation.md has every key of validator, and what it has is taken', t => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/federation.md'), 'utf8')
  const example = /```yaml\n(validator:[\s\S]*?)```/.exec(text)?.[1] ?? assert.fail('no example')
  const file = join(newFolder(t), 'v.yaml')
  writeFileSync(file, example)
  const { validator } = loadConfig({ file, data: '/nowhere', env: {} }).config
  for (const [of, key] of [
    ...Object.keys(ValidatorSchema.properties).map(key => [validator, key] as const),
    ...Object.keys(ValidatorSchema.properties.registry.properties).map(key => [validator?.registry, key] as const),
  ])
    assert.ok(Object.hasOwn(of ?? {}, key), `${key} is not in the example`)
  assert.equal(validator?.intervalMs, 5000)
})

const REGISTRY = `registry: { urls: ["http://127.0.0.1:9"], chainId: 7, contracts: { ConsortiumRegistry: "0x${'11'.repeat(20)}", FrameworkRegistry: "0x${'22'.repeat(20)}" } }`
const whole = (chain: string) =>
  `validator: { chain: "${chain}", chainId: 5, node: "http://127.0.0.1:9", ${REGISTRY}, stateFile: ./v.state }\n`

test('what is wrong with the configuration, and who is away', async t => {
  const cwd = newFolder(t)
  writeFileSync(join(cwd, 'none.yaml'), 'ledgers: []\n')
  writeFileSync(join(cwd, 'bad.yaml'), whole('0x12'))
  writeFileSync(join(cwd, 'away.yaml'), whole(`0x${'c4'.repeat(32)}`))
  const usage = (action: string, config: string, message: RegExp) =>
    assert.rejects(run({ values: { config: join(cwd, config), data: cwd }, positionals: [action] }), {
      code: 'usage',
      message,
    })
  await usage('follow', 'none.yaml', /no "validator:"/)
  await usage('follow', 'bad.yaml', /\/validator\/chain:/)
  await usage('lead', 'none.yaml', /"lead" is nothing to do with validators/)
  await usage('guard', 'away.yaml', /Give validator.guard a port/)
  // A registry and a node that are there, and are others than those that are meant.
  const server = createServer((_request, response) => response.end('{"jsonrpc":"2.0","id":1,"result":"0x63"}'))
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  writeFileSync(join(cwd, 'other.yaml'), whole(`0x${'c4'.repeat(32)}`).replaceAll(':9"', `:${port}"`))
  const other = { values: { config: join(cwd, 'other.yaml'), data: cwd, once: true }, positionals: ['follow'] }
  await assert.rejects(run(other), { code: 'evidence', message: /is on chain 99, / })
  await runScript(
    `
    $ entente validator follow --config away.yaml --once
    entente validator: no node answered eth_chainId (http://127.0.0.1:9: …
    [exit 3]
    $ entente validator follow --config away.yaml --dry-run --json
    {"error":"no node answered eth_chainId …","code":"unreachable","exit":3}
    [exit 3]
  `,
    { cwd },
  )
})
