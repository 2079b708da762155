// What is played to CertificateRegistry and to the rules: who is there, and calls that are right, or wrong in one thing.
import {
  accredit,
  approve,
  attest,
  authorise,
  type Call,
  type CertificateInput,
  certifyProfile,
  changeAccreditation,
  clearNotification,
  closeReview,
  declare,
  delegateHigh,
  extendSuspension,
  type Fact,
  type Genesis,
  importLegacy,
  issue,
  type LegacyInput,
  type Level,
  lift,
  maintain,
  type Memory,
  notifyBody,
  notifyComponent,
  openReview,
  type PartyKind,
  registerParty,
  revokeDelegation,
  type ReviewEnd,
  suspend,
  withdraw,
} from '@entente/rules'
import fc from 'fast-check'
import { type Hex, stringToHex } from 'viem'
import { id, key, LEVELS, often, START, type Step as Played, toMask, toStruct, toTerms } from './evm.ts'

const DAY = 86_400
const YEAR = 365 * DAY
const ZERO = id(0)
export const INBOX = key(0x1b)
export const [NCCA, NAB, CAB, HIGH_CAB, ITSEF, OWN_BODY, PUBLIC_BODY, MAKER, HOLDER, OTHER_MAKER] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
]
const party = (n: number, kind: PartyKind) => ({ id: id(n), kind, country: 'FR', key: key(n), act: id(0xac) })
export const GENESIS: Genesis = {
  chain: { kind: 'certification', country: 'FR', inbox: INBOX },
  parties: [party(NCCA, 'ncca'), party(NAB, 'nab')],
}
/** EUCC as it might be, one for public bodies alone, and one under which nothing is issued any more. */
export const [UNION, PUBLIC, ENDED] = [id(0x71), id(0x72), id(0x73)]
const [CATEGORY, COMPONENT] = [id(0xc1), id(0xc0)]
export const [VERSION, OTHER, BARE] = [id(0xb1), id(0xb2), id(0xb3)]
const terms = {
  document: id(0xd0),
  scope: id(0x51),
  adopted: START,
  levels: LEVELS,
  maxValidity: YEAR,
  allowsDeclaration: true,
  isPublicOnly: false,
  authorisedLevels: [],
  van: { substantial: 2, high: 5 },
  maxSuspension: 42 * DAY,
  maxSuspended: 60 * DAY,
  maxAccreditation: 5 * YEAR,
  allowsProfiles: true,
}
const SCHEMES = {
  [UNION]: terms,
  [PUBLIC]: { ...terms, scope: id(0x52), isPublicOnly: true, allowsProfiles: false, allowsDeclaration: false },
  [ENDED]: { ...terms, scope: id(0x53), endsAt: START + 1 },
}

export type On = 'parties' | 'schemes' | 'bodies' | 'mirror' | 'certificates'
type Step = Played & { on: On }
const step = (on: On, name: string, args: readonly unknown[], rule: Played['rule']): Step => ({ on, name, args, rule })

const register = (n: number, kind: PartyKind) =>
  step('parties', 'registerParty', [toStruct(party(n, kind))], call => registerParty(call, party(n, kind)))
const scope = { schemes: [UNION, PUBLIC, ENDED], categories: [CATEGORY], until: START + 4 * YEAR }
const accrediting = (n: number) => step('bodies', 'accredit', [id(n), scope], call => accredit(call, id(n), scope))
const authorising = (n: number, van: number) =>
  step('bodies', 'authorise', [id(n), scope, van], call => authorise(call, id(n), { ...scope, van }))
const notifying = (n: number) =>
  step('bodies', 'notifyBody', [id(n), n, false], call => notifyBody(call, id(n), String(n).padStart(4, '0'), false))
