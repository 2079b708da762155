import { EU, type Id, type Level, LEVELS, type Scheme } from '@entente/rules'
import type { IctCertificate } from '@entente/stix'
import { readCertificate, readScheme } from '#product/documents.ts'
import { documentId, subjectId } from '#product/ids.ts'
import type { CountryChains } from '#registry/check.ts'
import { type CertificateCheck, checkCertificate, type KnownCertificateAnswer } from '#registry/check-certificate.ts'
import { EXIT } from '../errors.ts'
import { print } from '../print.ts'
import { fetchDocument } from './fetch.ts'
import { formatTime } from './input.ts'
import type { Names } from './names.ts'
import { WHY } from './recognition.ts'

export type Asked = {
  name: string
  dir: string
  names: Names
  countries: readonly CountryChains[]
  now: number
  at: number | undefined
  /** As `--require` has them: they were parsed before. */
  demands: readonly string[]
  demo: boolean
  isJson: boolean
  withEvidence: boolean
}

/**
 * What `check` answers for the name of a certificate, such as one from before the CSA, which names no version.
 *
 * @returns undefined where no chain has it, and nothing was printed
 */
export async function answerCertificate(asked: Asked): Promise<number | undefined> {
  const { name, dir, countries, now, at, names } = asked
  const started = performance.now()
  const answer = await checkCertificate(countries, subjectId('certificate', name), {
    now,
    at,
    ownerOf: (country, id, scheme) => ownerOf(dir, country, id, scheme),
  })
  if (answer.found.length === 0) return undefined
  const unmet = asked.demands.flatMap(demand => unmetOf(demand, answer) ?? [])
  const milliseconds = performance.now() - started
  const said = await Promise.all(answer.found.map(one => contentOf(dir, answer.id, one)))
  const result = { name, unmet, certificate: answer, content: said }
  print(
    asked.isJson,
    { demo: asked.demo, met: unmet.length === 0, milliseconds, results: [result], unknown: 0 },
    () => [
      `${name} (${answer.id}) at ${formatTime(answer.at)}`,
      ...answer.found.flatMap((one, i) => linesOf(one, said[i], names)),
      `  rests on ${answer.evidence.filter(e => e.level === 'proven').length} proven readings of ${answer.evidence.length}`,
      ...(asked.withEvidence
        ? answer.evidence.map(e => `    ${e.chain}  ${e.what}  ${e.level} at block ${e.block}`)
        : []),
      ...unmet.map(reason => `  NOT MET: ${reason}`),
      ...(asked.demo
        ? ['DEMO: all chains are in one process, under one operator: these answers are worth what its word is.']
        : []),
    ],
  )
  return unmet.length === 0 ? EXIT.yes : EXIT.no
}

/** Whose a scheme is: the country that its public part names. */
async function ownerOf(dir: string, country: string, id: Id, { document: commitment }: Scheme) {
  const wanted = { dir, country, collection: 'schemes' as const, id: documentId('report', id), commitment }
  const document = await fetchDocument(wanted)
  const owner = document && readScheme(document).owner
  return owner !== undefined && /^[A-Z]{2}$/.test(owner) && owner !== EU ? owner : undefined
}

/** What its public part says, held against the chain's commitment; undefined where it is not here. */
async function contentOf(dir: string, id: Id, { country, document: commitment }: KnownCertificateAnswer) {
  const wanted = { dir, country, collection: 'certificates' as const, id: documentId('report', id), commitment }
  const document = await fetchDocument(wanted)
  return document && readCertificate(document)
}

function unmetOf(demand: string, { found, evidence }: CertificateCheck): string | undefined {
  const level = /^level=(.+)$/.exec(demand)?.[1] as Level | undefined
  const counts = found.filter(one => one.counts)
  if (level !== undefined)
    return counts.some(one => one.level !== undefined && LEVELS.indexOf(one.level) >= LEVELS.indexOf(level))
      ? undefined
      : `it is no certificate in force of level ${level} or higher`
  if (demand === 'certified') return counts.length > 0 ? undefined : 'it is not in force, or not recognised'
  if (demand === 'proven')
    return evidence.every(e => e.what.startsWith('history') || e.level === 'proven')
      ? undefined
      : 'not every reading is proven'
  return `${demand} is asked of a version, and this is a certificate`
}

function linesOf(one: KnownCertificateAnswer, content: IctCertificate | undefined, names: Names): string[] {
  const { foreign, level, until, since } = one
  const ends = until === undefined ? 'no end known, so it is never in force' : `until ${formatTime(until)}`
  const { assurance = [], itsef_ref: itsef } = content ?? {}
  const begins = since === 0 ? 'begin not known' : `from ${formatTime(since)}`
  return [
    `  ${one.kind} on the chain of ${one.country}${one.isImported ? ', imported' : ''}: ${one.state}, ${begins}, ${ends}`,
    `  level      ${level ?? "none in the CSA's words"}${assurance.length > 0 ? ` (${assurance.join(', ')})` : ''}, under ${names.show(one.scheme)} version ${one.schemeVersion}`,
    `  issued     by ${names.show(one.issuer)} to ${names.show(one.holder)}`,
    ...(itsef === undefined ? [] : [`  evaluated  by ${names.identity(itsef) ?? itsef}`]),
    ...(content === undefined ? ['  its public part is not here'] : []),
    ...(foreign === undefined ? [] : [`  recognised ${wordsOf(foreign)}`]),
    ...one.versions.map(version => `  names      ${names.show(version)}: ask for it`),
    ...one.components.map(
      ({ id, country, state }) =>
        `  built on   ${names.show(id)}${country ? ` (${country}): ${state}` : ': on no chain'}`,
    ),
    ...(one.isUnderReview ? ['  under review'] : []),
    ...one.notified.map(vulnerability => `  a component has ${names.show(vulnerability)}`),
  ]
}

function wordsOf({ issuedIn, recognition, agreement }: NonNullable<KnownCertificateAnswer['foreign']>): string {
  if (issuedIn === undefined) return 'NO: the public part of its scheme is not here, so nobody can tell whose it is'
  if (recognition !== 'recognised' || agreement === undefined)
    return `NO: issued in ${issuedIn}, and ${WHY[recognition]}`
  return `YES, of ${issuedIn}: ${WHY[recognition]} until ${formatTime(agreement.until)} (${agreement.document})`
}
