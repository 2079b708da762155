import { canonicalize, JsonError, parseObjects } from '@entente/verify/json'
import {
  type Finding,
  objectVersion,
  parseTimestamp,
  type Policy,
  type Rule,
  specVersion,
  statementChannels,
  type Timestamp,
  tlpMarkings,
  validateObject,
  type ValidateOptions,
} from '@entente/stix'
import type { SubmittedObject } from '#notary/sequence.ts'
import type { StatusItem } from '#store/store.ts'
import { TaxiiError } from './errors.ts'

/** What a body holds: objects that may be stored, what is wrong with the others, and the channels that its marking definitions name. */
export type Intake = { objects: SubmittedObject[]; failed: StatusItem[]; channels: string[] }

export type IntakeOptions = {
  maxBytes: number
  policy: Policy
  /** The body is said to be STIX, so its envelope is a bundle: the objects in it are taken (OpenCTI's connector sends that). */
  isStix: boolean
  /** Which of these ids the collection has an object of. */
  known: (ids: string[]) => Promise<Set<string>>
  /** The stored object of an id, in a version or the newest, as far as the caller may read it: what a language-content translates. */
  stored?: ((id: string, version: string | undefined) => Promise<Json | undefined>) | undefined
}
type Json = Record<string, unknown>

const MAX_DEPTH = 64
/**
 * Values of any kind, and objects, in one request. A body of `{},{},…` takes a hundred times its size in memory and as many verdicts: what
 * honest clients send is far from both.
 */
const MAX_VALUES = 500_000
const MAX_OBJECTS = 20_000
/**
 * Rules that published content breaks and whose breach costs nothing: ATT&CK has a marking definition whose `created` is without milliseconds
 * (STIX 2.1 section 3.2 asks for three digits). Versions are compared as instants, so under `standard` it is told in the status and taken.
 */
const TOLERATED: ReadonlySet<Rule> = new Set<Rule>(['timestamp_precision'])
/** Custom properties are everyday in what is shared (in ATT&CK four an object): a status that told each would tell nothing. `strict` refuses them. */
const UNTOLD: ReadonlySet<Rule> = new Set<Rule>(['custom_property', 'custom_value'])
/** Findings that go into the message of an object, and how long the parts of each may be. */
const SHOWN = 5
const MAX_PATH = 200
const MAX_MESSAGE = 300
/** An id has a type of at most 250 characters, two hyphens and a UUID: longer ones are cut. */
const MAX_ID = 300
/** Ids in one question to the store. */
const ASKED = 5000
/** Objects that are read for what one request translates; further translations are held against the form alone. */
const MOST_TARGETS = 100

/**
 * Reads and validates the body of "Add Objects" (TAXII 2.1 section 5.5): an envelope of STIX objects. An object that is not valid under the
 * policy of the collection fails by itself; a body that can't be read as an envelope fails as a whole. A reference is resolved where its object is accepted
 * from the same envelope, is stored in the collection, or is a published TLP marking.
 *
 * @throws TaxiiError 422
 */
export async function readEnvelope(body: Uint8Array, options: IntakeOptions): Promise<Intake> {
  const { values, canonical } = unpackBundles(parseEnvelope(body, options))
  const judged =
    options.policy === 'permissive'
      ? values.map((value, i) => judge(value, canonical[i] as string, { policy: 'permissive', untold: UNTOLD }))
      : await judgeAll(values, canonical, options)
  const objects: SubmittedObject[] = []
  const failed: StatusItem[] = []
  for (const one of judged) {
    if ('canonical' in one) objects.push(one)
    else failed.push(one)
  }
  return { objects, failed, channels: [...new Set(objects.flatMap(object => statementChannels(object.value)))] }
}

function parseEnvelope(
  body: Uint8Array,
  { maxBytes, isStix }: IntakeOptions,
): { values: unknown[]; canonical: string[] } {
  let parsed: ReturnType<typeof parseObjects>
  try {
    parsed = parseObjects(body, 'objects', { maxBytes, maxDepth: MAX_DEPTH, maxValues: MAX_VALUES })
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new TaxiiError(422, 'body', `the body is not a TAXII envelope: ${cause.message}`, { cause })
  }
  const values = parsed.envelope['objects'] as unknown[]
  if (values.length === 0) throw new TaxiiError(422, 'body', 'the envelope holds no objects')
  if (values.length > MAX_OBJECTS) throw tooMany(values.length)
  if (parsed.envelope['type'] === 'bundle' && !isStix) {
    throw new TaxiiError(
      422,
      'body',
      'this is a STIX bundle: send {"objects": […]} with the objects of the bundle (TAXII 2.1 section 3.7), or the bundle as application/stix+json',
    )
  }
  return { values, canonical: parsed.canonical }
}

/**
 * A bundle among the objects is a container of objects (STIX 2.1 section 8) and goes for what it holds: who routes by bundles sends them so. An
 * empty one, and one in another, are refused as the objects that they are not.
 */
