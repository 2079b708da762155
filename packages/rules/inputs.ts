import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import * as accreditation from './accreditation.ts'
import * as artifact from './artifact.ts'
import type { Call } from './call.ts'
import * as certificate from './certificate.ts'
import { propose, vote } from './consortium.ts'
import * as disclosure from './disclosure.ts'
import { CHAIN_KINDS, type ChainKind, LABELS, LEVELS, PARTY_KINDS } from './entities.ts'
import { adoptScheme, recogniseCountry, registerNationalScheme } from './framework.ts'
import { found } from './genesis.ts'
import { attest } from './mirror.ts'
import { addKey, replaceKey, revokeKey } from './parties.ts'
import { Refusal } from './refusal.ts'

/** The shapes of what the rules take, for whoever gets them as JSON: the chaincode, and previews of what people typed. */
const MOST = 100
const strict = { additionalProperties: false }
const object = <T extends Record<string, TSchema>>(properties: T) => Type.Object(properties, strict)
const list = <T extends TSchema>(of: T) => Type.Array(of, { maxItems: MOST })
const optional = <T extends TSchema>(of: T) => Type.Optional(Type.Union([of, Type.Undefined()]))
const one = <const T extends readonly string[]>(...of: T) => Type.Unsafe<T[number]>(Type.Enum([...of]))

const Id = Type.String({ pattern: '^0x[0-9a-f]{64}$', description: '32 bytes, lower-case hexadecimal' })
/** Where an id may be left out, the zero id says nothing else: contracts have no other way to leave one out. */
const NoZeroId = Type.String({
  pattern: '^0x0*[1-9a-f][0-9a-f]*$',
  minLength: 66,
  maxLength: 66,
  description: '32 bytes, lower-case hexadecimal, not zero',
})
const Key = Type.String({ minLength: 1, maxLength: 4500, description: 'an address, or an identity of Fabric' })
const Country = Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' })
const Seconds = Type.Integer({ minimum: 0, maximum: 253_402_300_799, description: 'whole seconds since 1970' })
/** Of what may be left out, as with {@link NoZeroId}. */
const NoZeroTime = Type.Integer({ minimum: 1, maximum: 253_402_300_799, description: 'whole seconds since 1970' })
const Length = Type.Integer({ minimum: 0, maximum: 10_000_000_000, description: 'seconds' })
const Count = Type.Integer({ minimum: 0, maximum: 1_000_000 })
const Level = one(...LEVELS)
const Proposal = Type.String({ pattern: '^[0-9]{1,15}$', description: 'its number' })

const PartyKind = one(...PARTY_KINDS)
const NewParty = object({ id: Id, kind: PartyKind, country: Country, key: Key, act: Id })
const change = <K extends string, T extends Record<string, TSchema>>(kind: K, rest: T) =>
  object({ do: Type.Literal(kind), ...rest })
const keys = { chain: Id, add: list(Key), remove: list(Key) }
const Change = Type.Union([
  change('seat', {
    authority: object({ id: Id, kind: one('ncca', 'nab', 'coordinator'), country: Country, key: Key }),
    act: Id,
  }),
  change('remove', { authority: Id, act: Id }),
  change('replaceKey', { party: Id, lost: Key, key: Key, act: Id }),
  change('admit', { member: Id, kind: one('state', 'enisa', 'commission'), country: Country, key: Key, act: Id }),
  change('dismiss', { member: Id, act: Id }),
  change('validators', keys),
  change('writers', keys),
  change('upgrade', { contract: Id, code: Id }),
])

