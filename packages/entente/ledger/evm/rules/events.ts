// Events of contracts as the rules emit them.
import { type Event, type EventName, LABELS } from '@entente/rules'
import type { AbiEvent, Hex } from 'viem'
import { bytesToHex, decodeEventLog, encodeEventTopics, numberToHex, padHex, toEventSelector } from 'viem/utils'
import type { ChainEvent } from '../../chain.ts'
import { LedgerError } from '../../error.ts'
import { EVENTS } from './contracts.ts'
import { fromCountry, fromLevels, fromPartyKind, fromProvenance } from './values.ts'

type Values = Readonly<Record<string, unknown>>
type Read = (values: Values) => Omit<Event, 'name' | 'by'> & { name?: EventName; by: unknown }

const RESTRICTIONS = ['restrict', 'suspend', 'resume', 'end']
const REVIEW_ENDS = ['confirm', 'withdraw', 'replace']
const BITS = ['V', 'F', 'D', 'P', 'X', 'A']
const ENDINGS = ['open', 'invalid', 'duplicate']

const text = (value: unknown) => String(value)
const word = (list: readonly string[], value: unknown) => list[Number(value)] ?? 'none'
/** Digits of a NANDO number, as the rules have it. */
export const toNando = (number: unknown): string => text(number).padStart(4, '0')
const about =
  (name: string): Read =>
  values => ({ subject: text(values[name]), by: values['by'] })

const READERS: Readonly<Record<string, Read>> = {
  ChangeProposed: about('number'),
  ChangeConfirmed: about('number'),
  ChangeMade: about('number'),
  KeyAdded: ({ key, by }) => ({ subject: text(key).toLowerCase(), by }),
  KeyRevoked: ({ key, by }) => ({ subject: text(key).toLowerCase(), by }),
  SchemeAdopted: about('scheme'),
  NationalSchemeRegistered: ({ scheme, by }) => ({ name: 'SchemeAdopted', subject: text(scheme), by }),
  CountryRecognised: ({ scheme, country, by }) => ({ subject: text(scheme), by, status: fromCountry(country) }),
  BodyAccredited: about('body'),
  AccreditationChanged: ({ body, by, change }) => ({ subject: text(body), by, status: word(RESTRICTIONS, change) }),
  BodyAuthorised: about('body'),
  AuthorisationChanged: ({ body, by, change }) => ({ subject: text(body), by, status: word(RESTRICTIONS, change) }),
  BodyNotified: ({ body, by, number }) => ({ subject: text(body), by, status: toNando(number) }),
  HighDelegated: about('body'),
  DelegationRevoked: about('body'),
  CertificateApproved: about('commitment'),
  PartyRegistered: ({ party, registrar, kind, key }) => ({
    subject: text(party),
    by: registrar,
    about: text(key).toLowerCase(),
    status: fromPartyKind(kind) ?? 'none',
  }),
  ArtifactRegistered: ({ artifact, manufacturer }) => ({ subject: text(artifact), by: manufacturer }),
  VersionRegistered: ({ version, artifact, by }) => ({ subject: text(version), by, about: text(artifact) }),
  SupportSet: about('artifact'),
  VersionLabelled: ({ version, vulnerability, asserter, status }) => ({
    subject: text(version),
    by: asserter,
    about: text(vulnerability),
    status: word(['none', ...LABELS], status),
  }),
  CertificateImported: about('certificate'),
  CertificateIssued: ({ certificate, by, level }) => ({
    subject: text(certificate),
    by,
    ...(fromLevels(level)[0] === undefined ? {} : { status: fromLevels(level)[0] as string }),
  }),
  VersionCertified: ({ certificate, version, by }) => ({ subject: text(certificate), by, about: text(version) }),
  ConformityDeclared: about('certificate'),
  ReviewOpened: about('certificate'),
  ReviewClosed: ({ certificate, by, end }) => ({ subject: text(certificate), by, status: word(REVIEW_ENDS, end) }),
  CertificateMaintained: ({ certificate, by, successor }) => ({
    subject: text(certificate),
    by,
    about: text(successor),
  }),
  CertificateSuspended: ({ certificate, by, reason, until }) => ({
    subject: text(certificate),
    by,
    status: text(reason),
    until: Number(until),
  }),
  SuspensionLifted: about('certificate'),
  SuspensionExtended: ({ certificate, by, until }) => ({ subject: text(certificate), by, until: Number(until) }),
  CertificateWithdrawn: ({ certificate, by, reason }) => ({ subject: text(certificate), by, status: text(reason) }),
  ComponentNotified: ({ certificate, by, vulnerability }) => ({
    subject: text(certificate),
    by,
    status: text(vulnerability),
  }),
  NotificationCleared: ({ certificate, by, vulnerability }) => ({
    subject: text(certificate),
    by,
    status: text(vulnerability),
  }),
  VulnerabilityAnnounced: ({ id, by, artifact, isSealed }) => ({
    subject: text(id),
    by,
    ...(isSealed === true ? {} : { about: text(artifact) }),
  }),
  ParticipantInvited: ({ id, by, manufacturer }) => ({ subject: text(id), by, status: text(manufacturer) }),
  EmbargoProposed: about('id'),
  EmbargoAccepted: about('id'),
  EmbargoRejected: about('id'),
  EmbargoEnded: ({ id, by, reason }) => ({ subject: text(id), by, status: text(reason) }),
  CaseAdvanced: ({ id, by, bit }) => ({ subject: text(id), by, status: word(BITS, bit) }),
  VulnerabilityDisclosed: ({ id, by, content, artifact }) => ({
    subject: text(id),
    by,
    about: text(artifact),
    status: text(content),
  }),
  CaseClosed: ({ id, by, as_ }) => ({ subject: text(id), by, status: word(ENDINGS, as_) }),
  CaseReopened: about('id'),
  FactEntered: ({ subject, by, from }) => ({ subject: text(subject), by, status: fromProvenance(from) }),
}