function unpackBundles(parsed: { values: unknown[]; canonical: string[] }): { values: unknown[]; canonical: string[] } {
  if (!parsed.values.some(isBundle)) return parsed
  const values: unknown[] = []
  const canonical: string[] = []
  parsed.values.forEach((value, i) => {
    const members = isBundle(value) ? value.objects : [value]
    for (const member of members) {
      values.push(member)
      canonical.push(isBundle(value) ? canonicalize(member) : (parsed.canonical[i] as string))
    }
  })
  if (values.length > MAX_OBJECTS) throw tooMany(values.length)
  return { values, canonical }
}

const isBundle = (value: unknown): value is { objects: unknown[] } => {
  const { type, objects } = (value ?? {}) as Json
  return type === 'bundle' && Array.isArray(objects) && objects.length > 0
}

const tooMany = (count: number): TaxiiError =>
  new TaxiiError(
    422,
    'body',
    `the envelope holds ${count} objects, at most ${MAX_OBJECTS} are taken: send them in several requests`,
  )

type Judged = SubmittedObject | StatusItem

/**
 * Judges every object as if all that it refers to were known, asks the store once for what is not in the envelope, and tells whoever refers to
 * nothing, or under `strict` judges it again.
 */
async function judgeAll(values: unknown[], canonical: string[], options: IntakeOptions): Promise<Judged[]> {
  const { policy } = options
  const references: string[] = []
  const ends: number[] = [] // where the references of each object end
  const asked = new Set<string>()
  const note = (id: string) => {
    references.push(id)
    asked.add(id)
    return true
  }
  const targets = await findTargets(values, options)
  const judging = { policy, untold: UNTOLD, isKnown: note }
  const judged = values.map((value, i) => {
    const target = targets?.get(i)
    const one = judge(value, canonical[i] as string, target ? { ...judging, target } : judging)
    ends.push(references.length)
    return one
  })
  // What was refused in this envelope is not known by it.
  const own = new Map<string, number>() // id -> how many accepted objects have it
  for (const one of judged) if ('canonical' in one) own.set(one.id, (own.get(one.id) ?? 0) + 1)
  const unknown = await findUnknown(
    [...asked].filter(id => !own.has(id)),
    options,
  )
  if (unknown.size === 0) return judged
  if (policy === 'standard') {
    for (let i = 0, at = 0; i < ends.length; i++) {
      const end = ends[i] as number
      let isOpen = false
      for (; at < end; at++) isOpen ||= unknown.has(references[at] as string)
      if (isOpen) tellUnresolved(judged[i] as Judged, unknown)
    }
    return judged
  }
  const isKnown = (id: string) => !unknown.has(id)
  const dependents = indexReferences(references, ends)
  let lost = [...unknown]
  // Under `strict` who refers to nothing is refused, and then who refers to that one: each object once, in as many rounds as the chain is long.
  while (lost.length > 0) {
    const open = new Set(lost.flatMap(id => dependents.get(id) ?? []))
    lost = []
    for (const i of open) {
      const before = judged[i] as Judged
      if (!('canonical' in before)) continue
      const again = judge(values[i], canonical[i] as string, { policy, untold: UNTOLD, isKnown })
      judged[i] = again
      if ('canonical' in again) continue
      const left = (own.get(before.id) as number) - 1
      own.set(before.id, left)
      if (left === 0 && asked.has(before.id)) lost.push(before.id)
    }
    const more = await findUnknown(lost, options)
    lost = [...more]
    for (const id of more) unknown.add(id)
  }
  return judged
}

/** What each language-content of the request translates (STIX 2.1 section 7.1.1), by its place: from the request itself, else from the collection. */
async function findTargets(values: unknown[], { stored }: IntakeOptions): Promise<Map<number, Json> | undefined> {
  const translations = values.flatMap((value, i) => {
    const { type, object_ref: id, object_modified: version } = (value ?? {}) as Json
    if (type !== 'language-content' || typeof id !== 'string') return []
    return [{ i, id, version: typeof version === 'string' ? version : undefined }]
  })
  if (translations.length === 0) return undefined
  const here = new Map<string, Json>()
  for (const value of values as Json[]) {
    here.set(`${value?.['id']}`, value)
    here.set(`${value?.['id']} ${value?.['modified']}`, value)
  }
  const targets = new Map<number, Json>()
  let left = MOST_TARGETS
  for (const { i, id, version } of translations) {
    const target =
      here.get(version === undefined ? id : `${id} ${version}`) ?? (left-- > 0 && (await stored?.(id, version)))
    if (target) targets.set(i, target)
  }
  return targets
}

/** Which of these neither the collection nor everybody has. */
async function findUnknown(ids: string[], { known }: IntakeOptions): Promise<Set<string>> {
  const unknown = new Set(ids)
  for (const id of ids) if (tlpMarkings.has(id)) unknown.delete(id)
  const asked = [...unknown]
  for (let at = 0; at < asked.length; at += ASKED)
    for (const id of await known(asked.slice(at, at + ASKED))) unknown.delete(id)
  return unknown
}