const Van = Type.Integer({ minimum: 0, maximum: 5, description: 'AVA_VAN' })
const TopVan = Type.Optional(Type.Integer({ minimum: 1, maximum: 5, description: 'AVA_VAN' }))
const terms = {
  document: Id,
  scope: Id,
  adopted: Seconds,
  endsAt: optional(NoZeroTime),
  levels: list(Level),
  maxValidity: Length,
  allowsDeclaration: Type.Boolean(),
  isPublicOnly: Type.Boolean(),
  authorisedLevels: list(Level),
  van: object({ basic: TopVan, substantial: TopVan, high: TopVan }),
  maxSuspension: Length,
  maxSuspended: Length,
  maxAccreditation: Length,
  allowsProfiles: Type.Boolean(),
}
const Terms = object(terms)
const Mapping = list(object({ level: Level, scheme: Id, to: Level }))
const scope = { schemes: list(Id), categories: list(Id), until: Seconds }
const Restriction = Type.Union([
  change('restrict', scope),
  change('suspend', {}),
  change('resume', {}),
  change('end', {}),
])
const Version = object({ firmware: Id, sbom: Id, mud: Id, patches: optional(NoZeroId), fixes: optional(list(Id)) })
const Support = object({ guidance: Id, until: Seconds, contact: Id, repository: Id })
const Certificate = object({
  scheme: Id,
  level: Level,
  holder: Id,
  versions: list(Id),
  series: optional(NoZeroId),
  components: list(Id),
  categories: list(Id),
  document: Id,
  report: Id,
  itsef: optional(NoZeroId),
  van: Van,
  since: Seconds,
  until: Seconds,
  due: list(Seconds),
})
const Legacy = object({
  scheme: Id,
  level: optional(Level),
  issuer: Id,
  holder: Id,
  components: list(Id),
  document: Id,
  since: Seconds,
  until: optional(NoZeroTime),
})
const Declaration = object({ scheme: Id, versions: list(Id), document: Id, report: Id, since: Seconds, until: Seconds })
const ReviewEnd = Type.Union([
  change('confirm', {}),
  change('withdraw', { reason: Id }),
  change('replace', { reason: Id, id: Id, certificate: Certificate, sameScope: Type.Boolean() }),
])
const Reference = Type.Union([object({ sealed: Id }), object({ open: Id })])
const Announcement = object({ commitment: Id, artifact: Reference, coordinator: Id, proposedEnd: Seconds })
const Disclosure = object({ salt: Id, content: Id, artifact: optional(object({ salt: Id, version: Id })) })
const Policy = object({ maxEmbargo: Length, maxTotal: Length, acceptWithin: Length, announcements: Count, per: Length })
const Genesis = object({
  chain: object({ kind: one(...CHAIN_KINDS), country: Country, inbox: optional(Key) }),
  parties: list(NewParty),
  consortium: optional(object({ numerator: Count, denominator: Count, period: Length })),
  disclosure: optional(Policy),
  chains: optional(list(object({ id: Id, validators: list(Key), writers: list(Key), minimum: Count }))),
})
const Recognition = object({
  agreement: Id,
  levels: list(Level),
  since: Seconds,
  until: Seconds,
  isEea: Type.Boolean(),
})
const Fact = Type.Union([
  object({
    kind: Type.Literal('party'),
    id: Id,
    value: object({ kind: PartyKind, country: Country, act: Id, isActive: Type.Boolean() }),
    keys: list(Key),
  }),
  object({
    kind: Type.Literal('scheme'),
    id: Id,
    value: object({ ...terms, version: Count }),
  }),
  object({ kind: Type.Literal('recognition'), country: Country, scheme: Id, value: Recognition }),
  object({
    kind: Type.Literal('version'),
    id: Id,
    value: object({
      artifact: Id,
      manufacturer: Id,
      firmware: Id,
      sbom: Id,
      mud: Id,
      patches: optional(NoZeroId),
      fixes: list(Id),
      hasSupport: Type.Boolean(),
    }),
  }),
  object({
    kind: Type.Literal('case'),
    id: Id,
    value: object({ provider: Id, coordinator: Id, disclosed: optional(NoZeroTime) }),
  }),
])

type Values<S extends readonly TSchema[]> = { [K in keyof S]: Static<S[K]> }