const attestingScheme = (at: Hex, own: (typeof SCHEMES)[Hex]) => {
  const fact: Fact = { kind: 'scheme', id: at, value: { ...(own as typeof terms), version: 1 } }
  return step('schemes', 'attestScheme', [at, 1, toTerms(own as typeof terms)], call => attest(call, fact))
}
const attestingVersion = (at: Hex, manufacturer: Hex, hasSupport: boolean) => {
  const value = { artifact: id(0xa1), manufacturer, firmware: id(0xf1), sbom: id(0xf2), mud: ZERO, hasSupport }
  const fact: Fact = { kind: 'version', id: at, value: { ...value, fixes: [] } }
  const args = [at, { ...value, patches: ZERO, fixes: [] }]
  return step('mirror', 'attestVersion', args, call => attest(call, fact))
}
/** What every run begins with: everybody is there, and may do what they are for. */
export const BEGIN: [by: number, Step][] = [
  [NAB, register(CAB, 'cab')],
  [NAB, register(HIGH_CAB, 'cab')],
  [NAB, register(ITSEF, 'itsef')],
  [NAB, register(PUBLIC_BODY, 'publicBody')],
  [NCCA, register(OWN_BODY, 'certificationBody')],
  [NCCA, register(MAKER, 'manufacturer')],
  [NCCA, register(OTHER_MAKER, 'manufacturer')],
  [NCCA, register(HOLDER, 'holder')],
  ...Object.entries(SCHEMES).map(([at, own]): [number, Step] => [NCCA, attestingScheme(at as Hex, own)]),
  ...[CAB, HIGH_CAB, ITSEF, OWN_BODY, PUBLIC_BODY].map((n): [number, Step] => [NAB, accrediting(n)]),
  [NCCA, authorising(HIGH_CAB, 4)],
  [NCCA, authorising(ITSEF, 4)],
  ...[CAB, HIGH_CAB, PUBLIC_BODY].map((n): [number, Step] => [NCCA, notifying(n)]),
  [NCCA, attestingVersion(VERSION, id(MAKER), true)],
  [NCCA, attestingVersion(OTHER, id(MAKER), true)],
  [NCCA, attestingVersion(BARE, id(MAKER), false)],
]

const toNew = ({ level, series, itsef, ...rest }: CertificateInput) => ({
  ...rest,
  level: toMask([level]),
  series: series ?? ZERO,
  itsef: itsef ?? ZERO,
})
const toLegacy = ({ level, until, ...rest }: LegacyInput) => ({
  ...rest,
  level: level === undefined ? 0 : toMask([level]),
  until: until ?? 0,
})

const certificates = fc.constantFrom(id(0xe1), id(0xe2), id(0xe2), id(0xe3))
const unused = fc.constantFrom(...[0xe3, 0xe4, 0xe5, 0xe6, 0xe3, 0xe4, 0xe1, 0].map(id))
const documents = fc.constantFrom(id(0xd1), id(0xd2), id(0xd3))
const reasons = often(id(0xac), ZERO)
const vulnerabilities = often(id(0x91), id(0x92), id(0x93), ZERO)

/** Right, or wrong in one thing. */
const nearly = <T extends object>(
  right: { [K in keyof T]: T[K][] },
  wrong: { [K in keyof T]?: T[K][] },
): fc.Arbitrary<T> => {
  const values = fc.record(
    Object.fromEntries(Object.entries<unknown[]>(right).map(([name, list]) => [name, fc.constantFrom(...list)])),
  ) as unknown as fc.Arbitrary<T>
  const flaws = Object.entries(wrong as Record<string, unknown[]>).flatMap(([name, list]) =>
    list.map(value => ({ [name]: value })),
  )
  return fc
    .tuple(values, fc.nat(2), fc.constantFrom(...flaws))
    .map(([value, n, flaw]) => (n === 0 ? { ...value, ...flaw } : value))
}
type Shape = Omit<CertificateInput, 'since' | 'until' | 'due'> & { since: number; length: number; due: number[] }
const RIGHT: { [K in keyof Shape]-?: Shape[K][] } = {
  scheme: [UNION, UNION, UNION, PUBLIC],
  level: ['basic', 'substantial', 'substantial', 'high', 'high'],
  holder: [id(HOLDER), id(MAKER)],
  versions: [[VERSION], [OTHER], [VERSION, OTHER]],
  series: [undefined, id(0x5e)],
  components: [[COMPONENT], [COMPONENT, id(0xc5)]],
  categories: [[CATEGORY], []],
  document: [id(0xd1), id(0xd2), id(0xd3)],
  report: [id(0xd9)],
  itsef: [id(ITSEF)],
  van: [0],
  since: [0, -DAY],
  length: [YEAR, YEAR / 2, DAY],
  due: [[], [DAY]],
}
const WRONG: Partial<typeof RIGHT> = {
  scheme: [ENDED, id(0x79)],
  holder: [id(CAB), id(0x99)],
  versions: [[BARE], [OTHER, OTHER], [id(0xb9)]],
  categories: [[id(0xc2)]],
  document: [ZERO],
  report: [ZERO],
  itsef: [undefined, id(CAB), id(0x99)],
  van: [2, 3, 5],
  since: [DAY],
  length: [2 * YEAR, 2 * YEAR, 2 * YEAR, 0],
  due: [[0], [DAY, 3 * YEAR]],
}
const inputs = nearly<Shape>(RIGHT as never, { ...WRONG, versions: [...(WRONG.versions ?? []), []] } as never)
const profiles = nearly<Shape>(
  { ...RIGHT, versions: [[]], series: [undefined] } as never,
  { ...WRONG, versions: [[VERSION]], series: [id(0x5e)] } as never,
)
const inputAt = ({ since, length, due, ...rest }: Shape, { now }: Pick<Moment, 'now'>): CertificateInput => ({
  ...rest,
  since: now + since,
  until: now + since + length,
  due: due.map(at => now + since + at),
})