/** Adds to the message of an object where it refers to nothing; to judge all of it again would cost more than all else of the intake. */
function tellUnresolved(one: Judged, unknown: ReadonlySet<string>): void {
  if (!('canonical' in one)) return
  const paths: string[] = []
  findReferences(one.value, '$', unknown, paths)
  if (paths.length === 0) return
  const shown = paths.slice(0, SHOWN).map(path => cut(path, MAX_PATH))
  if (paths.length > SHOWN) shown.push(`and ${paths.length - SHOWN} more`)
  const message = `${shown.join(', ')}: not known here (unresolved_reference, STIX 2.1 section 3.3)`
  one.warning = one.warning === undefined ? message : `${message}; ${one.warning}`
}

/** Properties that refer to something end with `_ref` or `_refs` (STIX 2.1 section 3.1). The object was validated: it isn't deep. */
function findReferences(value: Json, path: string, unknown: ReadonlySet<string>, found: string[]): void {
  for (const name in value) {
    const part = value[name]
    if (path === '$' && name.startsWith('x_')) continue // custom content is not checked
    if (typeof part === 'string') {
      if (name.endsWith('_ref') && unknown.has(part)) found.push(`${path}.${name}`)
    } else if (typeof part !== 'object' || part === null) continue
    else if (!Array.isArray(part)) findReferences(part as Json, `${path}.${name}`, unknown, found)
    else if (name.endsWith('_refs')) {
      for (let i = 0; i < part.length; i++) if (unknown.has(part[i])) found.push(`${path}.${name}[${i}]`)
    } else {
      for (let i = 0; i < part.length; i++)
        if (typeof part[i] === 'object') findReferences(part[i], `${path}.${name}[${i}]`, unknown, found)
    }
  }
}

/** Id -> places of the objects that refer to it. */
function indexReferences(references: string[], ends: number[]): Map<string, number[]> {
  const index = new Map<string, number[]>()
  for (let i = 0, at = 0; i < ends.length; i++) {
    for (; at < (ends[i] as number); at++) {
      const id = references[at] as string
      const places = index.get(id)
      if (!places) index.set(id, [i])
      else if (places.at(-1) !== i) places.push(i)
    }
  }
  return index
}

function judge(value: unknown, canonical: string, options: ValidateOptions & { policy: Policy }): Judged {
  const { findings } = validateObject(value, options)
  const isError = (f: Finding) => f.severity === 'error' && !(options.policy === 'standard' && TOLERATED.has(f.rule))
  const errors = findings.filter(isError)
  const object = value as Json
  const messages = describe(errors)
  const version = errors.length === 0 ? readVersion(object, messages) : undefined
  if (messages.length > 0) {
    const { id: name, modified, created } = typeof value === 'object' && value !== null ? object : {}
    const id = typeof name === 'string' ? name.slice(0, MAX_ID) : 'unknown'
    const claimed = modified ?? created
    return { id, version: typeof claimed === 'string' ? claimed.slice(0, 40) : 'unknown', message: messages.join('; ') }
  }
  return {
    id: object['id'] as string,
    version: version?.normalized,
    versionDigits: version?.fractionDigits ?? 0,
    spec: specVersion(object) ?? '2.1',
    value: object,
    canonical,
    ...(findings.length > 0 ? { warning: describe(findings).join('; ') } : {}),
  }
}

/**
 * What the record says of the version must follow from the object (docs/formats.md 1), also where its type has no use for `modified` and
 * `created` and no rule is about them: a record that doesn't would fail every reader who verifies the collection.
 */
function readVersion(object: Json, messages: string[]): Timestamp | undefined {
  const written = objectVersion(object)
  const version = written === undefined ? undefined : parseTimestamp(written)
  if (version && version.fractionDigits > 6)
    messages.push(`version ${written}: at most six digits after the decimal point are told apart`)
  // As a verifier reads it: a number in `modified` is not passed over for `created`.
  const claimed = object['modified'] ?? object['created'] ?? null
  if (claimed !== null && (!version || claimed !== written))
    messages.push(
      'modified, or created without it, is the version of an object and must be a timestamp (STIX 2.1 section 3.6)',
    )
  return version
}

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most)}…` : text)

/** Path, what is wrong, rule and section of the first findings, and how many there are besides. */
function describe(findings: readonly Finding[]): string[] {
  const messages = findings
    .slice(0, SHOWN)
    .map(f => `${cut(f.path, MAX_PATH)}: ${cut(f.message, MAX_MESSAGE)} (${f.rule}, STIX 2.1 section ${f.section})`)
  if (findings.length > SHOWN) messages.push(`and ${findings.length - SHOWN} more`)
  return messages
}
