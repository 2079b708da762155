import { LEVELS, type SchemeInput } from '@entente/rules'
import type { RuleCall } from '#ledger/rule-chain.ts'
import { hashText } from '#product/ids.ts'
import type { Named, SecCert } from '#product/sec-certs.ts'

/** What of the data is entered by which rule. `document`: commitment of the public part, or of the act by which a party was registered. */

const DAY = 86_400

/** A national scheme from before the CSA: no new certificate is issued under it (CSA 57(1)), and it has no level in the CSA's words. */
const schemeTerms = (document: string, name: string): SchemeInput => ({
  document,
  scope: hashText(`scope of ${name}`),
  adopted: Date.UTC(1997, 0, 1) / 1000,
  endsAt: Date.UTC(2026, 1, 27) / 1000,
  levels: [...LEVELS],
  maxValidity: 36_500 * DAY,
  allowsDeclaration: false,
  isPublicOnly: false,
  authorisedLevels: [],
  van: {},
  maxSuspension: 42 * DAY,
  maxSuspended: 365 * DAY,
  maxAccreditation: 5 * 365 * DAY,
  allowsProfiles: true,
})

/** Row 4: by the NCCA on whose chain the certificates are, a third country's scheme too. */
export const callOfScheme = ({ id, name }: Named, document: string): RuleCall => ({
  rule: 'registerNationalScheme',
  args: [id, schemeTerms(document, name), []],
})

/** Row 13 */
export const callOfHolder = ({ id, country }: Named, key: string, document: string): RuleCall => ({
  rule: 'registerParty',
  args: [{ id, kind: 'holder', country, key, act: document }],
})

/** Row 17 */
export const callOfCertificate = ({ id, legacy: { until, ...legacy } }: SecCert): RuleCall => ({
  rule: 'importLegacy',
  args: [id, { ...legacy, ...(until === undefined ? {} : { until }) }],
})
