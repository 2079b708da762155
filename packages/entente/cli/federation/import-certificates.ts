import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { accountFromKey } from '#ledger/evm/account.ts'
import { hashText } from '#product/ids.ts'
import { readSecCerts, type SecCert, type SecCerts } from '#product/sec-certs.ts'
import { LEVELS, Refusal, type SchemeInput } from '@entente/rules'
import { CliError, EXIT } from '../errors.ts'
import { counted, print, table } from '../print.ts'
import { createProgress } from '../progress.ts'
import { isSet } from '../values.ts'
import { explain, federationDir, reading } from './act.ts'
import { keyFileOf, readSigner } from './chains.ts'
import { listCountries } from './config.ts'
import { connectChain } from './connect.ts'
import { EUCC } from '#registry/eucc.ts'
import { openDocuments } from './documents.ts'
import { nowSeconds, readInput } from './input.ts'
import { EU, pathsOf } from './layout.ts'
import { type Names, openNames } from './names.ts'

const DAY = 86_400
/** Transactions of one key under way at a time: they share blocks. */
const AT_ONCE = 64

type Loaded = {
  country: string
  certificates: number
  imported: number
  holders: number
  seconds: number
  missing?: string
}

/**
 * Imports the certificates of sec-certs (crocs-muni): each member state's to its own certification chain, by its NCCA (row 17); of the others
 * it says whether the framework recognises them (row 5). What is there already stays, so whoever was stopped goes on.
 *
 * @throws CliError
 */
export async function importCertificates(values: Record<string, unknown>, folder: string): Promise<number> {
  const dir = federationDir(values)
  const names = openNames(dir)
  const [references, certificates] = ['references.csv', 'certificates.csv'].map(name => readInput(join(folder, name)))
  if (references === undefined || certificates === undefined) throw new CliError('usage', `${folder} is empty`)
  const data = readSecCerts({ references, certificates }, { salt: () => randomBytes(32), at: new Date().toISOString() })
  const here = new Set(listCountries(dir))
  const progress = createProgress(isSet(values, 'json'))
  let done = 0
  const members = data.certificates.filter(one => one.isMember)
  const step = () => progress.update(++done, members.length, 'certificates')
  const started = performance.now()
  try {
    const countries = [...new Set(members.map(one => one.country))].sort()
    const loaded = await Promise.all(
      countries.map(async (country): Promise<Loaded> => {
        if (here.has(country)) return importCountry(dir, country, data, names, step)
        const certificates = members.filter(one => one.country === country).length
        return { country, certificates, imported: 0, holders: 0, seconds: 0, missing: 'no member here' }
      }),
    )
    const foreign = here.has(EU)
      ? await recognise(
          values,
          data.certificates.filter(one => !one.isMember),
        )
      : []
    names.keep()
    progress.end()
    const seconds = (performance.now() - started) / 1000
    print(isSet(values, 'json'), { loaded, foreign, seconds }, () => [
      ...table([
        ['COUNTRY', 'CERTIFICATES', 'IMPORTED', 'HOLDERS', 'SECONDS'],
        ...loaded.map(l => [
          l.country,
          String(l.certificates),
          l.missing ?? String(l.imported),
          String(l.holders),
          l.seconds.toFixed(1),
        ]),
      ]),
      ...foreign.map(
        f =>
          `${f.country}: ${counted(f.certificates, 'certificate')} of a third country, ${f.recognised} recognised (${f.why})`,
      ),
      `${seconds.toFixed(1)} s`,
    ])
    return EXIT.yes
  } finally {
    progress.end()
  }
}

/** A national scheme from before the CSA: no new certificate is issued under it (CSA 57(1)), and it has no level in the CSA's words. */
const schemeTerms = (document: string, name: string): SchemeInput => ({
  document,
  scope: hashText(`scope of ${name}`),
  adopted: Date.UTC(1997, 0, 1) / 1000,
  endsAt: Date.UTC(2026, 1, 27) / 1000,
  levels: [...LEVELS],
  maxValidity: 36_500 * DAY,
  allowsDeclaration: false,
  isPublicOnly: false,
  authorisedLevels: [],
  van: {},
  maxSuspension: 42 * DAY,
  maxSuspended: 365 * DAY,
  maxAccreditation: 5 * 365 * DAY,
  allowsProfiles: true,
})

