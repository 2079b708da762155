/** Data markings (section 7.2): which apply to an object, which are TLP, and which name one of our channels. */
import { tlp1Markings } from './marking-content.ts'
import { TLP_2_EXTENSION_ID, tlp2Levels } from './types/extensions.ts'
import { isObject, type Json } from './walk.ts'

export type TlpLevel = 'white' | (typeof tlp2Levels)[number]

/** A published TLP marking. */
export interface TlpMarking {
  readonly version: '1.0' | '2.0'
  readonly level: TlpLevel
  /** The marking definition as published; TLP 2.0 needs the extension definition `TLP_2_EXTENSION_ID`. */
  readonly object: Json
}

const TLP_2_IDS: Readonly<Record<(typeof tlp2Levels)[number], string>> = {
  clear: 'marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487',
  green: 'marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb',
  amber: 'marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421',
  'amber+strict': 'marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003',
  red: 'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1',
}

/** Every published TLP marking by the id of its marking definition (TLP 1.0: section 7.2.1.4; 2.0: by extension). */
export const tlpMarkings: ReadonlyMap<string, TlpMarking> = new Map<string, TlpMarking>([
  ...[...tlp1Markings].map(([level, id]): [string, TlpMarking] => [
    id,
    {
      version: '1.0',
      level: level as TlpLevel,
      object: {
        type: 'marking-definition',
        spec_version: '2.1',
        id,
        created: '2017-01-20T00:00:00.000Z',
        definition_type: 'tlp',
        name: `TLP:${level.toUpperCase()}`,
        definition: { tlp: level },
      },
    },
  ]),
  ...tlp2Levels.map((level): [string, TlpMarking] => [
    TLP_2_IDS[level],
    {
      version: '2.0',
      level,
      object: {
        type: 'marking-definition',
        spec_version: '2.1',
        id: TLP_2_IDS[level],
        created: '2022-10-01T00:00:00.000Z',
        name: `TLP:${level.toUpperCase()}`,
        extensions: { [TLP_2_EXTENSION_ID]: { extension_type: 'property-extension', tlp_2_0: level } },
      },
    },
  ]),
])

/** The ids of the marking definitions on the whole object (`object_marking_refs`, section 7.2.2), as they stand. */
export function objectMarkings(object: Json): string[] {
  const refs = object.object_marking_refs
  return Array.isArray(refs) ? refs.filter(ref => typeof ref === 'string') : []
}

/** The ids of the marking definitions on parts of the object (`granular_markings`, section 7.2.3), each once. */
export function granularMarkings(object: Json): string[] {
  const found = new Set<string>()
  if (Array.isArray(object.granular_markings)) {
    for (const marking of object.granular_markings) {
      if (isObject(marking) && typeof marking.marking_ref === 'string') found.add(marking.marking_ref)
    }
  }
  return [...found]
}

const STATEMENT = 'pubsub:'
/** A channel's name has at most so many characters. */
export const MAX_CHANNEL_NAME = 250

/**
 * The channels that a marking definition names: `definition.statement` is `pubsub:X` and gives `['X']`. A bundle gives
 * those of all marking definitions in it, each once; any other object none. A name is 1 to 250 of A-Z, a-z, 0-9, `.`,
 * `_` and `-`; another one is no channel.
 *
 * @example
 * statementChannels({ type: 'marking-definition', definition_type: 'statement', definition: { statement: 'pubsub:EVENTS' } }) // ['EVENTS']
 */
export function statementChannels(object: unknown): string[] {
  if (!isObject(object)) return []
  if (object.type === 'bundle') {
    const members: unknown[] = Array.isArray(object.objects) ? object.objects : []
    return [...new Set(members.flatMap(member => (isBundle(member) ? [] : statementChannels(member))))]
  }
  if (object.type !== 'marking-definition' || !isObject(object.definition)) return []
  const { statement } = object.definition
  if (typeof statement !== 'string' || !statement.startsWith(STATEMENT)) return []
  const name = statement.slice(STATEMENT.length)
  return isChannelName(name) ? [name] : []
}

const isBundle = (value: unknown): boolean => isObject(value) && value.type === 'bundle'

const isChannelName = (name: string): boolean => name.length <= MAX_CHANNEL_NAME && /^[A-Za-z0-9._-]+$/.test(name)
