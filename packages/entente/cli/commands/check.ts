import { type Affected, type Answer, checkVersion, type CountryChains } from '#registry/check.ts'
import { type Recommendation, recommend } from '#registry/recommend.ts'
import { parseSbom } from '#product/sbom.ts'
import { type Level, LEVELS } from '@entente/rules'
import type { Args } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { federationDir } from '../federation/act.ts'
import { listCountries } from '../federation/config.ts'
import { answerCertificate } from '../federation/answer-certificate.ts'
import { aboutOf, connectChain } from '../federation/connect.ts'
import { openDocuments } from '../federation/documents.ts'
import { formatTime, nowSeconds, readInput, timeOption } from '../federation/input.ts'
import { EU, formatChainName, NATIONAL } from '../federation/layout.ts'
import { type Names, openNames } from '../federation/names.ts'
import type { OpenChain } from '../federation/chains.ts'
import { counted, print } from '../print.ts'
import { isSet, listOf, textOf } from '../values.ts'

/** The client of whoever owns a product: certified, affected, patched? */
export async function run({ values, positionals }: Args): Promise<number> {
  const dir = federationDir(values)
  const names = openNames(dir)
  const demands = parseDemands(listOf(values, 'require') ?? [])
  const now = nowSeconds()
  const at = timeOption(values, 'at', now)
  const sbom = textOf(values, 'sbom')
  const asked = [
    ...(positionals.length > 0 ? [positionals.join(' ')] : []),
    ...(sbom === undefined ? [] : versionsOf(readInput(sbom))),
  ]
  if (asked.length === 0)
    throw new CliError(
      'usage',
      'what is to be checked? A version by its name or id, or --sbom FILE for a whole product',
    )
  const opened = await openAll(dir, values)
  try {
    const isDemo = (await Promise.all(opened.chains.map(aboutOf))).some(about => about?.demo === true)
    const started = performance.now()
    const results = []
    for (const name of asked) {
      const answer = await checkVersion(opened.countries, names.id('version', name), { now, at })
      // A component that no chain knows says nothing of the product: most libraries are registered nowhere.
      const isPart = sbom !== undefined && !(positionals.length > 0 && name === asked[0])
      const unmet = isPart && answer.home === undefined ? [] : demands.flatMap(demand => demand(answer) ?? [])
      results.push({ name, isPart, answer, unmet })
    }
    const [first] = results
    if (sbom === undefined && first !== undefined && first.answer.home === undefined) {
      const asCertificate = await answerCertificate({
        name: first.name,
        dir,
        names,
        countries: opened.countries,
        now,
        at,
        demo: isDemo,
        demands: listOf(values, 'require') ?? [],
        isJson: isSet(values, 'json'),
        withEvidence: isSet(values, 'evidence'),
      })
      if (asCertificate !== undefined) return asCertificate
    }
    const milliseconds = performance.now() - started
    const isMet = results.every(({ unmet }) => unmet.length === 0)
    const known = results.filter(({ isPart, answer }) => !isPart || answer.home !== undefined)
    print(
      isSet(values, 'json'),
      {
        demo: isDemo,
        met: isMet,
        milliseconds,
        results: known.map(({ name, answer, unmet }) => ({
          name,
          unmet,
          ...answer,
          onWordOf: wordsOn(answer, opened.chains),
          recommendations: recommend(answer),
        })),
        unknown: results.length - known.length,
      },
      () => [
        ...known.flatMap(({ name, answer, unmet }) =>
          show(name, answer, unmet, {
            names,
            dir,
            words: wordsOn(answer, opened.chains),
            withEvidence: isSet(values, 'evidence'),
          }),
        ),
        ...(results.length > known.length
          ? [`${counted(results.length - known.length, 'component')} of the SBOM that no chain knows`]
          : []),
        ...(isDemo
          ? ['DEMO: all chains are in one process, under one operator: these answers are worth what its word is.']
          : []),
      ],
    )
    return isMet && (demands.length > 0 || results.every(r => r.isPart || r.answer.home !== undefined))
      ? EXIT.yes
      : EXIT.no
  } finally {
    await Promise.all(opened.chains.map(chain => chain.close()))
  }
}