type Rule<F = unknown> = {
  /** The chains that have it. */
  on: readonly ChainKind[]
  parameters: TSchema
  check(args: unknown): void
  run(call: Call, args: unknown): Promise<unknown>
  /** The function that it runs: for the types of its arguments. */
  readonly of: F
}

/**
 * @param on the chains that have it
 * @param parameters of the rule, in its order: the compiler holds what they let through against what the rule takes
 * @param least how many of them it is called with at least
 */
function rule<const S extends readonly TSchema[], F extends (call: Call, ...args: Values<S>) => Promise<unknown>>(
  on: readonly ChainKind[],
  run: F,
  parameters: S,
  least: number = parameters.length,
): Rule<F> {
  // Compiled by its first call: all of them at once take a third of a second.
  let tuples: ReturnType<typeof compile> | undefined
  const compile = () =>
    Array.from({ length: parameters.length - least + 1 }, (_, i) =>
      Compile(Type.Tuple(parameters.slice(0, least + i) as TSchema[])),
    )
  const check = (args: unknown) => {
    tuples ??= compile()
    const fits = tuples.find((_, i) => Array.isArray(args) && args.length === least + i)
    if (!fits) throw new Refusal('Invalid', 0, { what: `${least} to ${parameters.length} arguments` })
    if (fits.Check(args)) return
    const [first] = fits.Errors(args)
    throw new Refusal('Invalid', 0, { at: first?.instancePath ?? '', what: first?.message ?? '' })
  }
  return {
    of: run,
    on,
    parameters: Type.Tuple([...parameters]),
    check,
    run: async (call, args) => {
      check(args)
      await requireChain(call, on)
      return run(call, ...(args as unknown as Values<S>))
    },
  }
}

/** A chain that was not founded yet refuses by what it does not know. */
async function requireChain({ state }: Call, on: readonly ChainKind[]): Promise<void> {
  const chain = await state.get('chain', 'self')
  if (chain !== undefined && !on.includes(chain.kind)) throw new Refusal('WrongChain', 0, { chain: chain.kind, on })
}

const NATIONAL = CHAIN_KINDS.filter(kind => kind !== 'eu')
const EU = ['eu'] as const
const ARTIFACT = ['artifact'] as const
const CERTIFICATION = ['certification'] as const
const VULNERABILITY = ['vulnerability'] as const

