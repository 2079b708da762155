import type { Certificate, DisclosurePolicy, Entities, Id, Kind, Seconds } from '@entente/rules'
import { certificateState, isEmbargoed, POLICY } from '@entente/rules'
import type { RuleChain, RuleEvent } from '#ledger/rule-chain.ts'

/** Every clock that runs on a chain: what ends or falls due by itself, or what somebody has to have done by then. */

/** Kinds of clocks, by the kinds of chains that have them. */
export const CLOCKS = {
  eu: ['scheme ends', 'recognition ends', 'proposal ends'],
  artifact: ['support ends'],
  certification: [
    'suspension ends',
    'certificate ends',
    'monitoring is due',
    'accreditation ends',
    'authorisation ends',
    'delegation ends',
    'approval ends',
    'scheme ends',
  ],
  vulnerability: [
    'embargo ends',
    'embargo must be accepted',
    'early warning (CRA 14(2)(a))',
    'notification (CRA 14(2)(b))',
    'final report (CRA 14(2)(c))',
  ],
} as const

export type Clock = {
  /** Such as `FR/certification`. */
  chain: string
  what: (typeof CLOCKS)[keyof typeof CLOCKS][number]
  subject: string
  /** Who has to do something, or whose it is. */
  party: Id | undefined
  at: Seconds
  isOverdue: boolean
}

const HOUR = 3600
const DAY = 24 * HOUR
/** Regulation (EU) 2024/2847 Article 14(2): from when an exploit or attacks are known; the final report from when there is a fix. */
export const CRA = { warning: 24 * HOUR, notification: 72 * HOUR, report: 14 * DAY }
/** What was to be done stays in the list as long as this, where nothing says that it was. */
const OVERDUE = 30 * DAY
/** Entities that are read at a time. */
const AT_ONCE = 16

type Found = Omit<Clock, 'chain' | 'isOverdue'>

/**
 * The clocks of a chain, the next one first.
 *
 * @param name of the chain, such as `FR/certification`
 * @throws LedgerError
 */
export async function readClocks(name: string, chain: RuleChain, now: Seconds): Promise<Clock[]> {
  const events = await chain.history()
  const read = async <K extends Kind>(kind: K, id: string): Promise<Entities[K] | undefined> =>
    (await chain.get(kind, id)).value
  const tasks = [
    ...distinct(events, ['BodyAccredited']).map(id => () => grantClocks(read, id)),
    ...distinct(events, ['CertificateApproved']).map(id => () => approvalClocks(read, events, id)),
    ...distinct(events, ['CertificateIssued', 'CertificateImported', 'ConformityDeclared']).map(
      id => async () => certificateClocks(id, await read('certificate', id), now),
    ),
    ...distinct(events, ['SupportSet']).map(id => async () => {
      const artifact = await read('artifact', id)
      return artifact?.support ? [clock('support ends', id, artifact.support.until, artifact.manufacturer)] : []
    }),
    ...distinct(events, ['SchemeAdopted']).map(id => async () => {
      const endsAt = (await read('scheme', id))?.endsAt
      return endsAt === undefined ? [] : [clock('scheme ends', id, endsAt)]
    }),
    ...events
      .filter(event => event.name === 'CountryRecognised')
      .map(({ subject, status }) => async () => {
        const found = await read('recognition', `${status}@${subject}`)
        return found ? [clock('recognition ends', `${status} under ${subject}`, found.until)] : []
      }),
    ...distinct(events, ['ChangeProposed']).map(id => async () => {
      const found = await read('proposal', id)
      return found && !found.isDone ? [clock('proposal ends', `proposal ${id}`, found.until, found.by)] : []
    }),
    ...distinct(events, ['VulnerabilityAnnounced']).map(id => async () => {
      const [found, policy] = [await read('case', id), await read('disclosurePolicy', POLICY)]
      const about = events.filter(event => event.subject === id)
      return found && policy ? caseClocks(id, found, policy, about, now) : []
    }),
  ]
  const clocks: Found[] = []
  for (let i = 0; i < tasks.length; i += AT_ONCE)
    clocks.push(...(await Promise.all(tasks.slice(i, i + AT_ONCE).map(run => run()))).flat())
  const all = clocks.map(one => ({ chain: name, ...one, isOverdue: false }))
  return clocksAt(all, now).sort((a, b) => a.at - b.at)
}

