import { parseMud } from '#product/mud.ts'
import { artifactDocument } from '#product/documents.ts'
import { documentId, hashFile } from '#product/ids.ts'
import { parseSbom } from '#product/sbom.ts'
import { LABELS, labelId, type LabelStatus } from '@entente/rules'
import type { Args } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { countryOf, federationDir, perform, reading } from '../federation/act.ts'
import { findAffected } from '../federation/affected.ts'
import { openDocuments } from '../federation/documents.ts'
import { fetchDocument, fetchVersionDocument } from '../federation/fetch.ts'
import {
  formatTime,
  hashOption,
  hashOrText,
  NO_HASH,
  nowSeconds,
  readInput,
  required,
  timeOption,
} from '../federation/input.ts'
import { openNames } from '../federation/names.ts'
import { counted, print } from '../print.ts'
import { isSet, listOf, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
const USAGE = 'artifact register | version | support | label | show | affected'

/** The artifact chain: what a manufacturer says of its products (rows 14 to 16). */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  const actions: Record<string, (values: Values, rest: string[]) => Promise<number>> = {
    register,
    version,
    support,
    label,
    show,
    affected,
  }
  const chosen = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (!chosen) throw new CliError('usage', `"${action}" is nothing to do with artifacts\nUsage: entente ${USAGE}`)
  return chosen(values, rest)
}

const chainOf = (values: Values) => ({ country: countryOf(values), kind: 'artifact' as const })
/** Versions are called by their artifact's name and their own, and where that is a package URL by one as well. */
const versionName = (artifact: string, version: string): string =>
  artifact.startsWith('pkg:') ? `${artifact}@${version}` : `${artifact} ${version}`

async function register(values: Values, rest: string[]): Promise<number> {
  const [name = ''] = positionals(rest, ['NAME'], 'artifact register NAME --as KEY [--version V --firmware FILE …]')
  const names = openNames(federationDir(values))
  const chain = chainOf(values)
  const id = names.id('artifact', name)
  const created = new Date().toISOString()
  const maker = names.id('party', textOf(values, 'manufacturer') ?? name)
  const document = artifactDocument(
    { id, name, created, description: textOf(values, 'description') },
    { kind: 'product', manufacturer_ref: documentId('identity', maker), ...listed('categories', values) },
  )
  const description = openDocuments(federationDir(values), chain.country).keep(document)
  const json = { artifact: id, description }
  const done = await perform(values, chain, 'registerArtifact', [id, description], {
    names,
    json,
    lines: [`  ${name} is ${id}`],
  })
  return textOf(values, 'version') === undefined ? done : version(values, [name, textOf(values, 'version') ?? ''])
}

const listed = (name: 'categories', values: Values) => {
  const list = listOf(values, name)
  return list === undefined ? {} : { [name]: list }
}

async function version(values: Values, rest: string[]): Promise<number> {
  const usage =
    'artifact version NAME VERSION --firmware FILE|HASH --as KEY [--sbom FILE] [--mud FILE] [--patches VERSION --fixes CVE,…]'
  const [name = '', number = ''] = positionals(rest, ['NAME', 'VERSION'], usage)
  const names = openNames(federationDir(values))
  const chain = chainOf(values)
  const documents = openDocuments(federationDir(values), chain.country)
  /** What is no SBOM or MUD file must not be registered as one. */
  const checked = (option: 'sbom' | 'mud', parse: (bytes: Uint8Array) => unknown) => {
    const file = textOf(values, option)
    if (file === undefined) return NO_HASH
    const bytes = readInput(file)
    parse(bytes)
    return isSet(values, 'preview') ? hashFile(bytes) : documents.keepFile(bytes)
  }
  const patched = textOf(values, 'patches')
  const fixes = listOf(values, 'fixes')?.map(one => names.id('vulnerability', one))
  const id = names.id('version', versionName(name, number))
  const input = {
    firmware: required(hashOption(values, 'firmware'), 'firmware'),
    sbom: checked('sbom', parseSbom),
    mud: checked('mud', parseMud),
    ...(patched === undefined ? {} : { patches: names.id('version', versionName(name, patched)) }),
    ...(fixes === undefined ? {} : { fixes }),
  }
  return perform(values, chain, 'registerVersion', [names.id('artifact', name), id, input], {
    names,
    json: { version: id, ...input },
    lines: [`  ${versionName(name, number)} is ${id}`],
  })
}

async function support(values: Values, rest: string[]): Promise<number> {
  const [name = ''] = positionals(
    rest,
    ['NAME'],
    'artifact support NAME --guidance FILE|URL --until TIME --contact TEXT --repository URL --as KEY',
  )
  const names = openNames(federationDir(values))
  const documents = openDocuments(federationDir(values), countryOf(values))
  const kept = (option: string) =>
    required(hashOrText(values, option, isSet(values, 'preview') ? undefined : documents.keepFile), option)
  const input = {
    guidance: kept('guidance'),
    until: required(timeOption(values, 'until', nowSeconds()), 'until'),
    contact: kept('contact'),
    repository: kept('repository'),
  }
  return perform(values, chainOf(values), 'setSupport', [names.id('artifact', name), input], { names })
}

