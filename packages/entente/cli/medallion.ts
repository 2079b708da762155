import { parseMicros } from '#notary/time.ts'
import { CliError } from './errors.ts'

/** What the OASIS reference TAXII server (medallion 3) holds, as this server takes it over: of its data file, or of its databases (medallion-mongodb.ts). */
export type MedallionData = {
  discovery: { title?: string; description?: string; contact?: string }
  /** The default API root first. */
  roots: MedallionRoot[]
  refused: Refused[]
  /** What changes on the way, and why. */
  remarks: string[]
}

export type MedallionRoot = {
  /** Begins and ends with `/`. */
  path: string
  title: string
  description?: string
  maxContentLength?: number
  collections: MedallionCollection[]
  statuses: MedallionStatus[]
}

export type MedallionCollection = {
  id: string
  title: string
  description?: string
  alias?: string
  canRead: boolean
  canWrite: boolean
  /** Whether it lists, or holds, STIX 2.0. */
  hasStix20: boolean
  objects: MedallionObjects
}

export type MedallionObjects = {
  count(): Promise<number>
  ids(): Promise<ReadonlySet<unknown>>
  /** As the manifest orders them. What has no date is refused as it is met. */
  chunks(): AsyncIterable<Dated[]>
}
/** `added`: microseconds since 1970. */
export type Dated = { object: Record<string, unknown>; added: number }

type Detail = { id: string; version: string; message?: string }
export type MedallionStatus = {
  id: string
  /** Microseconds since 1970. */
  requested: number
  successes: Detail[]
  failures: Detail[]
  pendings: Detail[]
}

/** What can't be taken over: where it stands, what it is, and why. */
export type Refused = { where: string; id: string; version?: string; reason: string }

export type Members = Record<string, unknown>
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{12}$/
const PATH = /^[A-Za-z0-9._~-]{1,100}$/
const ALIAS = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const STIX_2_0 = 'application/stix+json;version=2.0'

/**
 * Reads the parsed data file of a server with the memory backend. Its keys are the discovery resource and API roots; a collection holds its objects beside its
 * manifest, which says when each version was added. What is wrong in a part is refused with that part; the rest is taken.
 *
 * @throws CliError `usage` where this is no such file
 */
export function readMedallion(value: unknown, file: string): MedallionData {
  const all = asMembers(value)
  const discovery = all && asMembers(all['/discovery'])
  if (!all || !discovery)
    throw new CliError('usage', `${file} is no data file of medallion: that is a JSON object with "/discovery"`)
  const roots = Object.entries(all).filter(([name]) => name !== '/discovery')
  return readContent(discovery, roots, (members, where, data) => {
    const objects = readObjects(members, where, data)
    return {
      count: async () => objects.length,
      ids: async () => new Set(objects.map(({ object }) => object['id'])),
      async *chunks() {
        if (objects.length > 0) yield objects
      },
    }
  })
}

/** Where the objects of a collection are: its own members, its path for messages, and the name of its API root. */
type ObjectsOf = (collection: Members, where: string, data: MedallionData, root: string) => MedallionObjects

/** Discovery resource and API roots, by name, as medallion keeps them; each has `information`, `collections` and `status`. */
export function readContent(
  discovery: Members,
  roots: readonly (readonly [name: string, root: unknown])[],
  objectsOf: ObjectsOf,
): MedallionData {
  const data: MedallionData = {
    discovery: pickTexts(discovery, ['title', 'description', 'contact']),
    roots: [],
    refused: [],
    remarks: [],
  }
  for (const [name, content] of roots) {
    const path = name.replaceAll('/', '')
    const root = asMembers(content)
    if (!root || !asMembers(root['information']))
      data.refused.push({ where: name, id: name, reason: 'it is no API root: it has no "information"' })
    else if (!PATH.test(path))
      data.refused.push({ where: name, id: name, reason: 'its name can be no path of an API root' })
    else data.roots.push(readRoot(root, `/${path}/`, data, (c, where) => objectsOf(c, where, data, name)))
  }
  const first = lastSegment(asText(discovery['default']))
  data.roots.sort((a, b) => Number(b.path === first) - Number(a.path === first))
  return data
}

/** `http://localhost:5000/trustgroup1/` and `/trustgroup1/` are the API root `/trustgroup1/`. */
const lastSegment = (url: string | undefined): string => `/${url?.split('/').findLast(part => part !== '') ?? ''}/`

type ObjectsIn = (collection: Members, where: string) => MedallionObjects

function readRoot(root: Members, path: string, data: MedallionData, objectsIn: ObjectsIn): MedallionRoot {
  const information = root['information'] as Members
  const max = information['max_content_length']
  return {
    path,
    title: asText(information['title']) ?? path,
    ...pickTexts(information, ['description']),
    ...(Number.isSafeInteger(max) && (max as number) > 0 ? { maxContentLength: max as number } : {}),
    collections: asList(root['collections']).flatMap(c => readCollection(c, path, data, objectsIn)),
    statuses: asList(root['status']).flatMap(s => readStatus(s, path, data)),
  }
}

