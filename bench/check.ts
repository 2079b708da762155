// How long the library's check takes, warm and with proofs verified, on the chains of one country with N artifacts, and the command beside it.
// node bench/check.ts [N [DIR]]   DIR is kept; one that an earlier run has left is measured, and nothing entered
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { subjectId } from '../packages/entente/product/ids.ts'
import { checkVersion, type CountryChains } from '../packages/entente/registry/check.ts'
import { EUCC } from '../packages/entente/registry/eucc.ts'
import { readKey } from '../packages/entente/cli/federation/chains.ts'
import { loadCountry } from '../packages/entente/cli/federation/config.ts'
import { initFederation } from '../packages/entente/cli/federation/init.ts'
import { startFederation } from '../packages/entente/cli/federation/up.ts'
import { load, type RuleCall } from './load.ts'
import { median, quantile } from './statistics.ts'

const WRITERS = 16
/** One artifact of so many has a version and what Article 55 asks for; the others are there. */
const VERSIONED = 10
const HASH = `0x${'1'.repeat(64)}`
const DAY = 86_400
const kept = process.argv[3]
const dir = kept ?? mkdtempSync(join(tmpdir(), 'entente-check-'))
/** How many there are, once all are. */
const counted = join(dir, 'artifacts')
const isThere = existsSync(counted)
const artifacts = Number(isThere ? readFileSync(counted, 'utf8') : (process.argv[2] ?? 200))
if (!isThere) {
  initFederation({ dir, members: ['FR'], port: 0, testSeed: 'entente bench' })
  for (const country of ['EU', 'FR']) {
    const file = join(dir, country, 'federation.yaml')
    writeFileSync(file, `${readFileSync(file, 'utf8')}documents: { serve: false }\n`)
  }
}
const federation = await startFederation(
  dir,
  ['EU', 'FR'].map(country => loadCountry(dir, country)),
  { demo: true, log: () => {}, now: Date.now },
)
try {
  const chain = (kind: string) => {
    const found = federation.chains.find(one => one.name.country === 'FR' && one.name.kind === kind)
    if (!found) throw new Error(`no chain ${kind}`)
    return found
  }
  const key = (name: string) => readKey(join(dir, 'FR/keys', `${name}.key`))
  const keyOf = (n: number): `0x${string}` => `0x${(0xbe0c00 + n).toString(16).padStart(64, '0')}`
  const { accountFromKey } = await import('../packages/entente/ledger/evm/account.ts')

  const certification = chain('certification')
  const version = subjectId('version', 'artifact 0 1')

  /** @returns seconds */
  async function enter(): Promise<number> {
    const started = performance.now()
    const ncca = await chain('artifact').as(key('ncca'))
    const makers = Array.from({ length: WRITERS }, (_, n) => ({ id: subjectId('party', `maker ${n}`), key: keyOf(n) }))
    for (const { id, key } of makers)
      await ncca.run('registerParty', {
        id,
        kind: 'manufacturer',
        country: 'FR',
        key: accountFromKey(key).address,
        act: HASH,
      })
    const calls = function* (n: number): Generator<RuleCall> {
      for (let i = n; i < artifacts; i += WRITERS) {
        const artifact = subjectId('artifact', `artifact ${i}`)
        yield ['registerArtifact', artifact, HASH]
        if (i % VERSIONED !== 0) continue
        yield ['setSupport', artifact, { guidance: HASH, until: 4_000_000_000, contact: HASH, repository: HASH }]
        const files = { firmware: HASH, sbom: HASH, mud: HASH }
        yield ['registerVersion', artifact, subjectId('version', `artifact ${i} 1`), files]
      }
    }
    const { provider, config } = chain('artifact')
    if (config.kind !== 'embedded' || provider === undefined) throw new Error(`the chain is of kind ${config.kind}`)
    const { contracts } = await ncca.identity()
    const options = { provider, contracts, chainId: config.chainId, kind: 'artifact' as const, gas: 10_000_000n }
    await Promise.all(
      makers.map(({ id, key }, n) => load(options, { account: accountFromKey(key), party: id, calls: calls(n) })),
    )
    const [nab, supervision] = [await certification.as(key('nab')), await certification.as(key('ncca'))]
    const [cab, until] = [subjectId('party', 'CAB'), Math.floor(Date.now() / 1000) + 300 * DAY]
    await nab.run('registerParty', {
      id: cab,
      kind: 'cab',
      country: 'FR',
      key: accountFromKey(keyOf(99)).address,
      act: HASH,
    })
    await nab.run('accredit', cab, { schemes: [EUCC.id], categories: [], until })
    await supervision.run('notifyBody', cab, '0799', false)
    while ((await supervision.get('version', version)).value === undefined)
      await new Promise(resolve => setTimeout(resolve, 100))
    const certificate = {
      scheme: EUCC.id,
      level: 'substantial' as const,
      holder: makers[0]?.id ?? '',
      versions: [version],
    }
    const now = Math.floor(Date.now() / 1000)
    const rest = {
      components: [],
      categories: [],
      document: HASH,
      report: HASH,
      van: 0,
      since: now - 60,
      until,
      due: [],
    }
    await (await certification.as(keyOf(99))).run('issue', subjectId('certificate', 'C'), { ...certificate, ...rest })
    writeFileSync(counted, String(artifacts))
    return (performance.now() - started) / 1000
  }

  const loaded = isThere ? 'there' : `entered in ${(await enter()).toFixed(0)} s`

  const country: CountryChains = {
    country: 'FR',
    artifact: await chain('artifact').reader(),
    certification: await certification.reader(),
    vulnerability: await chain('vulnerability').reader(),
  }
  const times: number[] = []
  let proven = 0
  for (let i = 0; i < 120; i++) {
    const before = performance.now()
    const answer = await checkVersion([country], version, { now: Math.floor(Date.now() / 1000) })
    if (i >= 20) times.push(performance.now() - before)
    if (!answer.certified.is) throw new Error('it is certified')
    proven = answer.evidence.filter(one => one.level === 'proven').length
  }
  const [middle, slow] = [median(times), quantile(times, 0.95)].map(ms => ms.toFixed(1))
  console.log(
    `${artifacts} artifacts ${loaded}; check: median ${middle} ms, 95 % ${slow} ms, ${proven} readings proven`,
  )

  const cli = join(import.meta.dirname, '../packages/entente/cli/entente.js')
  const [walls, inside]: [number[], number[]] = [[], []]
  for (let i = 0; i < 6; i++) {
    const before = performance.now()
    const { stdout } = await promisify(execFile)(process.execPath, [cli, 'check', version, '--dir', dir, '--json'])
    if (i === 0) continue // it compiles
    walls.push(performance.now() - before)
    inside.push((JSON.parse(stdout) as { milliseconds: number }).milliseconds)
  }
  console.log(
    `the command, a process each time: median ${median(walls).toFixed(0)} ms, of that ${median(inside).toFixed(0)} ms for the answer, with nothing read before`,
  )
} finally {
  await federation.close()
  if (kept === undefined) rmSync(dir, { recursive: true, force: true })
}
