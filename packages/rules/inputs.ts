import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import * as accreditation from './accreditation.ts'
import * as artifact from './artifact.ts'
import type { Call } from './call.ts'
import * as certificate from './certificate.ts'
import { propose, vote } from './consortium.ts'
import * as disclosure from './disclosure.ts'
import { LABELS, LEVELS, PARTY_KINDS } from './entities.ts'
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
const Key = Type.String({ minLength: 1, maxLength: 4500, description: 'an address, or an identity of Fabric' })
const Country = Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' })
const Seconds = Type.Integer({ minimum: 0, maximum: 253_402_300_799, description: 'whole seconds since 1970' })
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
const terms = {
  document: Id,
  scope: Id,
  adopted: Seconds,
  endsAt: optional(Seconds),
  levels: list(Level),
  maxValidity: Length,
  allowsDeclaration: Type.Boolean(),
  isPublicOnly: Type.Boolean(),
  authorisedLevels: list(Level),
  van: object({ basic: Type.Optional(Van), substantial: Type.Optional(Van), high: Type.Optional(Van) }),
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
const Version = object({ firmware: Id, sbom: Id, mud: Id, patches: optional(Id), fixes: optional(list(Id)) })
const Support = object({ guidance: Id, until: Seconds, contact: Id, repository: Id })
const Certificate = object({
  scheme: Id,
  level: Level,
  holder: Id,
  versions: list(Id),
  series: optional(Id),
  components: list(Id),
  categories: list(Id),
  document: Id,
  report: Id,
  itsef: optional(Id),
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
  until: optional(Seconds),
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
  chain: object({ kind: one('eu', 'artifact', 'certification', 'vulnerability'), country: Country }),
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
    value: object({ ...terms, version: Count, owner: Country, mapping: Mapping }),
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
      patches: optional(Id),
      fixes: list(Id),
      hasSupport: Type.Boolean(),
    }),
  }),
  object({
    kind: Type.Literal('case'),
    id: Id,
    value: object({ provider: Id, coordinator: Id, disclosed: optional(Seconds) }),
  }),
])

type Values<S extends readonly TSchema[]> = { [K in keyof S]: Static<S[K]> }

type Rule<F = unknown> = {
  parameters: TSchema
  run(call: Call, args: unknown): Promise<unknown>
  /** The function that it runs: for the types of its arguments. */
  readonly of: F
}

/**
 * @param parameters of the rule, in its order: the compiler holds what they let through against what the rule takes
 * @param least how many of them it is called with at least
 */
function rule<const S extends readonly TSchema[], F extends (call: Call, ...args: Values<S>) => Promise<unknown>>(
  run: F,
  parameters: S,
  least: number = parameters.length,
): Rule<F> {
  const tuples = Array.from({ length: parameters.length - least + 1 }, (_, i) =>
    Compile(Type.Tuple(parameters.slice(0, least + i) as TSchema[])),
  )
  return {
    of: run,
    parameters: Type.Tuple([...parameters]),
    run: (call, args) => {
      const fits = tuples.find((_, i) => Array.isArray(args) && args.length === least + i)
      const first = fits ? fits.Errors(args)[0] : undefined
      if (!fits) throw new Refusal('Invalid', 0, { what: `${least} to ${parameters.length} arguments` })
      if (first || !fits.Check(args))
        throw new Refusal('Invalid', 0, { at: first?.instancePath ?? '', what: first?.message ?? '' })
      return run(call, ...(args as unknown as Values<S>))
    },
  }
}

