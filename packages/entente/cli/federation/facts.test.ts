import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LedgerError } from '#ledger/error.ts'
import { createMemoryChain } from '#ledger/memory/rule-chain.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { hashText, subjectId } from '#product/ids.ts'
import { createCountry, DAY, hash, party, START, TERMS } from '#registry/test/country.ts'
import { createFacts } from './facts.ts'
import type { ChainKind } from './layout.ts'

const act = hashText('act')

/** A country with its EU chain, and what copies facts between them. TEST KEYS: names. */
async function createWorld() {
  const fr = await createCountry('FR')
  const member = (name: string, kind: 'commission' | 'state', country: string) => ({
    id: party(name),
    kind,
    country,
    key: name,
    act,
  })
  const eu = await createMemoryChain({
    genesis: {
      chain: { kind: 'eu', country: 'EU' },
      parties: [member('commission', 'commission', 'EU'), member('FR state', 'state', 'FR')],
      consortium: { numerator: 1, denominator: 2, period: DAY },
    },
    now: () => fr.clock.now,
  })
  const dir = mkdtempSync(join(tmpdir(), 'entente-facts-'))
  const file = join(dir, 'facts.json')
  const logged: string[] = []
  const own = (kind: ChainKind, key: string): RuleChain => (kind === 'eu' ? eu.as(key) : fr.as(kind, key))
  const facts = () =>
    createFacts({
      country: 'FR',
      from: kind => own(kind, ''),
      to: kind => (kind === 'eu' ? undefined : own(kind, 'ncca')),
      file,
      log: (_level, message) => logged.push(message),
    })
  return { fr, eu, file, logged, facts, end: () => rmSync(dir, { recursive: true }) }
}

test('authorities, schemes, recognitions, parties, versions and cases come to the chains that need them, once', async t => {
  const { fr, eu, file, logged, facts, end } = await createWorld()
  t.after(end)
  const value = async (
    chain: 'artifact' | 'certification' | 'vulnerability',
    kind: 'party' | 'scheme' | 'version' | 'recognition' | 'foreignCase',
    id: string,
  ) => (await fr.as(chain, '').get(kind, id)).value
  await facts().copy()
  const [scheme, ncca] = [
    subjectId('scheme', 'new'),
    { id: party('FR second NCCA'), kind: 'ncca' as const, country: 'FR', key: 'second' },
  ]
  await eu.as('commission').run('adoptScheme', scheme, { ...TERMS, scope: subjectId('scope', 'new') })
  const agreement = { agreement: act, levels: ['high' as const], since: START, until: START + DAY, isEea: true }
  await eu.as('commission').run('recogniseCountry', 'NO', scheme, agreement)
  await eu.as('FR state').run('propose', { do: 'seat', authority: ncca, act })
  const artifact = fr.as('artifact', 'ncca')
  await artifact.run('registerParty', { id: party('Maker'), kind: 'manufacturer', country: 'SE', key: 'maker', act })
  const maker = fr.as('artifact', 'maker')
  const version = subjectId('version', 'maker 1')
  await maker.run('registerArtifact', subjectId('artifact', 'maker'), act)
  await maker.run('registerVersion', subjectId('artifact', 'maker'), version, {
    firmware: hash('f'),
    sbom: hash('s'),
    mud: hash('m'),
  })
  await maker.run('addKey', 'maker 2')
  const vulnerability = subjectId('vulnerability', 'CVE-1')
  await fr.as('vulnerability', 'finder').run('announce', vulnerability, {
    commitment: hash('c'),
    artifact: { sealed: hash('sealed') },
    coordinator: party('FR coordinator'),
    proposedEnd: START + DAY,
  })

  const copied = await facts().copy()
  for (const chain of ['artifact', 'certification', 'vulnerability'] as const)
    assert.deepEqual((await value(chain, 'party', ncca.id)) as object, {
      kind: 'ncca',
      country: 'FR',
      act,
      isActive: true,
      registrar: `0x${'0'.repeat(64)}`,
      from: 'attested',
    })
  assert.ok(await value('certification', 'scheme', scheme))
  assert.ok(await value('certification', 'recognition', `NO@${scheme}`))
  for (const chain of ['certification', 'vulnerability'] as const) {
    assert.ok(await value(chain, 'party', party('Maker')))
    assert.equal((await fr.as(chain, '').get('key', 'maker 2')).value?.party, party('Maker'))
  }
  assert.equal(((await value('certification', 'version', version)) as { from: string }).from, 'attested')
  assert.ok(await value('artifact', 'foreignCase', vulnerability))
  // Three authorities' chains, a scheme, a recognition, a manufacturer on two chains, its second key on two, a version, a case.
  assert.equal(copied, 3 + 1 + 1 + 2 + 2 + 1 + 1)

  assert.equal(await facts().copy(), 0)
  // As after a crash before it was written how far it had come.
  const read = readFileSync(file, 'utf8')
  rmSync(file)
  assert.equal(await facts().copy(), 0)
  assert.equal(readFileSync(file, 'utf8'), read)
  assert.deepEqual(logged, [])
})

