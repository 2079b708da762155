// Broken set-ups, each with what "entente doctor" has to say of it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { COSIGNATURE_V1, createVerifierKey, formatVkey } from '@entente/verify/tlog'
import { openLogKey } from '#notary/key.ts'
import { type Name, testCertificate, testKey } from '../../../../test/support/x509.ts'
import { root, temporaryFolder } from '../../../../test/support/server.ts'
import { examine } from '../commands/doctor.ts'
import { loadConfig } from '../config.ts'
import { openLogFolder } from '../open-log.ts'
import { startServer } from '../serve.ts'
import { type Check, type Finding, type Machine, ok, type Patient, runChecks } from './check.ts'
import { realMachine } from './machine.ts'
import { until } from '../../../../test/support/until.ts'

const GB = 1_073_741_824
/** TEST KEY: nobody has its private half. */
const WITNESS = formatVkey(createVerifierKey('witness.example', COSIGNATURE_V1, new Uint8Array(32).fill(9)))

/** Nothing listens there: the port was given back. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listening(t: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A folder in which a server ran: log, store, embedded ledger. */
let served: string
const cleanups: (() => void)[] = []
before(async () => {
  served = temporaryFolder({ after: f => void cleanups.push(f) })
  const { config, paths } = loadConfig({ data: served, env: {} })
  const log = await openLogFolder(config, paths, () => {})
  await until(() => log.ledgers()[0]?.finalSize === 1)
  await log.close()
})
after(() => {
  for (const f of cleanups) f()
})

type Situation = {
  /** The embedded ledger is looked at as well, which takes a second. */
  hasLedger?: true
  config?: string
  machine?: Partial<Machine>
  /** What happened to the folder. */
  happened?: (data: string) => void
}

/** @returns what is not fine, or all findings of a subject */
async function look(t: TestContext, { config = '', machine = {}, happened, hasLedger }: Situation): Promise<Finding[]> {
  const data = temporaryFolder(t)
  cpSync(served, data, { recursive: true })
  happened?.(data)
  const file = join(data, 'entente.yaml')
  const port = /^server:/m.test(config) ? '' : `server: { port: ${await freePort()} }\n`
  const ledgers = hasLedger || /^ledgers:/m.test(config) ? '' : 'ledgers: []\n'
  writeFileSync(file, `${port}${ledgers}${config}\n`)
  const values = { data, config: file, json: true, timeout: '10' }
  return examine(values, { ...realMachine(), env: {}, ...machine })
}

const wrong = (findings: Finding[]) =>
  findings.filter(f => f.level !== 'ok').map(f => `${f.level} ${f.group} ${f.subject}: ${f.seen}`)

test('a folder in which a server ran, and one in which none has, are fine but for the name of the log', async t => {
  const isOrigin = /^warning configuration log.origin: it is left out/
  const [one, ...more] = wrong(await look(t, { hasLedger: true }))
  assert.match(one ?? '', isOrigin)
  assert.deepEqual(more, [])
  const file = join(temporaryFolder(t), 'new.yaml')
  writeFileSync(file, `log: { origin: taxii.example/log }\nserver: { port: ${await freePort()} }\n`)
  const findings = await examine({ data: join(temporaryFolder(t), 'new'), config: file, json: true }, realMachine())
  assert.deepEqual(wrong(findings), [])
  assert.ok(findings.some(f => f.group === 'store' && f.seen.startsWith('there is none yet')))
})