/** When a call is played, and what there is then. */
export type Moment = { now: number; memory: Memory }
export type Timed = { at(moment: Moment): Step; by(moment: Moment): Hex }

const issuers = fc.constantFrom(
  ...[CAB, CAB, HIGH_CAB, HIGH_CAB, OWN_BODY, OWN_BODY, OWN_BODY, PUBLIC_BODY, MAKER, NCCA, 0x97].map(key),
)
const by = (callers: fc.Arbitrary<Hex>, at: Timed['at']): fc.Arbitrary<Timed> =>
  callers.map(caller => ({ at, by: () => caller }))
/** Mostly by the body that has issued it. */
const byIssuer = (certificate: Hex, at: Timed['at']): fc.Arbitrary<Timed> =>
  fc.tuple(often(true, false), issuers).map(([isRight, other]) => ({
    at,
    by: ({ memory }) => {
      const issuer = memory.get('certificate', certificate)?.issuer
      return isRight && issuer !== undefined ? key(Number(issuer)) : other
    },
  }))
const on = (name: string, args: readonly unknown[], rule: Played['rule']) => () =>
  step('certificates', name, args, rule)

/** Mostly of the scope of what there is, and no longer. */
const inputLike = (at: Hex, shape: Shape, isLike: boolean, moment: Moment): CertificateInput => {
  const input = inputAt(shape, moment)
  const before = moment.memory.get('certificate', at)
  if (!isLike || before?.level === undefined || before.until === undefined) return input
  return { ...input, scheme: before.scheme, level: before.level, until: before.until, due: [] }
}

const issuing = (name: 'issue' | 'certifyProfile', shapes: fc.Arbitrary<Shape>) =>
  fc.tuple(unused, shapes).chain(([at, shape]) =>
    by(issuers, moment => {
      const input = inputAt(shape, moment)
      const run = name === 'issue' ? issue : certifyProfile
      return step('certificates', name, [at, toNew(input)], call => run(call, at, input))
    }),
  )
const maintaining = fc.tuple(certificates, unused, inputs, often(true, false)).chain(([at, newId, shape, isLike]) =>
  byIssuer(at, moment => {
    const input = inputLike(at, shape, isLike, moment)
    return step('certificates', 'maintain', [at, newId, toNew(input)], call => maintain(call, at, newId, input))
  }),
)
const opening = (at: Hex) =>
  byIssuer(
    at,
    on('openReview', [at], call => openReview(call, at)),
  )
const ENDS = ['confirm', 'withdraw', 'replace', 'replace'] as const
const closing = (at: Hex) =>
  fc
    .tuple(reasons, unused, inputs, often(true, false), fc.boolean(), fc.constantFrom(...ENDS))
    .chain(([reason, newId, shape, isLike, sameScope, how]) =>
      byIssuer(at, moment => {
        const certificate = inputLike(at, shape, isLike, moment)
        const ends: Record<typeof how, [ReviewEnd, ...unknown[]]> = {
          confirm: [{ do: 'confirm' }, at],
          withdraw: [{ do: 'withdraw', reason }, at, reason],
          replace: [
            { do: 'replace', reason, id: newId, certificate, sameScope },
            at,
            reason,
            newId,
            toNew(certificate),
            sameScope,
          ],
        }
        const [end, ...args] = ends[how]
        return step('certificates', `${how}Review`, args, call => closeReview(call, at, end))
      }),
    )
