import { certificateDocument } from '#product/documents.ts'
import { documentId } from '#product/ids.ts'
import { type CertificateInput, certificateState, type Level, LEVELS, type Restriction } from '@entente/rules'
import type { Args } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { countryOf, federationDir, perform, reading } from '../federation/act.ts'
import { openDocuments } from '../federation/documents.ts'
import { fetchDocument } from '../federation/fetch.ts'
import { formatTime, hashOption, hashOrText, nowSeconds, parseTime, required, timeOption } from '../federation/input.ts'
import { importCertificates } from '../federation/import-certificates.ts'
import { openNames, type Names } from '../federation/names.ts'
import { print } from '../print.ts'
import { integerOf, isSet, listOf, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
type Action = (values: Values, rest: string[], names: Names) => Promise<number>
const DAY = 86_400

/** The certification chain: who may certify, and certificates from issue to end (rows 4 to 12 and 17 to 30). */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  const chosen = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
  if (!chosen)
    throw new CliError('usage', `"${action}" is nothing to do with certificates: ${Object.keys(ACTIONS).join(', ')}`)
  return chosen(values, rest, openNames(federationDir(values)))
}

const chainOf = (values: Values) => ({ country: countryOf(values), kind: 'certification' as const })
const one = (rest: string[], what: string, usage: string): string =>
  positionals(rest, [what], `certificate ${usage}`)[0] ?? ''
const reasonOf = (values: Values): string => required(hashOrText(values, 'reason'), 'reason')

const accredit: Action = (values, rest, names) => {
  const body = names.id(
    'party',
    one(rest, 'BODY', 'accredit BODY --schemes S,… --categories C,… --until TIME --as KEY'),
  )
  return perform(values, chainOf(values), 'accredit', [body, scopeOf(values, names)], { names })
}

const authorise: Action = (values, rest, names) => {
  const body = names.id(
    'party',
    one(rest, 'BODY', 'authorise BODY --schemes S,… --categories C,… --until TIME --van N --as KEY'),
  )
  const van = required(integerOf(values, 'van', 0, 5), 'van')
  return perform(values, chainOf(values), 'authorise', [body, { ...scopeOf(values, names), van }], { names })
}

function scopeOf(values: Values, names: Names) {
  return {
    schemes: required(listOf(values, 'schemes'), 'schemes').map(s => names.id('scheme', s)),
    categories: (listOf(values, 'categories') ?? []).map(c => names.id('category', c)),
    until: required(timeOption(values, 'until', nowSeconds()), 'until'),
  }
}

const notify: Action = (values, rest, names) => {
  const [body = '', number = ''] = positionals(
    rest,
    ['BODY', 'NUMBER'],
    'certificate notify BODY NUMBER [--high] --as KEY',
  )
  return perform(values, chainOf(values), 'notifyBody', [names.id('party', body), number, isSet(values, 'high')], {
    names,
  })
}

/** Rows 7 and 9: by what is changed, the key that signs says which. */
const restrict: Action = (values, rest, names) => {
  const usage = 'restrict accreditation|authorisation BODY suspend|resume|end|restrict --reason FILE|TEXT --as KEY'
  const [what = '', body = '', how = ''] = positionals(
    rest,
    ['accreditation|authorisation', 'BODY', 'suspend|resume|end|restrict'],
    `certificate ${usage}`,
  )
  const change = changeOf(values, how, names)
  const rule =
    what === 'accreditation' ? 'changeAccreditation' : what === 'authorisation' ? 'changeAuthorisation' : undefined
  if (rule === undefined)
    throw new CliError('usage', `"${what}": accreditation or authorisation\nUsage: entente certificate ${usage}`)
  return perform(values, chainOf(values), rule, [names.id('party', body), change, reasonOf(values)], { names })
}

function changeOf(values: Values, how: string, names: Names): Restriction {
  if (how === 'restrict') return { do: how, ...scopeOf(values, names) }
  if (how === 'suspend' || how === 'resume' || how === 'end') return { do: how }
  throw new CliError('usage', `"${how}": suspend, resume, end or restrict`)
}

const delegate: Action = (values, rest, names) => {
  const body = names.id('party', one(rest, 'BODY', 'delegate BODY --until TIME | --revoke --as KEY'))
  if (isSet(values, 'revoke')) return perform(values, chainOf(values), 'revokeDelegation', [body], { names })
  const until = required(timeOption(values, 'until', nowSeconds()), 'until')
  return perform(values, chainOf(values), 'delegateHigh', [body, until], { names })
}

const approve: Action = (values, rest, names) => {
  const usage = 'certificate approve BODY COMMITMENT --until TIME [--longer] --as KEY'
  const [body = '', commitment = ''] = positionals(rest, ['BODY', 'COMMITMENT'], usage)
  const until = required(timeOption(values, 'until', nowSeconds()), 'until')
  const approval = { commitment, until, mayBeLonger: isSet(values, 'longer') }
  return perform(values, chainOf(values), 'approve', [names.id('party', body), approval], { names })
}