/** Name of the case, the set-up, and what must be found; nothing else may be wrong but that the log has no name of its own. */
const CASES: [string, Situation | ((t: TestContext) => Promise<Situation>), RegExp[]][] = [
  [
    'a typing error in the configuration',
    { config: 'anchoring: { intervallMs: 5 }' },
    [/^problem configuration configuration: .*unknown key intervallMs/s],
  ],
  [
    'a role that nobody has',
    { config: 'apiRoots: [{ path: /api/, title: A, collections: [{ alias: a, title: Alpha, read: [taxi-read] }] }]' },
    [/^warning configuration roles: read of the collection "Alpha" asks for "taxi-read"/],
  ],
  [
    'a file that is not there',
    { config: 'auth: { kind: oidc, issuer: "http://127.0.0.1:1", clientId: c, clientSecretFile: nowhere }' },
    [/^problem configuration auth.clientSecretFile: .*ENOENT/, /^problem identity identity provider: .*nowhere/],
  ],
  [
    'a secret that everybody can read',
    {
      happened: data => {
        chmodSync(data, 0o755)
        chmodSync(join(data, 'log.key'), 0o644)
        chmodSync(join(data, 'store.db'), 0o600)
      },
    },
    [/^problem configuration the log's key: everybody on this machine can read/],
  ],
  [
    'a secret that its group can read',
    {
      happened: data => {
        chmodSync(data, 0o750)
        chmodSync(join(data, 'log.key'), 0o640)
        chmodSync(join(data, 'store.db'), 0o600)
      },
    },
    [/^warning configuration the log's key: its group can read/],
  ],
  [
    'a public URL that is not HTTPS',
    async () => ({ config: `server: { port: ${await freePort()}, publicUrl: "http://taxii.example" }` }),
    [/^problem configuration server.publicUrl: .*not HTTPS/],
  ],
  [
    'the key of another store',
    {
      config: 'log: { origin: taxii.example/log }',
      happened: data => {
        rmSync(join(data, 'log.key'))
        openLogKey(join(data, 'log.key'), 'taxii.example/log', true)
      },
    },
    [/^problem store log: .* is not signed by this log's key/],
  ],
  [
    'a store without its key',
    { config: 'log: { origin: taxii.example/log }', happened: data => rmSync(join(data, 'log.key')) },
    [/^problem store log: .*log.key is not there/],
  ],
  [
    'a store that is damaged',
    { config: 'ledgers: []', happened: data => writeFileSync(join(data, 'store.db'), Buffer.alloc(8192, 7)) },
    [/^problem store store: .*not a database/],
  ],
  [
    'a ledger that is gone',
    { hasLedger: true, happened: data => rmSync(join(data, 'ledger'), { recursive: true }) },
    [/^problem ledgers ledger "local": .* holds no ledger, and the log is there/],
  ],
  [
    'a ledger that is away',
    async () => ({
      config: `ledgers: [{ id: far, kind: evm, urls: ["http://127.0.0.1:${await freePort()}"], chainId: 5, account: { node: "0x${'11'.repeat(20)}" } }]`,
    }),
    [/^problem ledgers ledger "far": /],
  ],
  [
    'a ledger of another chain',
    async t => ({
      config: `ledgers: [{ id: far, kind: evm, urls: ["http://127.0.0.1:${await otherChain(t)}"], chainId: 5, account: { node: "0x${'11'.repeat(20)}" } }]`,
    }),
    [/^problem ledgers ledger "far": .*chain.*(5.*9|9.*5)/],
  ],
  [
    'a broker that is away (RabbitMQ)',
    async () => ({ config: `channels: { kind: rabbitmq, url: "amqp://a:b@127.0.0.1:${await freePort()}" }` }),
    [/^problem brokers rabbitmq: RabbitMQ at amqp:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/],
  ],
  [
    'a broker that is away (Kafka)',
    async () => ({ config: `channels: { kind: kafka, brokers: ["127.0.0.1:${await freePort()}"] }` }),
    [/^problem brokers kafka: Kafka at 127/],
  ],
  [
    'a provider that is away',
    async () => ({ config: `auth: { kind: oidc, issuer: "http://127.0.0.1:${await freePort()}", clientId: c }` }),
    [/^problem identity identity provider: .*ECONNREFUSED/],
  ],
  [
    'a provider that calls itself otherwise, whose clock is off, and which lacks a scope',
    async t => {
      const port = await listening(t, (request, response) => {
        response.setHeader('date', new Date(Date.now() - 20_000).toUTCString())
        const at = `http://127.0.0.1:${port}`
        const metadata = { issuer: at, jwks_uri: `${at}/keys`, scopes_supported: ['openid', 'taxii-read'] }
        const keys = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) }] }
        response.end(JSON.stringify(request.url === '/keys' ? keys : metadata))
      })
      return { config: `auth: { kind: oidc, issuer: "http://127.0.0.1:${port}", clientId: c }` }
    },
    [/^warning clocks identity provider: .* (19|20|21)\.\d s ahead/, /^warning identity scopes: .*taxii-write/],
  ],
  [
    'a witness that is away',
    async () => ({
      config: `log: { witnesses: [{ vkey: "${WITNESS}", url: "http://127.0.0.1:${await freePort()}" }] }`,
    }),
    [/^warning witnesses witness witness.example: .*ECONNREFUSED/, /^problem witnesses quorum: 0 of 1 answer/],
  ],
  [
    'a clock that is a year behind',
    { hasLedger: true, machine: { clock: () => (Date.now() - 365 * 86_400_000) * 1000 } },
    [/^problem clocks ledger "local": this machine's clock says/],
  ],
  [
    'a disk that is nearly full',
    { machine: { space: async () => ({ free: 1_048_576, total: 100 * GB }) } },
    [/^problem machine disk of the data folder: 1 MiB of 100.0 GiB/],
  ],
  [
    'an old Node.js and little memory',
    { machine: { nodeVersion: '20.19.0', memory: { limit: GB / 8, heap: GB / 8 } } },
    [/^problem machine Node.js: 20.19.0/, /^warning machine memory: 128 MiB/],
  ],
  [
    'a certificate that expired, is for another name, and whose key is another',
    async t => {
      const folder = temporaryFolder(t)
      const who = { name: [['CN', 'TEST other.example']] as Name, key: testKey('doctor server') }
      writeFileSync(join(folder, 'c.pem'), testCertificate(who, who, { hosts: ['other.example'] }))
      writeFileSync(join(folder, 'k.pem'), testKey('doctor stranger').pem, { mode: 0o600 })
      return {
        config: `server: { port: ${await freePort()}, publicUrl: "https://taxii.example", tls: { cert: "${folder}/c.pem", key: "${folder}/k.pem" } }`,
        machine: { clock: () => Date.parse('2046-01-01') * 1000 },
      }
    },
    [/^problem server certificate: it expired/, /k.pem is not the key of/, /it is not for taxii.example/],
  ],
  [
    'a port that another program has',
    async t => {
      const port = await listening(t, (_request, response) => response.writeHead(404).end())
      return { config: `server: { port: ${port} }` }
    },
    [/^problem server address: .* is taken by another program \(status 404\)/],
  ],
  [
    'a server that has halted',
    async t => {
      const port = await listening(t, (_request, response) =>
        response.writeHead(503).end('{"status":"halted","reason":"the store was put back"}'),
      )
      return { config: `server: { port: ${port} }` }
    },
    [/^problem server running server: .*takes no writes: the store was put back/],
  ],
  [
    'an address that is not of this machine',
    { config: 'server: { host: 192.0.2.1, port: 6100, allowPlainHttp: true, publicUrl: "https://taxii.example" }' },
    [/^problem server address: 192.0.2.1:6100 can't be listened on \(EADDRNOTAVAIL\)/],
  ],
]

/** A node that answers each question with the same number: chain 9. */
const otherChain = (t: TestContext) =>
  listening(t, async (request, response) => {
    let text = ''
    for await (const part of request) text += part
    const asked = JSON.parse(text)
    const answer = (one: { id: number }) => ({ jsonrpc: '2.0', id: one.id, result: '0x9' })
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(Array.isArray(asked) ? asked.map(answer) : answer(asked)))
  })

