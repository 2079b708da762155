import { hashText, subjectId } from '#product/ids.ts'
import type { SchemeInput } from '@entente/rules'

const DAY = 86_400

/** EUCC as Implementing Regulation (EU) 2024/482 has it: levels (1(2)), five years (12(2)), 42 days and a year of suspension (30), AVA_VAN (4). */
export const EUCC: { id: string; terms: SchemeInput } = {
  id: subjectId('scheme', 'EUCC'),
  terms: {
    document: hashText('Commission Implementing Regulation (EU) 2024/482'),
    scope: subjectId('scope', 'EUCC'),
    adopted: Date.UTC(2025, 1, 27) / 1000,
    levels: ['substantial', 'high'],
    maxValidity: 5 * 365 * DAY,
    allowsDeclaration: false,
    isPublicOnly: false,
    authorisedLevels: [],
    van: { substantial: 2, high: 5 },
    maxSuspension: 42 * DAY,
    maxSuspended: 365 * DAY,
    maxAccreditation: 5 * 365 * DAY,
    allowsProfiles: true,
  },
}