/** The chains of all countries that have a folder here; of these alone with --country. */
async function openAll(dir: string, values: Record<string, unknown>) {
  const countries = listOf(values, 'country') ?? listCountries(dir).filter(country => country !== EU)
  if (countries.length === 0) throw new CliError('usage', `${dir} has no federation: --dir names another folder`)
  const chains: OpenChain[] = []
  const opened = await Promise.all(
    countries.map(async (country): Promise<CountryChains> => {
      const [artifact, certification, vulnerability] = await Promise.all(
        NATIONAL.map(async kind => {
          const chain = await connectChain(dir, { country, kind })
          chains.push(chain)
          return chain.reader()
        }),
      )
      return { country, artifact, certification, vulnerability }
    }),
  )
  return { countries: opened, chains }
}

type Word = { chain: string; by: string }

/** Of chains whose readings are not proven: who has to be believed. */
function wordsOn({ evidence }: Answer, chains: readonly OpenChain[]): Word[] {
  const isAsked = (name: string) =>
    evidence.some(e => e.chain === name && e.level !== 'proven' && !e.what.startsWith('history'))
  return chains.flatMap(({ name, config }) => {
    const chain = formatChainName(name)
    if (!isAsked(chain)) return []
    if (config.kind === 'fabric')
      return [{ chain, by: `the peer that answered of ${config.endpoints.join(', ')} (Fabric)` }]
    return [
      { chain, by: config.kind === 'evm' ? `the node that answered of ${config.urls.join(', ')}` : 'its process' },
    ]
  })
}

/** The product and its components, as versions are called: by package URL, else by name and version. */
function versionsOf(bytes: Uint8Array): string[] {
  const { subject, components } = parseSbom(bytes)
  const all = [...(subject ? [subject] : []), ...components]
  return [...new Set(all.map(({ purl, name, version }) => (purl ? purl.text : `${name} ${version ?? ''}`.trim())))]
}

type Demand = (answer: Answer) => string | undefined

/** `level=substantial`, `no-open-vulns`, `certified`, `patched`, `proven`. @throws CliError `usage` */
function parseDemands(given: readonly string[]): Demand[] {
  return given.map(text => {
    const level = /^level=(.+)$/.exec(text)?.[1]
    if (level !== undefined && (LEVELS as readonly string[]).includes(level)) return levelOf(level as Level)
    switch (text) {
      case 'certified':
        return ({ certified }) => (certified.is ? undefined : 'it is not certified')
      case 'no-open-vulns':
        return ({ affected }) =>
          affected.open.length === 0
            ? undefined
            : `${counted(affected.open.length, 'open vulnerability').replace('vulnerabilitys', 'vulnerabilities')}`
      case 'patched':
        return ({ patched }) =>
          patched.is === 'all' || patched.is === 'notNeeded' ? undefined : 'not every open vulnerability has a patch'
      case 'proven':
        return ({ evidence }) =>
          evidence.every(e => e.what.startsWith('history') || e.level === 'proven')
            ? undefined
            : 'not every reading is proven'
      default:
        throw new CliError(
          'usage',
          `--require ${text}: level=basic|substantial|high, certified, no-open-vulns, patched, proven`,
        )
    }
  })
}

const levelOf =
  (level: Level): Demand =>
  ({ certified: { certificates } }) =>
    certificates.some(
      c =>
        c.state === 'inForce' &&
        c.isIdentical &&
        c.level !== undefined &&
        LEVELS.indexOf(c.level) >= LEVELS.indexOf(level),
    )
      ? undefined
      : `no certificate in force of level ${level} or higher names exactly this version`

const AFFECTED: Readonly<Record<Affected, string>> = {
  affected: 'YES',
  under_investigation: 'UNDER INVESTIGATION',
  reported: 'REPORTED, and nobody who makes it has said anything',
  not_affected: 'no, say those who have spoken',
  unknown: 'nothing was said, which is no statement',
}