/** Events of the rules in logs of the chain's contracts, in their order; what the rules do not tell is left out. Throws LedgerError `corrupt`. */
export function decodeEvents(logs: readonly ChainEvent[]): (Event & { readonly log: ChainEvent })[] {
  const found: (Event & { log: ChainEvent })[] = []
  for (const log of logs) {
    const { name, values } = decode(log)
    const read = READERS[name]?.(values)
    if (read !== undefined) found.push({ name: name as EventName, ...read, by: text(read.by), log })
  }
  return found
}

/** By first topic: the library would look for it among all of them, for each log. */
const BY_TOPIC = new Map<string | undefined, AbiEvent>(EVENTS.map(event => [toEventSelector(event), event]))

function decode(log: ChainEvent): { name: string; values: Values } {
  const event = BY_TOPIC.get(log.topics[0])
  try {
    const { eventName, args } = decodeEventLog({
      abi: event === undefined ? EVENTS : [event],
      topics: log.topics as [Hex],
      data: bytesToHex(log.data),
    })
    return { name: eventName, values: args as unknown as Values }
  } catch (cause) {
    throw new LedgerError('corrupt', `an event of ${log.contract} in ${log.transaction} can't be read`, { cause })
  }
}

/** First topics of the events whose second thing is in their data: all of them are read by whoever looks for it. */
export const UNINDEXED: readonly Hex[] = ['VulnerabilityAnnounced', 'VulnerabilityDisclosed'].flatMap(
  name => encodeEventTopics({ abi: EVENTS, eventName: name })[0] as Hex,
)

/** The word that stands for a subject among an event's topics: an id, an address, or the number of a proposal. */
export function subjectTopic(subject: string): Hex {
  if (/^[0-9]{1,15}$/.test(subject)) return numberToHex(BigInt(subject), { size: 32 })
  if (/^0x(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(subject)) return padHex(subject as Hex, { size: 32 })
  throw new LedgerError('invalid', `${subject.slice(0, 80)} is no id, address or number`)
}