/** Every rule by its name, with what it takes. */
export const RULES = {
  found: rule(found, [Genesis]),
  attest: rule(attest, [Fact]),
  addKey: rule(addKey, [Key]),
  revokeKey: rule(revokeKey, [Key]),
  replaceKey: rule(replaceKey, [Key, Key, Id]),
  propose: rule(propose, [Change]),
  vote: rule(vote, [Proposal]),
  adoptScheme: rule(adoptScheme, [Id, Terms]),
  registerNationalScheme: rule(registerNationalScheme, [Id, Terms, Mapping]),
  recogniseCountry: rule(recogniseCountry, [Country, Id, Recognition]),
  accredit: rule(accreditation.accredit, [Id, object(scope)]),
  changeAccreditation: rule(accreditation.changeAccreditation, [Id, Restriction, Id]),
  authorise: rule(accreditation.authorise, [Id, object({ ...scope, van: Van })]),
  changeAuthorisation: rule(accreditation.changeAuthorisation, [Id, Restriction, Id]),
  notifyBody: rule(accreditation.notifyBody, [Id, Type.String({ maxLength: 6 }), Type.Boolean()]),
  delegateHigh: rule(accreditation.delegateHigh, [Id, Seconds]),
  revokeDelegation: rule(accreditation.revokeDelegation, [Id]),
  approve: rule(accreditation.approve, [Id, object({ commitment: Id, until: Seconds, mayBeLonger: Type.Boolean() })]),
  registerParty: rule(artifact.registerParty, [NewParty]),
  registerArtifact: rule(artifact.registerArtifact, [Id, Id]),
  registerVersion: rule(artifact.registerVersion, [Id, Id, Version]),
  setSupport: rule(artifact.setSupport, [Id, Support]),
  label: rule(artifact.label, [Id, Id, one(...LABELS), Id], 3),
  importLegacy: rule(certificate.importLegacy, [Id, Legacy]),
  issue: rule(certificate.issue, [Id, Certificate]),
  certifyProfile: rule(certificate.certifyProfile, [Id, Certificate]),
  declare: rule(certificate.declare, [Id, Declaration]),
  openReview: rule(certificate.openReview, [Id]),
  closeReview: rule(certificate.closeReview, [Id, ReviewEnd]),
  maintain: rule(certificate.maintain, [Id, Id, Certificate]),
  suspend: rule(certificate.suspend, [Id, Seconds, Id, Id]),
  lift: rule(certificate.lift, [Id]),
  extendSuspension: rule(certificate.extendSuspension, [Id, Seconds, Id]),
  withdraw: rule(certificate.withdraw, [Id, Id]),
  notifyComponent: rule(certificate.notifyComponent, [Id, Id, Id]),
  clearNotification: rule(certificate.clearNotification, [Id, Id]),
  announce: rule(disclosure.announce, [Id, Announcement]),
  invite: rule(disclosure.invite, [Id, Id]),
  proposeEmbargo: rule(disclosure.proposeEmbargo, [Id, Seconds]),
  acceptEmbargo: rule(disclosure.acceptEmbargo, [Id]),
  rejectEmbargo: rule(disclosure.rejectEmbargo, [Id]),
  leaveEmbargo: rule(disclosure.leaveEmbargo, [Id, Id]),
  advance: rule(disclosure.advance, [Id, one('V', 'F', 'D', 'P', 'X', 'A'), Id, Id], 3),
  disclose: rule(disclosure.disclose, [Id, Disclosure]),
  close: rule(disclosure.close, [Id, one('invalid', 'duplicate'), Id]),
  reopen: rule(disclosure.reopen, [Id, Id]),
}
export type RuleName = keyof typeof RULES
/** What a rule takes beside the call. */
export type RuleArguments<N extends RuleName> =
  Parameters<(typeof RULES)[N]['of']> extends [Call, ...infer A] ? A : never

/**
 * Runs a rule by its name, on arguments from outside.
 *
 * @throws Refusal `Invalid` where there is no such rule, or the arguments are not what it takes
 */
export async function invokeRule(call: Call, name: string, args: unknown): Promise<unknown> {
  const found: Rule | undefined = Object.hasOwn(RULES, name) ? RULES[name as RuleName] : undefined
  if (!found) throw new Refusal('Invalid', 0, { what: 'rule', is: name.slice(0, 80) })
  return found.run(call, args)
}
