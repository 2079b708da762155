import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RuleCall, RuleChain } from '#ledger/rule-chain.ts'
import { accountFromKey } from '#ledger/evm/account.ts'
import { readSecCerts, type SecCerts } from '#product/sec-certs.ts'
import { EUCC } from '#registry/eucc.ts'
import { rehearse } from '#registry/rehearse.ts'
import { recognitionId, type RecognitionState, recognitionState, Refusal } from '@entente/rules'
import { CliError, EXIT } from '../errors.ts'
import { counted, print, table } from '../print.ts'
import { createProgress } from '../progress.ts'
import { isSet } from '../values.ts'
import { explain, federationDir } from './act.ts'
import { keyFileOf, type OpenChain, readSigner } from './chains.ts'
import { listCountries } from './config.ts'
import { connectChain } from './connect.ts'
import { openDocuments } from './documents.ts'
import { callOfCertificate, callOfHolder, callOfScheme } from './import-calls.ts'
import { type ImportPlan, namesOf, planImport } from './import-plan.ts'
import { nowSeconds, readInput } from './input.ts'
import { pathsOf } from './layout.ts'
import { type Names, openNames } from './names.ts'
import { WHY } from './recognition.ts'

/** Chains that are written to at the same time: while one makes a block, the next transactions are signed for another. */
const CHAINS_AT_ONCE = 2
/** Tries of which nothing comes, one after the other, before it is given up; and how long it waits after each. */
const MAX_FRUITLESS = 3
const AGAIN_MS = 1000
/** Certificates whose documents are written before their transactions are sent: as many stay without one where somebody is killed. */
const TOGETHER = 64

type Loaded = {
  country: string
  /** Those that the data has for this chain, and of these those that third countries issued. */
  certificates: number
  foreign: number
  imported: number
  holders: number
  seconds: number
  missing?: string
}
/** How many certificates of a plan are on their chain. */
type Tell = (country: string, count: number) => void
/** Of a third country on the chain of a member. */
type Foreign = { country: string; on: string; certificates: number; recognition: RecognitionState; recognised: number }

/**
 * Imports the certificates of sec-certs (crocs-muni): each member state's to its own certification chain, by its NCCA (row 17); those of third
 * countries to the chain of the state that they are related to most, under a scheme whose public part says whose it is, so that the framework
 * decides whether they are recognised (row 5). What is there already stays, so whoever was stopped goes on.
 *
 * @throws CliError
 */
export async function importCertificates(values: Record<string, unknown>, folder: string): Promise<number> {
  const dir = federationDir(values)
  const [references, certificates] = ['references.csv', 'certificates.csv'].map(name => readInput(join(folder, name)))
  if (references === undefined || certificates === undefined) throw new CliError('usage', `${folder} is empty`)
  const data = readSecCerts({ references, certificates }, { salt: () => randomBytes(32), at: new Date().toISOString() })
  const names = openNames(dir)
  const here = new Set(listCountries(dir))
  const progress = createProgress(isSet(values, 'json'))
  const done = new Map<string, number>()
  const tell: Tell = (country, count) => {
    done.set(country, count)
    const all = [...done.values()].reduce((sum, one) => sum + one, 0)
    progress.update(all, data.certificates.length, 'certificates')
  }
  const started = performance.now()
  try {
    const ended = await inLanes(CHAINS_AT_ONCE, planImport(data), async plan =>
      here.has(plan.country) ? importPlan(dir, plan, data, names, tell) : missing(plan),
    )
    const loaded = ended.map(one => one.loaded)
    const foreign = ended.flatMap(one => one.foreign)
    progress.end()
    const seconds = (performance.now() - started) / 1000
    const megabytes = Math.round(process.resourceUsage().maxRSS / 1024)
    print(isSet(values, 'json'), { loaded, foreign, seconds, megabytes }, () => [
      ...table([
        ['COUNTRY', 'CERTIFICATES', 'FOREIGN', 'IMPORTED', 'HOLDERS', 'SECONDS'],
        ...loaded.map(l => [
          l.country,
          String(l.certificates),
          String(l.foreign),
          l.missing ?? String(l.imported),
          String(l.holders),
          l.seconds.toFixed(1),
        ]),
      ]),
      ...foreign.map(
        f =>
          `${counted(f.certificates, 'certificate')} of ${f.country}, a third country, on the chain of ${f.on}: ${f.recognised} recognised (${WHY[f.recognition]})`,
      ),
      `${seconds.toFixed(1)} s, ${megabytes} MB`,
    ])
    return EXIT.yes
  } finally {
    progress.end()
  }
}

const missing = ({ country, certificates }: ImportPlan): { loaded: Loaded; foreign: Foreign[] } => ({
  loaded: {
    country,
    certificates: certificates.length,
    foreign: certificates.filter(one => !one.isMember).length,
    imported: 0,
    holders: 0,
    seconds: 0,
    missing: 'no member here',
  },
  foreign: [],
})

