import type { RuleChain, RuleEvent } from '#ledger/rule-chain.ts'
import { toCsaf } from '#product/csaf-export.ts'
import type { CaseLabel, CaseVersion, DisclosedCase, Publisher } from '#product/disclosed.ts'
import { documentId } from '#product/ids.ts'
import { toStix } from '#product/stix-export.ts'
import { type Case, type Id, labelId, type Version } from '@entente/rules'
import { CliError, EXIT } from '../errors.ts'
import { listOf, textOf } from '../values.ts'
import { countryOf, federationDir, reading } from './act.ts'
import { splitName } from './affected.ts'
import { listCountries } from './config.ts'
import { formatTime, required } from './input.ts'
import { EU } from './layout.ts'
import type { Names } from './names.ts'

type Values = Record<string, unknown>
const FORMATS = ['csaf', 'vex', 'stix'] as const

/** Writes what one party says of a disclosed case as an advisory: CSAF 2.0, its VEX profile, or a STIX bundle's objects. */
export async function exportCase(values: Values, name: string, names: Names): Promise<number> {
  const format = FORMATS.find(one => one === (textOf(values, 'format') ?? 'csaf'))
  if (format === undefined) throw new CliError('usage', `--format is ${FORMATS.join(', ')}`)
  const disclosed = await readDisclosed(values, name, names)
  const { disclosed: date } = disclosed
  const advisory =
    format === 'stix'
      ? { objects: toStix(disclosed, newest(disclosed)) }
      : toCsaf(disclosed, {
          profile: format === 'vex' ? 'csaf_vex' : 'csaf_security_advisory',
          history: [{ date, summary: 'Disclosed' }],
        })
  process.stdout.write(`${JSON.stringify(advisory, null, 2)}\n`)
  return EXIT.yes
}

const newest = ({ disclosed, labels }: DisclosedCase): string =>
  [disclosed, ...labels.map(({ at }) => at)].toSorted().at(-1) ?? disclosed
/** STIX and CSAF have milliseconds. */
const timestamp = (seconds: number): string => new Date(seconds * 1000).toISOString()

async function readDisclosed(values: Values, name: string, names: Names): Promise<DisclosedCase> {
  const id = names.id('vulnerability', name)
  const country = countryOf(values)
  const found = await reading(
    values,
    { country, kind: 'vulnerability' },
    async open => (await open.get('case', id)).value,
  )
  if (found === undefined)
    throw new CliError('no', `${country} has no case ${name}: --country names whose chain has it`)
  if (found.disclosed === undefined)
    throw new CliError(
      'no',
      `${name} is not disclosed${found.end > 0 ? `; the embargo ends ${formatTime(found.end)}` : ''}: nothing of it is for others yet`,
    )
  const by = textOf(values, 'publisher')
  const publisher = by === undefined ? found.provider : names.id('party', by)
  const { versions, labels } = await readLabels(values, id, publisher, names)
  if (labels.length === 0)
    throw new CliError(
      'no',
      `${names.show(publisher)} has said of no version whether ${name} affects it: "entente artifact label" says it, --publisher names another party`,
    )
  const title = textOf(values, 'title') ?? name
  return {
    id,
    number: textOf(values, 'number') ?? name,
    title,
    description: textOf(values, 'description') ?? title,
    ...(/^CVE-\d{4}-\d{4,19}$/.test(name) ? { cve: name } : {}),
    cvss: listOf(values, 'cvss') ?? [],
    disclosed: timestamp(found.disclosed),
    publisher: publisherOf(values, publisher, found, names),
    versions,
    labels,
  }
}

function publisherOf(values: Values, id: Id, { coordinator, provider }: Case, names: Names): Publisher {
  const category = id === coordinator ? 'coordinator' : id === provider ? 'discoverer' : 'vendor'
  return {
    name: names.show(id),
    namespace: required(textOf(values, 'namespace'), 'namespace'),
    category,
    identity: documentId('identity', id),
  }
}

/** What a party says of versions, on the artifact chains of all countries that are known here: its newest label of each. */
async function readLabels(values: Values, vulnerability: Id, by: Id, names: Names) {
  const versions = new Map<Id, CaseVersion>()
  const labels: CaseLabel[] = []
  const enter = (id: Id, { manufacturer, artifact }: Version) => {
    const { model, number } = splitName(names.show(id), names.show(artifact))
    versions.set(id, {
      id,
      manufacturer: names.show(manufacturer),
      product: model,
      number: number ?? names.show(id),
      document: documentId('infrastructure', id),
    })
  }
  for (const country of listCountries(federationDir(values)).filter(one => one !== EU))
    await reading(values, { country, kind: 'artifact' }, async open => {
      const said = (await open.history({ about: vulnerability })).filter(
        e => e.name === 'VersionLabelled' && e.by === by,
      )
      for (const subject of new Set(said.map(event => event.subject))) {
        const version = (await open.get('version', subject)).value
        const label = (await open.get('label', labelId(subject, vulnerability, by))).value
        if (version === undefined || label === undefined) continue
        enter(subject, version)
        const { status, justification, at } = label
        const fix = status === 'affected' ? await findFix(open, subject, version, vulnerability) : undefined
        if (fix) enter(fix.id, fix.version)
        labels.push({
          version: subject,
          status,
          at: timestamp(at),
          ...(justification === undefined ? {} : { justification: `the statement with the SHA-256 ${justification}` }),
          ...(fix === undefined ? {} : { fixedBy: fix.id }),
        })
      }
    })
  return { versions: [...versions.values()], labels }
}

/** The newest patch of a version that fixes it. */
async function findFix(open: RuleChain, patched: Id, { artifact }: Version, vulnerability: Id) {
  const isVersion = (event: RuleEvent) => event.name === 'VersionRegistered'
  const registered = (await open.history({ about: artifact })).filter(isVersion).toReversed()
  for (const { subject } of registered) {
    const version = (await open.get('version', subject)).value
    if (version?.patches === patched && version.fixes.includes(vulnerability)) return { id: subject, version }
  }
  return undefined
}
