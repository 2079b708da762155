// Values of packages/rules as the contracts write them, and back.
import {
  type Country,
  type Level,
  LEVELS,
  PARTY_KINDS,
  type PartyKind,
  type Provenance,
  Refusal,
  type Scheme,
  type SchemeInput,
  ZERO,
} from '@entente/rules'
import type { Hex } from 'viem'
import { hexToString, padHex, stringToHex } from 'viem/utils'

/** Index in a list of words, as an enum of Solidity numbers them, where 0 stands for none. */
export const toEnum = <T extends string>(words: readonly T[], word: T): number => words.indexOf(word) + 1
/** Undefined for 0. */
export const fromEnum = <T extends string>(words: readonly T[], value: unknown): T | undefined =>
  words[Number(value) - 1]

export const toPartyKind = (kind: PartyKind): number => toEnum(PARTY_KINDS, kind)
export const fromPartyKind = (value: unknown): PartyKind | undefined => fromEnum(PARTY_KINDS, value)

export const toCountry = (country: Country): Hex => stringToHex(country, { size: 2 })
export const fromCountry = (value: unknown): Country => hexToString(value as Hex)

/** The zero id stands for none. */
export const orUndefined = (id: unknown): string | undefined => (id === ZERO ? undefined : (id as string))
export const orZero = (id: string | undefined): Hex => (id ?? ZERO) as Hex

/** A time that is 0 stands for none. */
export const orNoTime = (value: unknown): number | undefined => (Number(value) === 0 ? undefined : Number(value))

/** A key of an EVM chain. @throws Refusal `Invalid` */
export function toAddress(key: string): Hex {
  if (!/^0x[0-9a-f]{40}$/.test(key))
    throw new Refusal('Invalid', 0, { what: 'a key of this chain is an address', is: key })
  return key as Hex
}

/** Who validates or writes on a chain: an address of an EVM chain, or a hash of 32 bytes. @throws Refusal `Invalid` */
export function toIdentity(key: string): Hex {
  if (/^0x[0-9a-f]{64}$/.test(key)) return key as Hex
  return padHex(toAddress(key), { size: 32 })
}
export const fromIdentity = (value: unknown): string =>
  String(value).startsWith('0x000000000000000000000000') ? `0x${String(value).slice(26)}` : String(value)

/** A set of levels: bit 0 basic, bit 1 substantial, bit 2 high. */
export const toLevels = (levels: readonly Level[]): number =>
  LEVELS.reduce((mask, level, i) => (levels.includes(level) ? mask | (1 << i) : mask), 0)
export const fromLevels = (mask: unknown): Level[] => LEVELS.filter((_, i) => Number(mask) & (1 << i))

const PROVENANCES: readonly Provenance[] = ['own', 'attested', 'proven']
export const fromProvenance = (value: unknown): Provenance => PROVENANCES[Number(value)] ?? 'attested'

export function toTerms(scheme: SchemeInput) {
  const { document, scope, adopted, endsAt = 0, levels, authorisedLevels, van } = scheme
  const { maxValidity, maxSuspension, maxSuspended, maxAccreditation } = scheme
  const { allowsDeclaration, isPublicOnly, allowsProfiles } = scheme
  return {
    document,
    scope,
    adopted,
    endsAt,
    levels: toLevels(levels),
    maxValidity,
    allowsDeclaration,
    isPublicOnly,
    authorisedLevels: toLevels(authorisedLevels),
    van: LEVELS.map(level => van[level] ?? 0),
    maxSuspension,
    maxSuspended,
    maxAccreditation,
    allowsProfiles,
  }
}

type Terms = Readonly<Record<string, unknown>>

/** Terms as a contract gives them; undefined where there are none of this version. */
export function fromTerms(terms: Terms): Omit<Scheme, 'version' | 'owner' | 'from' | 'mapping'> | undefined {
  if (terms['document'] === ZERO) return undefined
  const van = terms['van'] as readonly number[]
  return {
    document: terms['document'] as string,
    scope: terms['scope'] as string,
    adopted: Number(terms['adopted']),
    endsAt: orNoTime(terms['endsAt']),
    levels: fromLevels(terms['levels']),
    maxValidity: Number(terms['maxValidity']),
    allowsDeclaration: terms['allowsDeclaration'] as boolean,
    isPublicOnly: terms['isPublicOnly'] as boolean,
    authorisedLevels: fromLevels(terms['authorisedLevels']),
    van: Object.fromEntries(LEVELS.map((level, i) => [level, van[i]] as const).filter(([, top]) => top !== 0)),
    maxSuspension: Number(terms['maxSuspension']),
    maxSuspended: Number(terms['maxSuspended']),
    maxAccreditation: Number(terms['maxAccreditation']),
    allowsProfiles: terms['allowsProfiles'] as boolean,
  }
}