test('what a chain has of its own stays, and that is told; the rest goes on', async t => {
  const { fr, logged, facts, end } = await createWorld()
  t.after(end)
  await facts().copy()
  const id = party('Twice')
  const registered = { id, kind: 'manufacturer' as const, country: 'FR', act }
  await fr.as('vulnerability', 'ncca').run('registerParty', { ...registered, key: 'twice there' })
  await fr.as('artifact', 'ncca').run('registerParty', { ...registered, key: 'twice' })
  await fr.as('artifact', 'ncca').run('registerParty', { ...registered, id: party('Next'), key: 'next' })
  await facts().copy()
  assert.equal((await fr.as('vulnerability', '').get('party', id)).value?.from, 'own')
  assert.equal((await fr.as('vulnerability', '').get('party', party('Next'))).value?.from, 'attested')
  assert.equal((await fr.as('certification', '').get('party', id)).value?.from, 'attested')
  assert.deepEqual(logged, ['a fact of another chain is refused'])
})

test('a chain that is away holds up nothing but what comes from it', async t => {
  const { fr, eu, file, end } = await createWorld()
  t.after(end)
  let isAway = true
  const away: RuleChain = {
    ...eu.as(''),
    head: () => (isAway ? Promise.reject(new Error('EU is away')) : eu.as('').head()),
  }
  const facts = createFacts({
    country: 'FR',
    from: kind => (kind === 'eu' ? away : fr.as(kind, '')),
    to: kind => (kind === 'eu' ? undefined : fr.as(kind, 'ncca')),
    file,
    log: () => {},
  })
  const maker = { id: party('second maker'), kind: 'manufacturer' as const, country: 'FR', key: 'maker', act }
  await fr.as('artifact', 'ncca').run('registerParty', maker)
  await assert.rejects(facts.copy(), /EU is away/)
  assert.equal((await fr.as('vulnerability', '').get('party', maker.id)).value?.from, 'attested')
  await eu
    .as('commission')
    .run('adoptScheme', subjectId('scheme', 'new'), { ...TERMS, scope: subjectId('scope', 'new') })
  isAway = false
  await facts.copy()
  assert.equal((await fr.as('certification', '').get('scheme', subjectId('scheme', 'new'))).value?.from, 'attested')
})

test('of many facts some are under way at a time, those about one thing in turn; what stops it costs no more than the last blocks', async t => {
  const { fr, eu, file, end } = await createWorld()
  t.after(end)
  const ncca = fr.as('artifact', 'ncca')
  for (let n = 0; n < 40; n++)
    await ncca.run('registerParty', { id: party(`M${n}`), kind: 'manufacturer', country: 'FR', key: `key ${n}`, act })
  for (let n = 0; n < 40; n += 2) await fr.as('artifact', `key ${n}`).run('addKey', `other key ${n}`)
  const calls: number[] = []
  let left = 2
  const facts = () =>
    createFacts({
      country: 'FR',
      blocks: 12,
      from: kind => (kind === 'eu' ? eu.as('') : fr.as(kind, '')),
      to: kind => {
        const chain = kind === 'certification' ? fr.as(kind, 'ncca') : undefined
        return (
          chain && {
            ...chain,
            runAll: async some => {
              calls.push(some.length)
              if (left-- === 0) return some.map(() => new LedgerError('unreachable', 'away'))
              return chain.runAll(some)
            },
          }
        )
      },
      file,
      log: () => {},
    })
  await assert.rejects(facts().copy(), { code: 'unreachable' })
  const read = JSON.parse(readFileSync(file, 'utf8'))['artifact>certification']
  assert.ok(read >= 11 && read < 40, `read up to ${read}`)
  await facts().copy()
  assert.ok(Math.max(...calls) > 5)
  const reader = fr.as('certification', '')
  for (let n = 0; n < 40; n++) {
    assert.equal((await reader.get('key', `key ${n}`)).value?.party, party(`M${n}`))
    const other = (await reader.get('key', `other key ${n}`)).value?.party
    assert.equal(other, n % 2 === 0 ? party(`M${n}`) : undefined)
  }
  assert.equal(await facts().copy(), 0)
})

test('a party comes with the keys that its chain can know: addresses to EVM chains, names of identities to Fabric', async t => {
  const { fr, file, logged, end } = await createWorld()
  t.after(end)
  const [address, identity] = [`0x${'a1'.repeat(20)}`, 'Org1MSP:x509::/CN=maker::/CN=ca']
  const register = (name: string, key: string) =>
    fr.as('artifact', 'ncca').run('registerParty', { id: party(name), kind: 'manufacturer', country: 'FR', key, act })
  await register('of an EVM chain', address)
  await register('of Fabric', identity)
  const on = (ledger: RuleChain['ledger'], chain: RuleChain): RuleChain => ({ ...chain, ledger })
  const ledgers: Partial<Record<ChainKind, RuleChain['ledger']>> = { certification: 'fabric', vulnerability: 'evm' }
  const facts = createFacts({
    country: 'FR',
    from: kind => (kind === 'eu' ? undefined : fr.as(kind, '')),
    to: kind => (kind === 'eu' ? undefined : on(ledgers[kind] ?? 'memory', fr.as(kind, 'ncca'))),
    file,
    log: (_level, message) => logged.push(message),
  })
  await facts.copy()
  assert.equal(await facts.copy(), 0)
  for (const [chain, known] of [
    ['certification', [undefined, party('of Fabric')]],
    ['vulnerability', [party('of an EVM chain'), undefined]],
  ] as const) {
    const reader = fr.as(chain, '')
    for (const name of ['of an EVM chain', 'of Fabric'])
      assert.equal((await reader.get('party', party(name))).value?.kind, 'manufacturer', `${chain} ${name}`)
    const keys = await Promise.all([address, identity].map(key => reader.get('key', key)))
    assert.deepEqual(
      keys.map(({ value }) => value?.party),
      known,
    )
  }
  assert.deepEqual(logged, [])
})