/** Clocks as they stand at a time after they were read: what ends by itself has gone. */
export const clocksAt = (clocks: readonly Clock[], now: Seconds): Clock[] =>
  clocks
    .map(one => ({ ...one, isOverdue: one.at <= now }))
    .filter(one => !one.isOverdue || (MUST.has(one.what) && now - one.at < OVERDUE))

/** What somebody has to do; all others end by themselves. */
const MUST: ReadonlySet<Clock['what']> = new Set([
  'monitoring is due',
  'early warning (CRA 14(2)(a))',
  'notification (CRA 14(2)(b))',
  'final report (CRA 14(2)(c))',
])

const clock = (what: Clock['what'], subject: string, at: Seconds, party?: Id): Found => ({ what, subject, at, party })

const distinct = (events: readonly RuleEvent[], names: readonly string[]): string[] => [
  ...new Set(events.filter(event => names.includes(event.name)).map(event => event.subject)),
]

type Read = <K extends Kind>(kind: K, id: string) => Promise<Entities[K] | undefined>

async function grantClocks(read: Read, body: Id): Promise<Found[]> {
  const accreditation = await read('accreditation', body)
  const authorisation = await read('authorisation', body)
  const delegation = await read('delegation', body)
  return [
    ...(accreditation && accreditation.standing !== 'ended'
      ? [clock('accreditation ends', body, accreditation.until, body)]
      : []),
    ...(authorisation && authorisation.standing !== 'ended'
      ? [clock('authorisation ends', body, authorisation.until, body)]
      : []),
    ...(delegation?.isLive ? [clock('delegation ends', body, delegation.until, body)] : []),
  ]
}

/** An approval is of one body, which is among those that were accredited. */
async function approvalClocks(read: Read, events: readonly RuleEvent[], commitment: string): Promise<Found[]> {
  const bodies = distinct(events, ['BodyAccredited'])
  const found = await Promise.all(bodies.map(body => read('approval', `${commitment}@${body}`)))
  return found.flatMap(one => (one && !one.isUsed ? [clock('approval ends', commitment, one.until, one.body)] : []))
}

function certificateClocks(id: Id, certificate: Certificate | undefined, now: Seconds): Found[] {
  if (certificate === undefined) return []
  const { until, suspendedUntil, due, issuer, holder } = certificate
  const state = certificateState(certificate, now)
  if (state === 'withdrawn' || state === 'expired' || until === undefined) return []
  return [
    clock('certificate ends', id, until, holder),
    ...(state === 'suspended' ? [clock('suspension ends', id, suspendedUntil, issuer)] : []),
    ...due.map(at => clock('monitoring is due', id, at, issuer)),
  ]
}

function caseClocks(
  id: Id,
  found: Entities['case'],
  policy: DisclosurePolicy,
  events: readonly RuleEvent[],
  now: Seconds,
): Found[] {
  const clocks: Found[] = []
  const { embargo, end, proposedAt, coordinator, disclosed, closed } = found
  if (disclosed === undefined && closed === undefined && isEmbargoed(found, policy, now))
    clocks.push(
      embargo === 'proposed'
        ? clock('embargo must be accepted', id, proposedAt + policy.acceptWithin, coordinator)
        : clock('embargo ends', id, end, coordinator),
    )
  const isBit =
    (...bits: string[]) =>
    (event: RuleEvent) =>
      event.name === 'CaseAdvanced' && bits.includes(event.status ?? '')
  const exploited = events.find(isBit('X', 'A'))
  if (exploited === undefined || closed !== undefined) return clocks
  clocks.push(clock('early warning (CRA 14(2)(a))', id, exploited.time + CRA.warning))
  clocks.push(clock('notification (CRA 14(2)(b))', id, exploited.time + CRA.notification))
  for (const fix of events.filter(isBit('F')))
    clocks.push(clock('final report (CRA 14(2)(c))', id, Math.max(fix.time, exploited.time) + CRA.report, fix.by))
  return clocks
}