describe('what is wrong is found, named and said how to mend; nothing else is', () => {
  for (const [name, situation, expected] of CASES)
    test(name, async t => {
      const findings = await look(t, typeof situation === 'function' ? await situation(t) : situation)
      const found = wrong(findings).filter(text => !text.includes('log.origin'))
      for (const pattern of expected)
        assert.ok(
          found.some(text => pattern.test(text)),
          `${pattern} among\n${found.join('\n')}`,
        )
      assert.equal(found.length, expected.length, found.join('\n'))
      for (const f of findings) assert.ok(f.level === 'ok' || f.mend.endsWith('.'), `${f.subject} says how to mend it`)
    })
})

test('a check that throws or hangs is a problem by itself, and holds up nobody', async () => {
  const checks: Check[] = [
    { name: 'hangs', group: 'server', run: () => new Promise(() => {}) },
    { name: 'throws', group: 'machine', run: async () => Promise.reject(new Error('no')) },
    { name: 'fine', group: 'store', run: async () => [ok('fine', 'yes'), ok('clock', 'yes', 'clocks')] },
  ]
  const found = await runChecks(checks, {} as Patient, 50)
  assert.deepEqual(
    found.map(f => [f.group, f.subject, f.level, f.seen]),
    [
      ['machine', 'throws', 'problem', 'no'],
      ['clocks', 'clock', 'ok', 'yes'],
      ['store', 'fine', 'ok', 'yes'],
      ['server', 'hangs', 'problem', 'no answer within 0.05 s'],
    ],
  )
})