const suspending = (at: Hex) =>
  fc
    .tuple(often(42 * DAY, 20 * DAY, 43 * DAY, 0), reasons, reasons)
    .chain(([length, reason, actions]) =>
      byIssuer(at, ({ now }) =>
        step('certificates', 'suspend', [at, now + length, reason, actions], call =>
          suspend(call, at, now + length, reason, actions),
        ),
      ),
    )
const lifting = (at: Hex) =>
  byIssuer(
    at,
    on('lift', [at], call => lift(call, at)),
  )
const extending = (at: Hex) =>
  fc
    .tuple(often(50 * DAY, 45 * DAY, 70 * DAY, 0), reasons)
    .chain(([length, reason]) =>
      by(often(key(NCCA), key(CAB)), ({ now }) =>
        step('certificates', 'extendSuspension', [at, now + length, reason], call =>
          extendSuspension(call, at, now + length, reason),
        ),
      ),
    )
const telling = (at: Hex) =>
  fc.tuple(often(COMPONENT, id(0xc9)), vulnerabilities).chain(([component, of]) =>
    by(
      often(key(NCCA), INBOX, INBOX, INBOX, key(CAB)),
      on('notifyComponent', [at, component, of], call => notifyComponent(call, at, component, of)),
    ),
  )
const clearing = (at: Hex) =>
  vulnerabilities.chain(of =>
    byIssuer(
      at,
      on('clearNotification', [at, of], call => clearNotification(call, at, of)),
    ),
  )
const withdrawing = fc.tuple(certificates, reasons).chain(([at, reason]) =>
  byIssuer(
    at,
    on('withdraw', [at, reason], call => withdraw(call, at, reason)),
  ),
)
const importing = fc
  .record({
    at: unused,
    scheme: often(UNION, PUBLIC, ENDED, id(0x79)),
    level: often<Level | undefined>(undefined, 'high', 'basic'),
    issuer: often(id(CAB), id(0x98)),
    holder: often(id(HOLDER), id(MAKER), id(NAB)),
    document: often(id(0xd7), ZERO),
    since: often(-2 * YEAR, -DAY, DAY),
    length: often<number | undefined>(3 * YEAR, YEAR, undefined, undefined, 0),
  })
  .chain(({ at, since, length, ...rest }) =>
    by(often(key(NCCA), key(NAB)), ({ now }) => {
      const until = length === undefined ? undefined : now + since + length
      const legacy: LegacyInput = { ...rest, components: [COMPONENT], since: now + since, until }
      return step('certificates', 'importLegacy', [at, toLegacy(legacy)], call => importLegacy(call, at, legacy))
    }),
  )
const declaring = fc
  .record({
    at: unused,
    scheme: often(UNION, PUBLIC, ENDED, id(0x79)),
    versions: often([VERSION], [VERSION, OTHER], [], [BARE], [id(0xb9)]),
    document: often(id(0xd8), ZERO),
    report: often(id(0xd9), ZERO),
    since: often(0, DAY),
    length: often(YEAR, 2 * YEAR, 0),
  })
  .chain(({ at, since, length, ...rest }) =>
    by(often(key(MAKER), key(OTHER_MAKER), key(HOLDER)), ({ now }) => {
      const declaration = { ...rest, since: now + since, until: now + since + length }
      return step('certificates', 'declare', [at, declaration], call => declare(call, at, declaration))
    }),
  )
/** What they may changes. */
const approving = fc
  .tuple(often(CAB, HIGH_CAB, PUBLIC_BODY), documents, fc.boolean())
  .chain(([body, document, mayBeLonger]) =>
    by(often(key(NCCA), key(CAB)), () => {
      const until = START + 3 * YEAR
      const approval = { commitment: document, until, mayBeLonger }
      const rule = (call: Call) => approve(call, id(body), approval)
      return step('bodies', 'approve', [id(body), document, until, mayBeLonger], rule)
    }),
  )