async function importPlan(dir: string, plan: ImportPlan, data: SecCerts, names: Names, tell: Tell) {
  const started = performance.now()
  const { country } = plan
  for (const [kind, name] of namesOf(plan, data)) names.id(kind, name)
  names.keep()
  const chain = await connectChain(dir, { country, kind: 'certification' })
  try {
    const { holders, certificates } = await enterAll(dir, plan, chain, tell)
    const loaded: Loaded = {
      country,
      certificates: plan.certificates.length,
      foreign: plan.certificates.filter(one => !one.isMember).length,
      imported: certificates,
      holders,
      seconds: (performance.now() - started) / 1000,
    }
    return { loaded, foreign: await recognise(await chain.reader(), plan) }
  } catch (error) {
    throw error instanceof Refusal ? explain(error, names) : error
  } finally {
    await chain.close()
  }
}

type Entered = { holders: number; certificates: number }

/**
 * Goes on where the chain was away for a while, or somebody has entered the same meanwhile (also this process, whose transaction came after it was given up).
 */
async function enterAll(dir: string, plan: ImportPlan, chain: OpenChain, tell: Tell): Promise<Entered> {
  const entered: Entered = { holders: 0, certificates: 0 }
  for (let fruitless = 0; ; await sleep(AGAIN_MS)) {
    const before = entered.holders + entered.certificates
    try {
      await enter(dir, plan, chain, tell, entered)
      return entered
    } catch (error) {
      const { code } = error as { code?: unknown }
      const mayGoOn = code === 'unreachable' || (error instanceof Refusal && code === 'Exists')
      fruitless = entered.holders + entered.certificates > before ? 0 : fruitless + 1
      if (!mayGoOn || fruitless === MAX_FRUITLESS) throw error
    }
  }
}

/** Enters what is not there yet, and counts it. */
async function enter(
  dir: string,
  { country, ...plan }: ImportPlan,
  chain: OpenChain,
  tell: Tell,
  entered: Entered,
): Promise<void> {
  const documents = openDocuments(dir, country)
  const ncca = await chain.as(readSigner(chain.config, keyFileOf(chain.config, pathsOf(dir, country), 'ncca')))
  // What is there already, by the history: to prove each would take longer than to enter it.
  const there = new Set((await ncca.history()).map(event => event.subject))
  const isNew = ({ id }: { id: string }) => !there.has(id)
  const [schemes, certificates] = [plan.schemes.filter(isNew), plan.certificates.filter(isNew)]
  const holders = plan.holders.filter(isNew).map(holder => ({ ...holder, key: nobodysKey() }))
  const known = plan.certificates.length - certificates.length
  tell(country, known)

  const entering = schemes.map(scheme => callOfScheme(scheme, documents.put(scheme.document)))
  const registering = holders.map(holder => callOfHolder(holder, holder.key, documents.put(holder.document)))
  const fresh = new Set([...schemes, ...holders, ...certificates].map(one => one.id))
  for (const { key } of holders) fresh.add(key)
  const calls = [...entering, ...registering, ...certificates.map(callOfCertificate)]
  if (calls.length > 0) await rehearse(await chain.reader(), ncca.account, calls, fresh)

  // Each needs what is before it. A crash anywhere leaves what is on the chain, which the next start passes over.
  await runAll(ncca, entering)
  await runAll(ncca, registering)
  entered.holders += registering.length
  for (let at = 0; at < certificates.length; at += TOGETHER) {
    const some = certificates.slice(at, at + TOGETHER)
    // A crash after this leaves documents that no chain has the commitment of: nobody reads or publishes them.
    for (const { document } of some) documents.put(document)
    await runAll(ncca, some.map(callOfCertificate))
    entered.certificates += some.length
    tell(country, known + at + some.length)
  }
}

/** Whoever the holder is gets a key from the NCCA (row 13): nobody has this one. */
const nobodysKey = (): string => accountFromKey(`0x${randomBytes(32).toString('hex')}`).address

/** @throws what the first that failed ended with */
async function runAll(ncca: RuleChain, calls: readonly RuleCall[]): Promise<void> {
  if (calls.length === 0) return
  for (const outcome of await ncca.runAll(calls)) if (outcome instanceof Error) throw outcome
}

/** Whether certificates of third countries are recognised under EUCC: by an agreement, for its levels and time (row 5; EUCC 44). */
async function recognise(reader: RuleChain, { country: on, certificates }: ImportPlan): Promise<Foreign[]> {
  const foreign = Map.groupBy(
    certificates.filter(one => !one.isMember),
    one => one.country,
  )
  const list: Foreign[] = []
  for (const [country, of] of foreign) {
    const { value } = await reader.get('recognition', recognitionId(country, EUCC.id))
    // None of the data has a level in the CSA's words.
    const recognition = recognitionState(value, EUCC.terms, undefined, nowSeconds())
    const recognised = recognition === 'recognised' ? of.length : 0
    list.push({ country, on, certificates: of.length, recognition, recognised })
  }
  return list
}

/** At most so many at a time; all have ended when it throws what the first that failed has thrown. */
async function inLanes<T, R>(lanes: number, list: readonly T[], run: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  let next = 0
  const lane = async () => {
    for (let at = next++; at < list.length && failures.length === 0; at = next++)
      await run(list[at] as T).then(
        result => (results[at] = result),
        error => void failures.push(error),
      )
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  if (failures.length > 0) throw failures[0]
  return results
}
