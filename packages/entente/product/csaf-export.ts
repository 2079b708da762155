import type { Status } from './advisory.ts'
import { baseVector, scoreCvss } from './cvss.ts'
import { type CaseLabel, type CaseVersion, type DisclosedCase, labelled } from './disclosed.ts'
import { present } from './documents.ts'
import { ProductError } from './error.ts'

/** Profiles of CSAF 2.0 (section 4) that a case is published in. */
export type CsafProfile = 'csaf_security_advisory' | 'csaf_vex'

export type CsafRelease = {
  profile: CsafProfile
  /** Of this document; the first is 1. What each before it changed is in `history`. */
  history: readonly { date: string; summary: string }[]
}

const GROUPS: Readonly<Record<Status, string>> = {
  affected: 'known_affected',
  fixed: 'fixed',
  not_affected: 'known_not_affected',
  under_investigation: 'under_investigation',
}
/** CSAF 2.0, 3.2.3.5 */
const FLAGS: ReadonlySet<string> = new Set([
  'component_not_present',
  'inline_mitigations_already_exist',
  'vulnerable_code_cannot_be_controlled_by_adversary',
  'vulnerable_code_not_in_execute_path',
  'vulnerable_code_not_present',
])
const NUMBER = /^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$/

type Part = Readonly<Record<string, unknown>>

/**
 * A CSAF 2.0 advisory or VEX document of a case: what its publisher says of versions, by their ids on the chain.
 *
 * @throws ProductError `document`; `syntax` for a CVSS vector that is none
 */
export function toCsaf(disclosed: DisclosedCase, { profile, history }: CsafRelease): Part {
  const { number, title, publisher } = disclosed
  if (!NUMBER.test(number))
    throw new ProductError('document', `${JSON.stringify(number.slice(0, 80))} is no number of an advisory`)
  const [first] = history
  const last = history.at(-1)
  if (first === undefined || last === undefined) throw new ProductError('document', `${number}: no release`)
  const { name, namespace, category } = publisher
  return {
    document: {
      category: profile,
      csaf_version: '2.0',
      lang: 'en',
      title,
      distribution: { tlp: { label: 'WHITE' } },
      publisher: { category, name, namespace },
      ...present({
        references: disclosed.references?.map(({ summary, url }) => ({ category: 'external', summary, url })),
      }),
      tracking: {
        id: number,
        status: 'final',
        version: String(history.length),
        initial_release_date: first.date,
        current_release_date: last.date,
        revision_history: history.map(({ date, summary }, i) => ({ number: String(i + 1), date, summary })),
      },
    },
    product_tree: { branches: branchesOf(disclosed.versions) },
    vulnerabilities: [vulnerabilityOf(disclosed)],
  }
}

/** Vendor, product, version: each once, in the order in which they come. */
function branchesOf(versions: readonly CaseVersion[]): Part[] {
  return grouped(versions, ({ manufacturer }) => manufacturer).map(([vendor, products]) => ({
    category: 'vendor',
    name: vendor,
    branches: grouped(products, ({ product }) => product).map(([product, each]) => ({
      category: 'product_name',
      name: product,
      branches: each.map(({ id, number, purl, cpe }) => ({
        category: 'product_version',
        name: number,
        product: {
          name: `${vendor} ${product} ${number}`,
          product_id: id,
          ...(purl || cpe ? { product_identification_helper: present({ cpe, purl }) } : {}),
        },
      })),
    })),
  }))
}

function vulnerabilityOf(disclosed: DisclosedCase): Part {
  const { id, cve, cvss, title, description, disclosed: date } = disclosed
  const all = labelled(disclosed).map(({ label }) => label)
  const products = (status: Status): string[] => all.flatMap(each => (each.status === status ? each.version : []))
  const groups = (Object.keys(GROUPS) as Status[]).map(status => [GROUPS[status], products(status)] as const)
  const affected = products('affected')
  const scores = cvss.map(vector => scoreCvss(vector))
  const [scored] = scores.filter(({ version }) => version.startsWith('3'))
  const [second] = scores.filter(({ version }) => version === '2.0')
  const score = {
    ...(scored === undefined ? {} : { cvss_v3: scoreOf(scored.vector) }),
    ...(second === undefined ? {} : { cvss_v2: scoreOf(second.vector) }),
  }
  return {
    ...(cve === undefined ? { ids: [{ system_name: 'Entente', text: id }] } : { cve }),
    title,
    notes: [
      { category: 'description', text: description },
      // CSAF 2.0 has no place for the scores of CVSS 4.0.
      ...scores.flatMap(({ version, vector }) =>
        version === '4.0' ? [{ category: 'details', title: 'CVSS 4.0', text: vector }] : [],
      ),
    ],
    release_date: date,
    product_status: Object.fromEntries(groups.filter(([, ids]) => ids.length > 0)),
    ...present({
      ...(affected.length > 0 && Object.keys(score).length > 0 ? { scores: [{ products: affected, ...score }] } : {}),
      flags: reasonsOf(all, true),
      threats: reasonsOf(all, false),
      remediations: remediationsOf(all, disclosed.versions),
    }),
  }
}

/** CVSS 2.0 and 3.x objects: the vector whole, and the score of its base. */
function scoreOf(vector: string): Part {
  const whole = scoreCvss(vector)
  const base = scoreCvss(baseVector(whole))
  return {
    version: whole.version,
    vectorString: vector,
    baseScore: base.score,
    ...(whole.version === '2.0' ? {} : { baseSeverity: base.rating.toUpperCase() }),
  }
}

/** Why versions are not affected: as flags, or as an impact in words (sections 3.2.3.5 and 3.2.3.14). */
function reasonsOf(labels: readonly CaseLabel[], asFlags: boolean): Part[] {
  const without = labels.filter(
    ({ status, justification = '' }) => status === 'not_affected' && FLAGS.has(justification) === asFlags,
  )
  return grouped(without, ({ justification = '' }) => justification).map(([reason, each]) => ({
    ...(asFlags ? { label: reason } : { category: 'impact', details: reason }),
    product_ids: each.map(({ version }) => version),
  }))
}

/** What to do about versions that are affected. */
function remediationsOf(labels: readonly CaseLabel[], versions: readonly CaseVersion[]): Part[] {
  const affected = labels.filter(({ status }) => status === 'affected')
  return grouped(affected, ({ fixedBy = '' }) => fixedBy).map(([by, each]) => {
    const fix = versions.find(({ id }) => id === by)
    const product_ids = each.map(({ version }) => version)
    return fix === undefined
      ? { category: 'none_available', details: 'There is no version yet in which it is fixed.', product_ids }
      : { category: 'vendor_fix', details: `Update to ${fix.product} ${fix.number}.`, product_ids }
  })
}

function grouped<T>(values: readonly T[], keyOf: (value: T) => string): [key: string, values: T[]][] {
  return [...Map.groupBy(values, keyOf)]
}