function wordsOf(one: Recommendation, names: Names): string {
  const list = (ids: readonly string[]) => ids.map(names.show).join(', ')
  switch (one.do) {
    case 'identify':
      return 'compare name, version and hash of the firmware with what its manufacturer says'
    case 'update':
      return `update to ${names.show(one.to)}, which fixes ${list(one.fixes)}${one.isCertified ? '; it is certified' : '; it has no certificate of its own'}`
    case 'mitigate':
      return `follow the guidance, or ask the contact: there is no patch for ${list(one.open)}`
    case 'replace':
      return `plan its replacement: support ended on ${formatTime(one.since)}`
    case 'watch':
      return `watch ${names.show(one.certificate)}: ${WATCHED[one.why]}`
  }
}
const WATCHED = {
  suspended: 'it is suspended',
  underReview: 'it is under review',
  component: 'a vulnerability of a component was notified',
}

function show(
  name: string,
  answer: Answer,
  unmet: readonly string[],
  { names, dir, words: on, withEvidence }: { names: Names; dir: string; words: Word[]; withEvidence: boolean },
): string[] {
  const { home, certified, affected, patched, support } = answer
  const lines = [`${name} (${answer.version}) at ${formatTime(answer.at)}`]
  if (home === undefined) lines.push('  no chain has this version: nothing is known of it')
  else
    lines.push(
      `  registered in ${home.country} by ${names.show(home.registered.manufacturer)}, firmware ${home.registered.firmware}`,
    )
  if (answer.alsoIn.length > 0)
    lines.push(`  BEWARE: something else is registered under this id in ${answer.alsoIn.join(', ')}`)
  lines.push(
    `  certified  ${certified.is ? 'YES, exactly this version' : certified.byDeclaration ? 'no; its manufacturer declares conformity' : 'NO'}`,
  )
  for (const c of certified.certificates)
    lines.push(
      `    ${names.show(c.id)} (${c.country}): ${c.state}${c.level === undefined ? '' : `, ${c.level}`}, by ${names.show(c.issuer)}, ${c.until === undefined ? 'no end known' : `until ${formatTime(c.until)}`}${c.isIdentical ? '' : ', OF ANOTHER VERSION under the same id'}${c.isUnderReview ? ', under review' : ''}${c.notified.length > 0 ? `, a component has ${c.notified.map(names.show).join(', ')}` : ''}`,
    )
  lines.push(`  affected   ${AFFECTED[affected.is]}`)
  for (const s of affected.statements)
    lines.push(`    ${names.show(s.vulnerability)}: ${s.status}, says ${names.show(s.by)} on ${formatTime(s.at)}`)
  const words = { notNeeded: 'nothing to patch', all: 'YES, for all of them', some: 'FOR SOME', none: 'NO' }
  lines.push(`  patched    ${words[patched.is]}`)
  for (const p of patched.patches)
    lines.push(
      `    ${names.show(p.version)} fixes ${p.fixes.map(names.show).join(', ')}${p.isCertified ? ', certified' : ', not certified'}`,
    )
  if (support) {
    const { text } = openDocuments(dir, home?.country ?? EU)
    lines.push(`  guidance   ${text(support.guidance)}, supported until ${formatTime(support.until)}`)
    lines.push(`  contact    ${text(support.contact)}, advisories at ${text(support.repository)}`)
  }
  for (const one of recommend(answer)) lines.push(`  DO         ${wordsOf(one, names)}`)
  const proven = answer.evidence.filter(e => e.level === 'proven').length
  lines.push(
    `  rests on ${counted(answer.evidence.length, 'reading')}, ${proven} of them proven; that histories are whole is what the chains' processes say`,
  )
  for (const { chain, by } of on) lines.push(`  on the word of ${by}: all that ${chain} says`)
  if (withEvidence)
    for (const e of answer.evidence) lines.push(`    ${e.chain}  ${e.what}  ${e.level} at block ${e.block}`)
  for (const reason of unmet) lines.push(`  NOT MET: ${reason}`)
  return lines
}