/** What a certificate says, by the options; its public part is made as STIX where no document is given. */
function inputOf(values: Values, name: string, id: string, names: Names): CertificateInput {
  const now = nowSeconds()
  const level = required(textOf(values, 'level'), 'level')
  if (!(LEVELS as readonly string[]).includes(level))
    throw new CliError('usage', `"${level}" is no level: ${LEVELS.join(', ')} (CSA Article 52)`)
  const scheme = textOf(values, 'scheme') ?? 'EUCC'
  const holder = required(textOf(values, 'holder'), 'holder')
  // Blocks of a chain may be some seconds behind this clock.
  const since = timeOption(values, 'since', now) ?? now - 60
  const until = timeOption(values, 'until', now) ?? since + 5 * 365 * DAY
  const versions = (listOf(values, 'versions') ?? []).map(v => names.id('version', v))
  const components = (listOf(values, 'components') ?? []).map(c => names.id('certificate', c))
  const categories = listOf(values, 'categories') ?? []
  const itsef = textOf(values, 'itsef')
  const van = integerOf(values, 'van', 0, 5) ?? 0
  const due = (listOf(values, 'due') ?? []).map(text => parseTime(text, now, 'due'))
  const series = hashOrText(values, 'series')
  const issuer = names.id('party', required(textOf(values, 'issuer') ?? textOf(values, 'as'), 'issuer'))
  const makeDocument = () =>
    openDocuments(federationDir(values), countryOf(values)).keep(
      certificateDocument(
        { id, name, created: new Date(now * 1000).toISOString() },
        new Date(since * 1000).toISOString(),
        {
          certificate_id: name,
          kind: 'certificate',
          scheme,
          level: level as Level,
          ...(van > 0 ? { ava_van: van } : {}),
          ...(categories.length > 0 ? { categories } : {}),
          valid_from: new Date(since * 1000).toISOString(),
          valid_until: new Date(until * 1000).toISOString(),
          issuer_ref: documentId('identity', issuer),
          holder_ref: documentId('identity', names.id('party', holder)),
          ...(itsef === undefined ? {} : { itsef_ref: documentId('identity', names.id('party', itsef)) }),
          artifact_refs: versions.map(v => documentId('infrastructure', v)),
          component_refs: components.map(c => documentId('report', c)),
          monitoring: due.map(at => ({ what: 'monitoring', due: new Date(at * 1000).toISOString() })),
        },
      ),
    )
  return {
    scheme: names.id('scheme', scheme),
    level: level as Level,
    holder: names.id('party', holder),
    versions,
    ...(series === undefined ? {} : { series }),
    components,
    categories: categories.map(c => names.id('category', c)),
    document: hashOption(values, 'document') ?? makeDocument(),
    report: required(hashOrText(values, 'report'), 'report'),
    ...(itsef === undefined ? {} : { itsef: names.id('party', itsef) }),
    van,
    since,
    until,
    due,
  }
}

const issueAs =
  (rule: 'issue' | 'certifyProfile'): Action =>
  (values, rest, names) => {
    const name = one(rest, 'NAME', 'issue NAME --level L --holder H --versions V,… --report FILE --as KEY')
    const id = names.id('certificate', name)
    const input = inputOf(values, name, id, names)
    return perform(values, chainOf(values), rule, [id, input], {
      names,
      json: { certificate: id, document: input.document },
      lines: [
        `  ${name} is ${id}, in force until ${formatTime(input.until)}`,
        `  its public part is ${input.document}`,
      ],
    })
  }

const declare: Action = (values, rest, names) => {
  const name = one(
    rest,
    'NAME',
    'declare NAME --scheme S --versions V,… --document FILE --report FILE --until TIME --as KEY',
  )
  const now = nowSeconds()
  const input = {
    scheme: names.id('scheme', required(textOf(values, 'scheme'), 'scheme')),
    versions: required(listOf(values, 'versions'), 'versions').map(v => names.id('version', v)),
    document: required(hashOption(values, 'document'), 'document'),
    report: required(hashOption(values, 'report'), 'report'),
    since: timeOption(values, 'since', now) ?? now - 60,
    until: required(timeOption(values, 'until', now), 'until'),
  }
  return perform(values, chainOf(values), 'declare', [names.id('certificate', name), input], { names })
}

const review: Action = (values, rest, names) => {
  const usage = 'certificate review NAME open|confirm|withdraw|replace [NEW] --as KEY'
  const [name = '', what = '', next] = rest
  const id = names.id('certificate', name)
  const chain = chainOf(values)
  if (what === 'open') return perform(values, chain, 'openReview', [id], { names })
  if (what === 'confirm') return perform(values, chain, 'closeReview', [id, { do: 'confirm' }], { names })
  if (what === 'withdraw')
    return perform(values, chain, 'closeReview', [id, { do: 'withdraw', reason: reasonOf(values) }], { names })
  if (what !== 'replace' || next === undefined) throw new CliError('usage', `Usage: entente ${usage}`)
  const newId = names.id('certificate', next)
  const certificate = inputOf(values, next, newId, names)
  const sameScope = !isSet(values, 'other-scope')
  return perform(
    values,
    chain,
    'closeReview',
    [id, { do: 'replace', reason: reasonOf(values), id: newId, certificate, sameScope }],
    { names },
  )
}