const delegating = fc
  .constantFrom(true, true, false)
  .chain(isOn =>
    by(often(key(NCCA), key(CAB)), ({ now }) =>
      isOn
        ? step('bodies', 'delegateHigh', [id(HIGH_CAB), now + YEAR], call =>
            delegateHigh(call, id(HIGH_CAB), now + YEAR),
          )
        : step('bodies', 'revokeDelegation', [id(HIGH_CAB)], call => revokeDelegation(call, id(HIGH_CAB))),
    ),
  )
const restricting = fc
  .tuple(fc.constantFrom(CAB, ITSEF), fc.constantFrom('suspend' as const, 'resume' as const, 'resume' as const))
  .chain(([body, what]) =>
    by(often(key(NAB), key(NCCA)), () => {
      const nothing = { schemes: [], categories: [], until: 0 }
      const args = [id(body), what === 'suspend' ? 1 : 2, nothing, id(0xac)]
      const rule = (call: Call) => changeAccreditation(call, id(body), { do: what }, id(0xac))
      return step('bodies', 'changeAccreditation', args, rule)
    }),
  )
const attestors = often(key(NCCA), INBOX, INBOX, key(NAB))
const recognising = fc.tuple(fc.constantFrom('NO', 'JP'), often(UNION, PUBLIC)).chain(([country, scheme]) =>
  by(attestors, ({ now }) => {
    const value = { agreement: id(0xa9), levels: LEVELS, since: now, until: now + YEAR, isEea: country === 'NO' }
    const fact: Fact = { kind: 'recognition', country, scheme, value }
    const args = [stringToHex(country), scheme, { ...value, levels: toMask(LEVELS) }]
    return step('mirror', 'attestRecognition', args, call => attest(call, fact))
  }),
)
const mirroring = often(VERSION, BARE).chain(at => by(attestors, () => attestingVersion(at, id(MAKER), at !== BARE)))

const alone = (arbitrary: fc.Arbitrary<Timed>) => arbitrary.map(one => [one])
/** Of one certificate, one after the other. */
const together = (...parts: ((at: Hex) => fc.Arbitrary<Timed>)[]) =>
  certificates.chain(at => fc.tuple(...parts.map(part => part(at))))
const stories: fc.Arbitrary<Timed[]> = fc.oneof(
  { weight: 6, arbitrary: alone(issuing('issue', inputs)) },
  { weight: 4, arbitrary: alone(issuing('certifyProfile', profiles)) },
  { weight: 3, arbitrary: alone(maintaining) },
  { weight: 2, arbitrary: alone(declaring) },
  { weight: 2, arbitrary: alone(importing) },
  { weight: 1, arbitrary: alone(withdrawing) },
  { weight: 5, arbitrary: together(opening, closing) },
  { weight: 2, arbitrary: together(suspending, lifting) },
  { weight: 3, arbitrary: together(suspending, extending) },
  { weight: 1, arbitrary: together(closing, lifting) },
  { weight: 2, arbitrary: together(telling, clearing) },
  { weight: 1, arbitrary: together(telling) },
  { weight: 3, arbitrary: alone(approving) },
  { weight: 1, arbitrary: alone(fc.oneof(delegating, restricting)) },
  { weight: 1, arbitrary: alone(fc.oneof(recognising, mirroring)) },
)
/** Nothing can be done about certificates while there are none. */
const first = (at: Hex, issuer: number, level: Level) =>
  inputs.chain(shape =>
    by(fc.constant(key(issuer)), moment => {
      const input = inputAt({ ...shape, scheme: UNION, level, length: YEAR, van: 0 }, moment)
      return step('certificates', 'issue', [at, toNew(input)], call => issue(call, at, input))
    }),
  )
export const calls: fc.Arbitrary<(Timed & { pause: number })[]> = fc
  .tuple(
    first(id(0xe1), CAB, 'substantial'),
    first(id(0xe2), OWN_BODY, 'high'),
    fc.array(stories, { minLength: 28, maxLength: 36 }),
    fc.array(fc.constantFrom(...Array<number>(40).fill(60), 30 * DAY, 200 * DAY), { minLength: 80, maxLength: 80 }),
  )
  .map(([one, other, more, pauses]) =>
    [one, other, ...more.flat()].map((call, i) => ({ ...call, pause: pauses[i] ?? 60 })),
  )
