import { tlpMarkings } from '@entente/stix'
import { objectMarkings } from '#notary/markings.ts'

/** Levels of TLP, each of which includes those before it. TLP 1.0 has WHITE for CLEAR, and no AMBER+STRICT. */
export const TLP_LEVELS = ['TLP:CLEAR', 'TLP:GREEN', 'TLP:AMBER', 'TLP:AMBER+STRICT', 'TLP:RED'] as const
export type TlpName = (typeof TLP_LEVELS)[number]
const RED = TLP_LEVELS.length - 1

/** Id of a published marking definition (STIX 2.1 section 7.2.1.4, and the extension of TLP 2.0) -> its level. They need not be stored. */
const TLP_IDS: ReadonlyMap<string, number> = new Map(
  [...tlpMarkings].map(([id, { level }]) => [id, toLevel(`TLP:${level.toUpperCase()}`) as number]),
)

/** A level by its name, of TLP 1.0 or 2.0; undefined of what is none. */
export function toLevel(name: string): number | undefined {
  const level = TLP_LEVELS.indexOf((name === 'TLP:WHITE' ? 'TLP:CLEAR' : name) as TlpName)
  return level < 0 ? undefined : level
}
export const isTlpId = (id: string): boolean => TLP_IDS.has(id)

/** `markings` of the configuration. */
export type MarkingsConfig = {
  /** What an object counts as that has no marking of TLP. */
  unmarked: TlpName
  /** Whether an object is shown that has a marking which is neither of TLP nor named here. */
  others: 'allow' | 'deny'
  /** What everybody is cleared for. */
  everyone: readonly string[]
  /** Role -> what it is cleared for besides: names of TLP, ids of marking definitions, or `all`. */
  rights: Readonly<Record<string, readonly string[]>>
  /** Id of a marking definition -> what people call it. */
  names: Readonly<Record<string, string>>
}

/** What it takes to see something, besides the right to read its collection. */
export type Label = {
  readonly level: number
  /** Ids of markings that are named in the configuration. */
  readonly named: readonly string[]
  /** Only who is cleared for every marking sees it. */
  readonly isForAll: boolean
}

/** What somebody is cleared for: it follows from the roles, and from nothing else. */
export type Clearance = {
  /** The same where it is the same. */
  readonly key: string
  /** Whether no marking hides anything. */
  readonly isFull: boolean
  clears(label: Label): boolean
  /** @param id of a marking definition */
  has(id: string): boolean
}

/** Who may see what, by its markings (docs/decisions/0027-markings.md). Pure: objects and roles in, verdicts out. */
export type Markings = {
  readonly config: MarkingsConfig
  /** Ids of the markings that need a clearance of their own, in order. */
  readonly named: readonly string[]
  /** @param object canonical JSON @param unmarked what its collection says instead of the configuration */
  label(object: Buffer, unmarked: TlpName | undefined): Label
  clearance(roles: readonly string[]): Clearance
}

/** What a caller may see by its markings: our resource, since the standard leaves it to the server (TAXII issue 119). */
export type MarkingsResource = {
  /** What an object counts as that has no marking of TLP. */
  unmarked: TlpName
  /** Whether objects are shown that have a marking which is not listed. */
  others: 'allow' | 'deny'
  markings: { id: string; name?: string; cleared: boolean }[]
}

const NOTHING_HIDDEN: MarkingsConfig = { unmarked: 'TLP:CLEAR', others: 'allow', everyone: [], rights: {}, names: {} }

/** @param markings undefined: nothing is hidden */
export function describeMarkings(markings: Markings | undefined, roles: readonly string[]): MarkingsResource {
  const clearance = markings?.clearance(roles)
  const { unmarked, others, names } = markings?.config ?? NOTHING_HIDDEN
  const named = (markings?.named ?? []).map(id => {
    const name = names[id]
    return name === undefined ? { id } : { id, name }
  })
  const tlp = [...tlpMarkings].map(([id, { level }]) => ({ id, name: `TLP:${level.toUpperCase()}` }))
  return {
    unmarked,
    others: clearance?.isFull ? 'allow' : others,
    markings: [...tlp, ...named].map(one => ({ ...one, cleared: clearance?.has(one.id) ?? true })),
  }
}

/** Of what is about contents whose markings nobody knows: a record that one was refused has the hash of a content that was never stored. */
export const FOR_ALL: Label = { level: RED, named: [], isForAll: true }

const PURE: readonly Label[] = TLP_LEVELS.map((_name, level) => ({ level, named: [], isForAll: false }))

export function createMarkings(config: MarkingsConfig): Markings {
  const { others, everyone, rights } = config
  const all = [...everyone, ...Object.values(rights).flat()]
  const named = [...new Set(all.filter(name => name !== 'all' && toLevel(name) === undefined))].sort()
  const isNamed = new Set(named)
  const standard = toLevel(config.unmarked) as number

  function label(object: Buffer, unmarked: TlpName | undefined): Label {
    let level = -1
    let own: string[] | undefined
    let isForAll = false
    for (const written of objectMarkings(object)) {
      const id = written.toLowerCase()
      const tlp = TLP_IDS.get(id)
      if (tlp !== undefined) level = Math.max(level, tlp)
      else if (isNamed.has(id)) (own ??= []).push(id)
      else if (others === 'deny') isForAll = true
    }
    if (level < 0) level = unmarked === undefined ? standard : (toLevel(unmarked) as number)
    return own || isForAll ? { level, named: own ?? [], isForAll } : (PURE[level] as Label)
  }

  function clearance(roles: readonly string[]): Clearance {
    let level = 0
    let isAll = false
    const ids = new Set<string>()
    const take = (names: readonly string[]) => {
      for (const name of names) {
        const tlp = toLevel(name)
        if (tlp !== undefined) level = Math.max(level, tlp)
        else if (name === 'all') isAll = true
        else ids.add(name)
      }
    }
    take(everyone)
    for (const role of roles) if (Object.hasOwn(rights, role)) take(rights[role] as readonly string[])
    const isFull = isAll || (level === RED && ids.size === named.length && others === 'allow')
    return {
      key: isFull ? 'all' : `${level} ${named.filter(id => ids.has(id)).join()}`,
      isFull,
      clears: wanted => isFull || (!wanted.isForAll && wanted.level <= level && wanted.named.every(id => ids.has(id))),
      has: id => isFull || (TLP_IDS.get(id) ?? RED + 1) <= level || ids.has(id),
    }
  }
  return { config, named, label, clearance }
}