const maintain: Action = (values, rest, names) => {
  const [name = '', next = ''] = positionals(
    rest,
    ['NAME', 'NEW'],
    'certificate maintain NAME NEW --level L --holder H --versions V,… --report FILE --as KEY',
  )
  const newId = names.id('certificate', next)
  const input = inputOf(values, next, newId, names)
  return perform(values, chainOf(values), 'maintain', [names.id('certificate', name), newId, input], { names })
}

const suspend: Action = (values, rest, names) => {
  const id = names.id(
    'certificate',
    one(rest, 'NAME', 'suspend NAME --until TIME --reason FILE|TEXT --actions FILE|TEXT --as KEY'),
  )
  const until = required(timeOption(values, 'until', nowSeconds()), 'until')
  const actions = required(hashOrText(values, 'actions'), 'actions')
  return perform(values, chainOf(values), 'suspend', [id, until, reasonOf(values), actions], { names })
}

const lift: Action = (values, rest, names) =>
  perform(values, chainOf(values), 'lift', [names.id('certificate', one(rest, 'NAME', 'lift NAME --as KEY'))], {
    names,
  })

const extend: Action = (values, rest, names) => {
  const id = names.id('certificate', one(rest, 'NAME', 'extend NAME --until TIME --reason FILE|TEXT --as KEY'))
  const until = required(timeOption(values, 'until', nowSeconds()), 'until')
  return perform(values, chainOf(values), 'extendSuspension', [id, until, reasonOf(values)], { names })
}

const withdraw: Action = (values, rest, names) => {
  const id = names.id('certificate', one(rest, 'NAME', 'withdraw NAME --reason FILE|TEXT --as KEY'))
  return perform(values, chainOf(values), 'withdraw', [id, reasonOf(values)], { names })
}

const component: Action = (values, rest, names) => {
  const usage = 'certificate component NAME COMPONENT VULNERABILITY | NAME --clear VULNERABILITY --as KEY'
  const cleared = textOf(values, 'clear')
  if (cleared !== undefined) {
    const [name = ''] = positionals(rest, ['NAME'], usage)
    const args: [string, string] = [names.id('certificate', name), names.id('vulnerability', cleared)]
    return perform(values, chainOf(values), 'clearNotification', args, { names })
  }
  const [name = '', part = '', vulnerability = ''] = positionals(rest, ['NAME', 'COMPONENT', 'VULNERABILITY'], usage)
  const args: [string, string, string] = [
    names.id('certificate', name),
    names.id('certificate', part),
    names.id('vulnerability', vulnerability),
  ]
  return perform(values, chainOf(values), 'notifyComponent', args, { names })
}

const show: Action = async (values, rest, names) => {
  const name = one(rest, 'NAME', 'show NAME --country FR')
  const chain = chainOf(values)
  const id = names.id('certificate', name)
  const { found, events } = await reading(values, chain, async open => ({
    found: await open.get('certificate', id),
    events: await open.history({ subject: id }),
  }))
  const { value, level, block } = found
  if (value === undefined) {
    print(isSet(values, 'json'), { id, found: false, level, block }, () => [
      `${chain.country} has no certificate ${name} (${id})`,
    ])
    return EXIT.no
  }
  const document = await fetchDocument({
    dir: federationDir(values),
    country: chain.country,
    collection: 'certificates',
    id: documentId('report', id),
    commitment: value.document,
  })
  const state = certificateState(value, nowSeconds())
  print(isSet(values, 'json'), { id, state, ...value, stix: document, events, level, block }, () => [
    `${name} (${id}): ${state}`,
    `  ${value.kind}${value.level === undefined ? '' : ` ${value.level}`} under ${names.show(value.scheme)} version ${value.schemeVersion}${value.isImported ? ', imported' : ''}`,
    `  issued by ${names.show(value.issuer)} to ${names.show(value.holder)}`,
    `  from ${formatTime(value.since)} until ${value.until === undefined ? 'nobody knows' : formatTime(value.until)}`,
    ...(value.versions.length > 0 ? [`  of ${value.versions.map(names.show).join(', ')}`] : []),
    ...(value.isUnderReview ? ['  under review'] : []),
    ...value.notified.map(v => `  a component has ${names.show(v)}`),
    ...events.map(e => `  ${formatTime(e.time)}  ${e.name} by ${names.show(e.by)}`),
    `  public part ${value.document} ${document === undefined ? 'is not here' : 'matches the chain'}`,
    `  ${level} at block ${block}`,
  ])
  return EXIT.yes
}

const ACTIONS: Readonly<Record<string, Action>> = {
  accredit,
  authorise,
  notify,
  restrict,
  delegate,
  approve,
  issue: issueAs('issue'),
  profile: issueAs('certifyProfile'),
  declare,
  show,
  review,
  maintain,
  suspend,
  lift,
  extend,
  withdraw,
  component,
  import: async (values, rest) => importCertificates(values, one(rest, 'FOLDER', 'import FOLDER')),
}