function readCollection(
  value: unknown,
  path: string,
  data: MedallionData,
  objectsIn: ObjectsIn,
): MedallionCollection[] {
  const members = asMembers(value) ?? {}
  const given = asText(members['id']) ?? ''
  const id = given.toLowerCase()
  const form = UUID.exec(id)
  const where = `${path}collections/${given}/`
  if (!form) {
    data.refused.push({
      where: path,
      id: given,
      reason: 'a collection of which the id is no UUID (TAXII 2.1 section 5.2.1)',
    })
    return []
  }
  if (form[1] !== '4' || !/[89ab]/.test(form[2] as string))
    data.remarks.push(
      `${where} has an id that is no UUID of version 4, as TAXII 2.1 (section 2) wants it; it is kept, since clients know it`,
    )
  const alias = asText(members['alias'])
  const isAlias = alias !== undefined && ALIAS.test(alias)
  if (alias !== undefined && !isAlias)
    data.remarks.push(`${where} loses its alias ${JSON.stringify(alias)}, which is no name for a URL`)
  return [
    {
      id,
      title: asText(members['title']) || id,
      ...pickTexts(members, ['description']),
      ...(isAlias ? { alias } : {}),
      canRead: members['can_read'] === true,
      canWrite: members['can_write'] === true,
      hasStix20: asList(members['media_types']).includes(STIX_2_0),
      objects: objectsIn(members, where),
    },
  ]
}

/**
 * Objects with the dates of their manifest records, found by id and version. medallion serves nothing that its manifest does not name, and sorts by the manifest.
 */
function readObjects(collection: Members, where: string, data: MedallionData): Dated[] {
  const manifest = new Map<string, { added: number; place: number }>()
  const unused = new Map<string, Refused>()
  for (const [place, item] of asList(collection['manifest']).entries()) {
    const record = asMembers(item) ?? {}
    const [id = '', version = '', date = ''] = ['id', 'version', 'date_added'].map(name => asText(record[name]))
    const added = parseMicros(date)
    const refused = { where, id, version }
    if (added === undefined || added <= 0)
      data.refused.push({
        ...refused,
        reason: `its manifest record has the date_added ${JSON.stringify(date)}, which is no timestamp`,
      })
    else {
      const key = keyOf(id, version)
      if (!manifest.has(key)) manifest.set(key, { added, place })
      unused.set(key, { ...refused, reason: 'the manifest names it, and there is no such object' })
    }
  }
  const found: { object: Members; added: number; place: number }[] = []
  for (const item of asList(collection['objects'])) {
    const { _date_added: hidden, ...object } = asMembers(item) ?? {}
    const id = asText(object['id']) ?? 'unknown'
    const version = asText(object['modified'] ?? object['created'] ?? hidden) ?? ''
    const record = manifest.get(keyOf(id, version))
    unused.delete(keyOf(id, version))
    if (record) found.push({ object, ...record })
    else
      data.refused.push({
        where,
        id,
        version,
        reason: 'no manifest record says when it was added, so medallion does not serve it',
      })
  }
  data.refused.push(...unused.values())
  return found.sort((a, b) => a.added - b.added || a.place - b.place)
}

/** Versions are compared as instants: medallion writes those of objects without one with six digits. */
const keyOf = (id: string, version: string): string => `${id} ${parseMicros(version) ?? version}`

function readStatus(value: unknown, path: string, data: MedallionData): MedallionStatus[] {
  const members = asMembers(value) ?? {}
  const id = asText(members['id']) ?? ''
  const requested = parseMicros(asText(members['request_timestamp']) ?? '')
  if (!UUID.test(id) || requested === undefined || requested <= 0) {
    data.refused.push({ where: `${path}status/`, id, reason: 'a status without a UUID and a request_timestamp' })
    return []
  }
  const [successes = [], failures = [], pendings = []] = ['successes', 'failures', 'pendings'].map(name =>
    asList(members[name]).map(readDetail),
  )
  return [{ id, requested, successes, failures, pendings }]
}

function readDetail(value: unknown): Detail {
  const members = asMembers(value) ?? {}
  const { id = 'unknown', version = 'unknown', ...more } = pickTexts(members, ['id', 'version', 'message'])
  return { id, version, ...more }
}

export const asMembers = (value: unknown): Members | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined
const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
export const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

function pickTexts<N extends string>(members: Members, names: readonly N[]): Partial<Record<N, string>> {
  const texts = names.map(name => [name, asText(members[name])] as const).filter(([, text]) => text !== undefined)
  return Object.fromEntries(texts) as Partial<Record<N, string>>
}