async function label(values: Values, rest: string[]): Promise<number> {
  const usage = 'artifact label NAME VERSION VULNERABILITY STATUS --as KEY [--justification FILE|TEXT]'
  const [name = '', number = '', vulnerability = '', status = ''] = positionals(
    rest,
    ['NAME', 'VERSION', 'VULNERABILITY', 'STATUS'],
    usage,
  )
  if (!(LABELS as readonly string[]).includes(status))
    throw new CliError('usage', `"${status}" is no status: ${LABELS.join(', ')}`)
  const names = openNames(federationDir(values))
  const id = names.id('version', versionName(name, number))
  const about = names.id('vulnerability', vulnerability)
  const justification = hashOrText(values, 'justification')
  const args: [string, string, LabelStatus, string?] = [id, about, status as LabelStatus]
  if (justification !== undefined) args.push(justification)
  return perform(values, chainOf(values), 'label', args, { names })
}

async function show(values: Values, rest: string[]): Promise<number> {
  const [name = '', number] = rest
  if (name === '' || rest.length > 2)
    throw new CliError('usage', 'Usage: entente artifact show NAME [VERSION] --country FR')
  const names = openNames(federationDir(values))
  const chain = chainOf(values)
  const id = names.id('artifact', name)
  const found = await reading(values, chain, async open => {
    const artifact = await open.get('artifact', id)
    const events = (await open.history({ about: id })).filter(event => event.name === 'VersionRegistered')
    const versions = await Promise.all(
      events.map(async ({ subject, time }) => {
        const { value } = await open.get('version', subject)
        if (value === undefined)
          throw new CliError(
            'evidence',
            `${subject} is in the history of ${name}, and not on the chain: ask another node`,
          )
        return { ...value, id: subject, registered: time }
      }),
    )
    const wanted =
      number === undefined
        ? versions
        : versions.filter(one => one.id === names.id('version', versionName(name, number)))
    const labels = await Promise.all(
      wanted.map(async one => {
        const said = (await open.history({ subject: one.id })).filter(event => event.name === 'VersionLabelled')
        const last = new Map(said.map(event => [labelId(one.id, event.about ?? '', event.by), event]))
        return [...last.values()].map(({ about, by, status }) => ({ vulnerability: about ?? '', by, status }))
      }),
    )
    return { artifact, versions: wanted.map((one, i) => ({ ...one, labels: labels[i] ?? [] })) }
  })
  const { value } = found.artifact
  const document =
    value &&
    (await fetchDocument({
      dir: federationDir(values),
      country: chain.country,
      collection: 'artifacts',
      id: documentId('infrastructure', id),
      commitment: value.description,
    }))
  // One that is asked for by its number: its document is not the chain's to have, and follows from it.
  const versions = await Promise.all(
    found.versions.map(async one => ({
      ...one,
      document:
        number === undefined || document === undefined
          ? undefined
          : await fetchVersionDocument({ dir: federationDir(values), country: chain.country }, one, document),
    })),
  )
  print(
    isSet(values, 'json'),
    { id, ...value, document, versions, level: found.artifact.level, block: found.artifact.block },
    () => {
      if (value === undefined) return [`${chain.country} has no artifact ${name} (${id})`]
      const { support: article55 } = value
      const { text } = openDocuments(federationDir(values), chain.country)
      return [
        `${name} (${id}) of ${names.show(value.manufacturer)}`,
        `  document    ${value.description} ${document === undefined ? 'is not here' : 'matches the chain'}`,
        article55 === undefined
          ? '  Article 55  nothing was said'
          : `  Article 55  guidance ${text(article55.guidance)}, supported until ${formatTime(article55.until)}`,
        ...versions.flatMap(one => [
          `  version     ${names.show(one.id)}, firmware ${one.firmware}, since ${formatTime(one.registered)}`,
          ...(number === undefined
            ? []
            : [
                `    its document ${one.document === undefined ? 'is not here' : 'is the one that follows from the chain'}`,
              ]),
          ...one.labels.map(l => `    ${names.show(l.vulnerability)}: ${l.status}, says ${names.show(l.by)}`),
        ]),
        `  ${found.artifact.level} at block ${found.artifact.block}`,
      ]
    },
  )
  return value === undefined ? EXIT.no : EXIT.yes
}

async function affected(values: Values, rest: string[]): Promise<number> {
  const [file = ''] = positionals(rest, ['ADVISORY'], 'artifact affected ADVISORY --country FR')
  const { findings, searched, without } = await findAffected(
    values,
    { country: countryOf(values), kind: 'artifact' },
    readInput(file),
  )
  print(isSet(values, 'json'), { findings, searched, without }, () => [
    ...findings.flatMap(one => [
      `${one.name}: ${one.status} by ${one.vulnerability}`,
      ...one.reasons.slice(0, 3).map(reason => `  ${reason.component} (${reason.by}, versions ${reason.range})`),
    ]),
    `${counted(findings.length, 'finding')} in ${counted(searched, 'version')} with an SBOM here; ${counted(without, 'version')} without one, looked for by its own name alone`,
  ])
  return findings.some(one => one.status === 'affected' || one.status === 'undecided') ? EXIT.no : EXIT.yes
}
