import {
  approvalId,
  type CertificateInput,
  type CertificateState,
  certificateState,
  type DeclarationInput,
  type Entities,
  type Fact,
  type Hash,
  type Id,
  type LegacyInput,
  type Restriction,
  type ReviewEnd,
  type Scheme,
  type SchemeInput,
  type Scope,
  type Seconds,
  versionId,
} from '@entente/rules'
import type { Reading, RuleChain } from '#ledger/rule-chain.ts'
import { type VerifiedDocument, verifyDocument } from '#product/commitment.ts'
import { type Action, actionOf, readTogether } from './action.ts'
import { createParties, type Parties } from './parties.ts'

/** A certificate, and what it is at a time: computed, by nobody. */
export type KnownCertificate = Entities['certificate'] & { id: Id; state: CertificateState }
/** What a body may do: each is undefined where there is none. */
export type Body = {
  party: Entities['party']
  accreditation: Entities['accreditation'] | undefined
  authorisation: Entities['authorisation'] | undefined
  notification: Entities['notification'] | undefined
  delegation: Entities['delegation'] | undefined
}

/** The certification chain of a state: rows 4 and 6 to 30. */
export interface CertificateRegistry extends Parties {
  registerScheme(id: Id, scheme: SchemeInput, mapping: Scheme['mapping']): Action
  accredit(body: Id, scope: Scope): Action
  changeAccreditation(body: Id, change: Restriction, reason: Hash): Action
  authorise(body: Id, scope: Scope & { van: number }): Action
  changeAuthorisation(body: Id, change: Restriction, reason: Hash): Action
  /** Under its NANDO number. */
  notify(body: Id, number: string, forHigh: boolean): Action
  delegateHigh(body: Id, until: Seconds): Action
  revokeDelegation(body: Id): Action
  approve(body: Id, approval: { commitment: Hash; until: Seconds; mayBeLonger: boolean }): Action
  /** A fact of another chain, on the NCCA's word. */
  attest(fact: Fact): Action

  issue(id: Id, certificate: CertificateInput): Action
  certifyProfile(id: Id, profile: CertificateInput): Action
  declare(id: Id, declaration: DeclarationInput): Action
  importLegacy(id: Id, legacy: LegacyInput): Action
  openReview(id: Id): Action
  closeReview(id: Id, end: ReviewEnd): Action
  maintain(id: Id, newId: Id, certificate: CertificateInput): Action
  suspend(id: Id, until: Seconds, reason: Hash, actions: Hash): Action
  lift(id: Id): Action
  extendSuspension(id: Id, until: Seconds, reason: Hash): Action
  withdraw(id: Id, reason: Hash): Action
  notifyComponent(id: Id, component: Id, vulnerability: Id): Action
  clearNotification(id: Id, vulnerability: Id): Action

  body(id: Id, block?: number): Promise<Reading<Body | undefined>>
  approval(commitment: Hash, body: Id, block?: number): Promise<Reading<Entities['approval'] | undefined>>
  scheme(id: Id, version?: number, block?: number): Promise<Reading<Entities['scheme'] | undefined>>
  /** @param now the time that its state is told for; the block's unless it is given, and a chain without new blocks does not say that time has passed */
  certificate(id: Id, now?: Seconds, block?: number): Promise<Reading<KnownCertificate | undefined>>
  /** Those that name exactly this version, in the order in which they were issued. */
  certificatesOf(version: Id, now?: Seconds, block?: number): Promise<Reading<KnownCertificate[]>>
  /** Its public part. Throws ProductError `commitment` where a document is not what the chain has. */
  document(id: Id, document: unknown): Promise<Reading<VerifiedDocument | undefined>>
}

/**
 * @example
 * const certificates = createCertificateRegistry(chain)
 * const { value, level } = await certificates.certificate(id)
 * value?.state // 'inForce'
 */
export function createCertificateRegistry(chain: RuleChain): CertificateRegistry {
  const stated = (id: Id, found: Entities['certificate'], now: Seconds): KnownCertificate => ({
    ...found,
    id,
    state: certificateState(found, now),
  })
  return {
    ...createParties(chain),
    registerScheme: (id, scheme, mapping) => actionOf(chain, 'registerNationalScheme', id, scheme, mapping),
    accredit: (body, scope) => actionOf(chain, 'accredit', body, scope),
    changeAccreditation: (body, change, reason) => actionOf(chain, 'changeAccreditation', body, change, reason),
    authorise: (body, scope) => actionOf(chain, 'authorise', body, scope),
    changeAuthorisation: (body, change, reason) => actionOf(chain, 'changeAuthorisation', body, change, reason),
    notify: (body, number, forHigh) => actionOf(chain, 'notifyBody', body, number, forHigh),
    delegateHigh: (body, until) => actionOf(chain, 'delegateHigh', body, until),
    revokeDelegation: body => actionOf(chain, 'revokeDelegation', body),
    approve: (body, approval) => actionOf(chain, 'approve', body, approval),
    attest: fact => actionOf(chain, 'attest', fact),

    issue: (id, certificate) => actionOf(chain, 'issue', id, certificate),
    certifyProfile: (id, profile) => actionOf(chain, 'certifyProfile', id, profile),
    declare: (id, declaration) => actionOf(chain, 'declare', id, declaration),
    importLegacy: (id, legacy) => actionOf(chain, 'importLegacy', id, legacy),
    openReview: id => actionOf(chain, 'openReview', id),
    closeReview: (id, end) => actionOf(chain, 'closeReview', id, end),
    maintain: (id, newId, certificate) => actionOf(chain, 'maintain', id, newId, certificate),
    suspend: (id, until, reason, actions) => actionOf(chain, 'suspend', id, until, reason, actions),
    lift: id => actionOf(chain, 'lift', id),
    extendSuspension: (id, until, reason) => actionOf(chain, 'extendSuspension', id, until, reason),
    withdraw: (id, reason) => actionOf(chain, 'withdraw', id, reason),
    notifyComponent: (id, component, vulnerability) => actionOf(chain, 'notifyComponent', id, component, vulnerability),
    clearNotification: (id, vulnerability) => actionOf(chain, 'clearNotification', id, vulnerability),

    body: (id, block) =>
      readTogether(chain, block, async ({ get }) => {
        const party = await get('party', id)
        if (party === undefined) return undefined
        const [accreditation, authorisation, notification, delegation] = await Promise.all([
          get('accreditation', id),
          get('authorisation', id),
          get('notification', id),
          get('delegation', id),
        ])
        return { party, accreditation, authorisation, notification, delegation }
      }),
    approval: (commitment, body, block) => chain.get('approval', approvalId(commitment, body), block),
    scheme: (id, version, block) => chain.get('scheme', version === undefined ? id : versionId(id, version), block),
    async certificate(id, now, block) {
      const reading = await chain.get('certificate', id, block)
      return { ...reading, value: reading.value && stated(id, reading.value, now ?? reading.time) }
    },
    certificatesOf: (version, now, block) =>
      readTogether(chain, block, async ({ get, history, time }) => {
        const events = (await history({ about: version })).filter(event => event.name === 'VersionCertified')
        const ids = [...new Set(events.map(event => event.subject))]
        const found = await Promise.all(ids.map(async id => [id, await get('certificate', id)] as const))
        return found.flatMap(([id, one]) => (one?.versions.includes(version) ? [stated(id, one, now ?? time)] : []))
      }),
    async document(id, document) {
      const reading = await chain.get('certificate', id)
      return { ...reading, value: reading.value && verifyDocument(document, reading.value.document) }
    },
  }
}