async function importCountry(
  dir: string,
  country: string,
  data: SecCerts,
  names: Names,
  step: () => void,
): Promise<Loaded> {
  const started = performance.now()
  const certificates = data.certificates.filter(one => one.country === country)
  const documents = openDocuments(dir, country)
  const open = await connectChain(dir, { country, kind: 'certification' })
  const ncca = await open.as(readSigner(open.config, keyFileOf(open.config, pathsOf(dir, country), 'ncca')))
  try {
    // What is there already, by the history: to prove each would take longer than to enter it.
    const there = new Set((await ncca.history()).map(event => event.subject))
    const scheme = data.schemes.get(country)
    if (scheme !== undefined && !there.has(scheme.id))
      await ncca.run('registerNationalScheme', scheme.id, schemeTerms(documents.put(scheme.document), scheme.name), [])
    for (const [kind, found] of [
      ['scheme', scheme],
      ['party', data.issuers.get(country)],
    ] as const)
      if (found !== undefined) names.id(kind, found.name)
    const holders = [...new Set(certificates.map(one => one.legacy.holder))]
    const entered = await all(holders, async id => {
      if (there.has(id)) return 0
      const holder = data.holders.get(id)
      if (holder === undefined) return 0
      // Nobody has this key: whoever the holder is gets one from the NCCA (row 13).
      const { address } = accountFromKey(`0x${randomBytes(32).toString('hex')}`)
      const act = documents.put(holder.document)
      await ncca.run('registerParty', { id, kind: 'holder', country: holder.country, key: address, act })
      names.id('party', holder.name)
      return 1
    })
    const imported = await all(certificates, async one => {
      const isNew = !there.has(one.id)
      if (isNew) await importOne(ncca, documents.put(one.document), one)
      names.id('certificate', one.name)
      step()
      return isNew ? 1 : 0
    })
    return {
      country,
      certificates: certificates.length,
      imported: sum(imported),
      holders: sum(entered),
      seconds: (performance.now() - started) / 1000,
    }
  } catch (error) {
    throw error instanceof Refusal ? explain(error, names) : error
  } finally {
    await open.close()
  }
}

async function importOne(ncca: RuleChain, document: string, { id, legacy }: SecCert): Promise<void> {
  const { until, ...rest } = legacy
  await ncca.run('importLegacy', id, { ...rest, document, ...(until === undefined ? {} : { until }) })
}

/** Whether certificates of third countries are recognised under EUCC: by an agreement, for its levels and time (row 5; EUCC 44). */
async function recognise(values: Record<string, unknown>, foreign: readonly SecCert[]) {
  const countries = [...new Set(foreign.map(one => one.country))].sort()
  return reading(values, { country: EU, kind: 'eu' }, async eu =>
    Promise.all(
      countries.map(async country => {
        const of = foreign.filter(one => one.country === country)
        const { value } = await eu.get('recognition', `${country}@${EUCC.id}`)
        const now = nowSeconds()
        const isLive = value !== undefined && value.since <= now && now < value.until
        // A certificate without a level in the CSA's words is of none that an agreement has.
        const recognised = of.filter(
          one => isLive && one.legacy.level !== undefined && value.levels.includes(one.legacy.level),
        )
        const why =
          value === undefined
            ? 'no agreement is in the framework'
            : isLive
              ? 'they have no level that the agreement has'
              : 'the agreement is not in force'
        return { country, certificates: of.length, recognised: recognised.length, why }
      }),
    ),
  )
}

/** At most {@link AT_ONCE} at a time. */
async function all<T, R>(list: readonly T[], run: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let i = 0; i < list.length; i += AT_ONCE)
    results.push(...(await Promise.all(list.slice(i, i + AT_ONCE).map(run))))
  return results
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)
