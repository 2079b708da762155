import { statementChannels } from '@entente/stix'
import type { RecordRow, Store } from '#store/store.ts'
import type { Log } from './log.ts'
import type { Reader } from './reader.ts'
import type { SubmittedObject } from './sequence.ts'

/** Where objects of a collection go that no marking sends anywhere. */
export type Forward = { default: readonly string[]; types: Readonly<Record<string, readonly string[]>> }

/**
 * The marking definitions that name channels, of every collection, as far as they are stored: what an object's `object_marking_refs` are held
 * against, so that a bundle that is split over several requests loses no routing.
 *
 * They are read from the store once, verified, and kept up to date by the one sequencer. They decide where copies go, and nothing of what is true.
 */
export type Markings = {
  /** The channels that a marking definition of a collection names; none where it names none, or is not stored. */
  channelsOf(collection: number, id: string): readonly string[]
  /** An object was stored. */
  note(collection: number, object: SubmittedObject): void
  /** Objects of this id were erased. */
  forget(collection: number, id: string): Promise<void>
}

const TYPE = 'marking-definition'
const isMarking = (id: string | null): id is string => id?.startsWith(`${TYPE}--`) === true
const NONE: readonly string[] = []
const PAGE = 500

export async function readMarkings(store: Store, reader: Reader, log: Log): Promise<Markings> {
  const byCollection = new Map<number, Map<string, readonly string[]>>()
  function set(collection: number, id: string, value: unknown): void {
    const channels = statementChannels(value)
    const known = byCollection.get(collection) ?? new Map<string, readonly string[]>()
    if (channels.length > 0) byCollection.set(collection, known.set(id, channels))
    else known.delete(id) // kept both: the content that was added last is the one that holds
  }
  async function noteRow(row: RecordRow): Promise<void> {
    const opened = row.leaf < log.size && (await reader.open(row))
    if (opened && opened.ok && row.id !== null) set(row.collection, row.id, JSON.parse(opened.object.toString()))
  }

  for (const number of log.collections.keys()) {
    for (let from = 0; ; ) {
      const rows = await store.records(number, { from, limit: PAGE, types: [TYPE], text: 'all' })
      for (const row of rows) await noteRow(row)
      if (rows.length < PAGE) break
      from = (rows.at(-1) as RecordRow).seq + 1
    }
  }
  return {
    channelsOf: (collection, id) => byCollection.get(collection)?.get(id) ?? NONE,
    note: (collection, object) => {
      if (isMarking(object.id)) set(collection, object.id, object.value)
    },
    forget: async (collection, id) => {
      if (!isMarking(id)) return
      byCollection.get(collection)?.delete(id)
      for (const row of await store.versions(collection, id)) await noteRow(row)
    },
  }
}

/** `unknown`: what its markings name besides, and this server does not have. */
export type Route = { channels: string[]; unknown: string[] }

/**
 * Where an object goes: to the channels that the markings in its envelope name, to those that its own `object_marking_refs` name, and where no
 * marking names any, to where its collection forwards its type, or by default.
 *
 * @param named channels that markings of the same envelope name
 * @param channelsOf of a stored marking definition
 * @param known the channels that there are
 */
export function routeObject(
  object: SubmittedObject,
  named: readonly string[],
  channelsOf: (id: string) => readonly string[],
  forward: Forward | undefined,
  known: ReadonlySet<string>,
): Route {
  const wanted = new Set(named)
  const refs = object.value['object_marking_refs']
  if (Array.isArray(refs)) for (const id of refs) for (const name of channelsOf(id as string)) wanted.add(name)
  if (wanted.size === 0 && forward) {
    const type = object.id.slice(0, object.id.indexOf('--'))
    for (const name of (Object.hasOwn(forward.types, type) && forward.types[type]) || forward.default) wanted.add(name)
  }
  const channels: string[] = []
  const unknown: string[] = []
  for (const name of wanted) (known.has(name) ? channels : unknown).push(name)
  return { channels, unknown }
}

/** For the status of an object. */
export const describeUnknown = (unknown: readonly string[], known: ReadonlySet<string>): string =>
  `not forwarded to ${unknown.join(', ')}: this server has ${known.size === 0 ? 'no channels' : `the channels ${[...known].join(', ')}`}`