/** Every file with its content and time of change, but for the journal without content, and its index, that SQLite makes to read. */
const contents = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(f => f.isFile() && !f.name.endsWith('-shm'))
    .map(f => join(f.parentPath, f.name))
    .sort()
    .filter(path => !(path.endsWith('-wal') && statSync(path).size === 0))
    .map(path => [path, statSync(path).mtimeMs, createHash('sha256').update(readFileSync(path)).digest('hex')])

test('a server that runs is asked how it is', async t => {
  const data = temporaryFolder(t)
  cpSync(served, data, { recursive: true })
  const file = join(data, 'entente.yaml')
  const port = await freePort()
  writeFileSync(file, `server: { port: ${port}, metrics: { port: ${await freePort()} } }\nledgers: []\n`)
  const { config, paths } = loadConfig({ file, data, env: {} })
  const server = await startServer(config, paths, () => {})
  t.after(() => server.close())
  const findings = await examine({ data, config: file, json: true }, realMachine())
  assert.deepEqual(wrong(findings).length, 1, 'but for the name of the log')
  assert.match(findings.find(f => f.subject === 'running server')?.seen ?? '', /takes writes, at size 1$/)
  assert.match(findings.find(f => f.subject === 'address of metrics')?.seen ?? '', /in use while the server runs/)
})

test('the command changes nothing, and its exit code says whether there is a problem', async t => {
  const data = temporaryFolder(t)
  cpSync(served, data, { recursive: true })
  const file = join(data, 'entente.yaml')
  writeFileSync(file, `server: { port: ${await freePort()} }\n`)
  const ask = async (...more: string[]) => {
    const command = join(root, 'packages/entente/cli/entente.js')
    const child = spawn(process.execPath, [command, 'doctor', '--data', data, '--config', file, ...more])
    let text = ''
    child.stdout.on('data', part => (text += part))
    const [code] = await once(child, 'close')
    return { code, text }
  }
  const was = contents(data)
  const fine = await ask('--json')
  assert.deepEqual(contents(data), was)
  const { healthy, warnings, problems } = JSON.parse(fine.text)
  assert.deepEqual([fine.code, healthy, warnings, problems], [0, true, 1, 0], fine.text)
  writeFileSync(file, 'nonsense: 1\n')
  const ill = await ask()
  assert.equal(ill.code, 1)
  assert.match(ill.text, /^configuration\n {2}PROBLEM {2}configuration: .*nonsense\n {11}Correct the key/s)
  assert.match(ill.text, /1 problem, 0 warnings, 0 fine\n$/)
})
