import type { RecognitionState } from '@entente/rules'

/** Why a third country's certificates are recognised, or not. */
export const WHY: Readonly<Record<RecognitionState, string>> = {
  recognised: 'an agreement is in force',
  noAgreement: 'no agreement is in the framework',
  notInForce: 'the agreement is not in force',
  notCovered: 'it is for other levels',
}
