// CertificateRegistry, with all that it asks on its chain, against packages/rules: the same calls in the same order, the same refusals by the same row,
// the same state. Versions and recognitions of other chains come through the Mirror.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Certificate, Memory } from '@entente/rules'
import { stringToHex } from 'viem'
import { forge } from '../../contracts/tools/artifact.mts'
import {
  BARE,
  BEGIN,
  CAB,
  calls,
  GENESIS,
  HIGH_CAB,
  INBOX,
  type On,
  PUBLIC_BODY,
  UNION,
  VERSION,
} from './certificate-calls.ts'
import { type Contract, type Evm, holdAgainst, id, key, PROVENANCES, START, toMask, toStruct, useEvm } from './evm.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20_261_122)
const RUNS = process.env['ENTENTE_TEST_LONG'] === undefined ? 12 : 300

const evm = useEvm()

/** All that there is of a certificate, as the contract's view gives it, in the order of its struct. */
function wordsOf(c: Certificate): bigint[] {
  const numbers = [
    ['certificate', 'profile', 'declaration'].indexOf(c.kind),
    c.level === undefined ? 0 : toMask([c.level]),
    c.van,
    c.schemeVersion,
    Number(c.isImported),
    Number(c.isUnderReview),
    c.since,
    c.until ?? 0,
    c.withdrawn ?? 0,
    c.suspendedUntil,
    c.suspended,
  ]
  const ids = [c.scheme, c.issuer, c.ncca, c.holder, c.itsef, c.series, c.document, c.report, c.successor]
  const lists = [c.versions, c.components, c.notified, c.due].map(list => list.map(BigInt))
  let offset = (numbers.length + ids.length + lists.length) * 32
  const offsets = lists.map(list => {
    const at = offset
    offset += 32 * (1 + list.length)
    return at
  })
  const values = [...numbers, ...ids.map(one => one ?? 0), ...offsets].map(BigInt)
  return [32n, ...values, ...lists.flatMap(list => [BigInt(list.length), ...list])]
}

async function assertSame(contracts: Record<On, Contract>, memory: Memory): Promise<void> {
  for (const n of [0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6]) {
    const found = memory.get('certificate', id(n))
    const words = (await contracts.certificates.words('certificateOf', [id(n)])).map(BigInt)
    if (found) assert.deepEqual(words, wordsOf(found))
    else
      assert.equal(
        words.reduce((sum, word, i) => (i > 20 ? sum : sum + word), 0n),
        32n,
      )
  }
  for (const body of [CAB, HIGH_CAB, PUBLIC_BODY])
    for (const document of [0xd1, 0xd2, 0xd3]) {
      const [isUsed] = await contracts.certificates.words('isApprovalUsed', [id(document), id(body)])
      assert.equal(Number(isUsed) === 1, memory.get('approval', `${id(document)}@${id(body)}`)?.isUsed ?? false)
    }
  for (const version of [VERSION, BARE]) {
    const from = (await contracts.mirror.words('versionOf', [version]))[1]
    assert.equal(PROVENANCES[Number(from)], memory.get('version', version)?.from)
  }
  for (const country of ['NO', 'JP']) {
    const words = await contracts.mirror.words('recognitionOf', [stringToHex(country), UNION])
    const known = memory.get('recognition', `${country}@${UNION}`)
    assert.deepEqual([Number(words[2]), PROVENANCES[Number(words[5])]], [known?.since ?? 0, known?.from ?? 'own'])
  }
}

async function deploy(started: Evm): Promise<Record<On, Contract>> {
  const parties = await started.deploy('PartyRegistry', [1, stringToHex('FR'), GENESIS.parties.map(toStruct), INBOX])
  const schemes = await started.deploy('SchemeRegistry', [parties.address])
  const bodies = await started.deploy('AccreditationRegistry', [parties.address, schemes.address])
  const mirror = await started.deploy('Mirror', [parties.address])
  const addresses = [parties, schemes, bodies, mirror].map(one => one.address)
  return { parties, schemes, bodies, mirror, certificates: await started.deploy('CertificateRegistry', addresses) }
}

test(`${RUNS} runs of 74 calls at most: contracts and rules do and refuse the same (seed ${SEED})`, async t => {
  const started = await evm
  if (typeof started === 'string') return t.skip(started)
  forge('build')
  const contracts = await deploy(started)
  let begun = START + 100
  for (const [by, one] of BEGIN)
    assert.equal((await contracts[one.on].send(key(by), one.name, one.args, ++begun)).refused, undefined, one.name)
  const taken = new Set<string>()
  const tally = await holdAgainst(started, GENESIS, calls, { seed: SEED, runs: RUNS }, async (list, play, memory) => {
    for (const [by, one] of BEGIN) await memory.run(key(by), START, one.rule)
    let now = (begun += 100) // the chain's clock was put back with the rest
    for (const { at, by, pause } of list) {
      now += pause
      const one = at({ now, memory })
      const before = memory.events.length
      await play(contracts[one.on], by({ now, memory }), one, now)
      if (memory.events.length > before) taken.add(one.name)
    }
    await assertSame(contracts, memory)
  })
  console.log(`measured: ${tally.taken} calls taken, ${tally.refused} refused in ${tally.ways.length} ways`)
  const all = [
    'issue',
    'certifyProfile',
    'importLegacy',
    'declare',
    'maintain',
    'openReview',
    'confirmReview',
    'suspend',
  ]
  all.push(
    'withdrawReview',
    'replaceReview',
    'lift',
    'extendSuspension',
    'withdraw',
    'notifyComponent',
    'clearNotification',
  )
  assert.deepEqual(
    all.filter(name => !taken.has(name)),
    [],
    'never taken',
  )
  assert.ok(tally.ways.length > 50, tally.ways.join())
})