/** Every rule by its name, with what it takes. */
export const RULES = {
  found: rule(CHAIN_KINDS, found, [Genesis]),
  attest: rule(NATIONAL, attest, [Fact]),
  addKey: rule(CHAIN_KINDS, addKey, [Key]),
  revokeKey: rule(CHAIN_KINDS, revokeKey, [Key]),
  replaceKey: rule(CHAIN_KINDS, replaceKey, [Key, Key, Id]),
  propose: rule(EU, propose, [Change]),
  vote: rule(EU, vote, [Proposal]),
  adoptScheme: rule(EU, adoptScheme, [Id, Terms]),
  registerNationalScheme: rule(CERTIFICATION, registerNationalScheme, [Id, Terms, Mapping]),
  recogniseCountry: rule(EU, recogniseCountry, [Country, Id, Recognition]),
  accredit: rule(CERTIFICATION, accreditation.accredit, [Id, object(scope)]),
  changeAccreditation: rule(CERTIFICATION, accreditation.changeAccreditation, [Id, Restriction, Id]),
  authorise: rule(CERTIFICATION, accreditation.authorise, [Id, object({ ...scope, van: Van })]),
  changeAuthorisation: rule(CERTIFICATION, accreditation.changeAuthorisation, [Id, Restriction, Id]),
  notifyBody: rule(CERTIFICATION, accreditation.notifyBody, [Id, Type.String({ maxLength: 6 }), Type.Boolean()]),
  delegateHigh: rule(CERTIFICATION, accreditation.delegateHigh, [Id, Seconds]),
  revokeDelegation: rule(CERTIFICATION, accreditation.revokeDelegation, [Id]),
  approve: rule(CERTIFICATION, accreditation.approve, [
    Id,
    object({ commitment: Id, until: Seconds, mayBeLonger: Type.Boolean() }),
  ]),
  registerParty: rule(NATIONAL, artifact.registerParty, [NewParty]),
  registerArtifact: rule(ARTIFACT, artifact.registerArtifact, [Id, Id]),
  registerVersion: rule(ARTIFACT, artifact.registerVersion, [Id, Id, Version]),
  setSupport: rule(ARTIFACT, artifact.setSupport, [Id, Support]),
  label: rule(ARTIFACT, artifact.label, [Id, Id, one(...LABELS), NoZeroId], 3),
  importLegacy: rule(CERTIFICATION, certificate.importLegacy, [Id, Legacy]),
  issue: rule(CERTIFICATION, certificate.issue, [Id, Certificate]),
  certifyProfile: rule(CERTIFICATION, certificate.certifyProfile, [Id, Certificate]),
  declare: rule(CERTIFICATION, certificate.declare, [Id, Declaration]),
  openReview: rule(CERTIFICATION, certificate.openReview, [Id]),
  closeReview: rule(CERTIFICATION, certificate.closeReview, [Id, ReviewEnd]),
  maintain: rule(CERTIFICATION, certificate.maintain, [Id, Id, Certificate]),
  suspend: rule(CERTIFICATION, certificate.suspend, [Id, Seconds, Id, Id]),
  lift: rule(CERTIFICATION, certificate.lift, [Id]),
  extendSuspension: rule(CERTIFICATION, certificate.extendSuspension, [Id, Seconds, Id]),
  withdraw: rule(CERTIFICATION, certificate.withdraw, [Id, Id]),
  notifyComponent: rule(CERTIFICATION, certificate.notifyComponent, [Id, Id, Id]),
  clearNotification: rule(CERTIFICATION, certificate.clearNotification, [Id, Id]),
  announce: rule(VULNERABILITY, disclosure.announce, [Id, Announcement]),
  invite: rule(VULNERABILITY, disclosure.invite, [Id, Id]),
  proposeEmbargo: rule(VULNERABILITY, disclosure.proposeEmbargo, [Id, Seconds]),
  acceptEmbargo: rule(VULNERABILITY, disclosure.acceptEmbargo, [Id]),
  rejectEmbargo: rule(VULNERABILITY, disclosure.rejectEmbargo, [Id]),
  leaveEmbargo: rule(VULNERABILITY, disclosure.leaveEmbargo, [Id, Id]),
  advance: rule(VULNERABILITY, disclosure.advance, [Id, one('V', 'F', 'D', 'P', 'X', 'A'), Id, NoZeroId], 3),
  disclose: rule(VULNERABILITY, disclosure.disclose, [Id, Disclosure]),
  close: rule(VULNERABILITY, disclosure.close, [Id, one('invalid', 'duplicate'), Id]),
  reopen: rule(VULNERABILITY, disclosure.reopen, [Id, Id]),
}
export type RuleName = keyof typeof RULES
/** What a rule takes beside the call. */
export type RuleArguments<N extends RuleName> =
  Parameters<(typeof RULES)[N]['of']> extends [Call, ...infer A] ? A : never

function ruleOf(name: string): Rule {
  if (Object.hasOwn(RULES, name)) return RULES[name as RuleName]
  throw new Refusal('Invalid', 0, { what: 'rule', is: name.slice(0, 80) })
}

/**
 * Runs a rule by its name, on arguments from outside.
 *
 * @throws Refusal `Invalid` where there is no such rule, or the arguments are not what it takes; `WrongChain` where the chain has not got it
 */
export const invokeRule = async (call: Call, name: string, args: unknown): Promise<unknown> =>
  ruleOf(name).run(call, args)

/** What {@link invokeRule} looks at first: for whoever brings the arguments to a contract. Throws Refusal `Invalid`. */
export const checkArguments = (name: string, args: unknown): void => ruleOf(name).check(args)
