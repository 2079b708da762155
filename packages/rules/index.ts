export * from './call.ts'
export * from './entities.ts'
export * from './event.ts'
export { ROWS } from './rows.ts'
export { isId, Refusal, type RefusalCode, ZERO } from './refusal.ts'
export { addKey, type NewParty, replaceKey, revokeKey } from './parties.ts'
export { CONSORTIUM, propose, quorum, vote } from './consortium.ts'
export {
  adoptScheme,
  EU,
  isInForce,
  recogniseCountry,
  recognitionId,
  type RecognitionState,
  recognitionState,
  registerNationalScheme,
  type SchemeInput,
  versionId,
} from './framework.ts'
export {
  accredit,
  approvalId,
  approve,
  authorise,
  changeAccreditation,
  changeAuthorisation,
  delegateHigh,
  notifyBody,
  type Restriction,
  revokeDelegation,
  type Scope,
} from './accreditation.ts'
export {
  label,
  labelId,
  registerArtifact,
  registerParty,
  registerVersion,
  setSupport,
  type VersionInput,
} from './artifact.ts'
export {
  type CertificateInput,
  type CertificateState,
  certificateState,
  certifyProfile,
  clearNotification,
  closeReview,
  type DeclarationInput,
  declare,
  extendSuspension,
  importLegacy,
  issue,
  type LegacyInput,
  lift,
  maintain,
  notifyComponent,
  openReview,
  type ReviewEnd,
  suspend,
  withdraw,
} from './certificate.ts'
export {
  acceptEmbargo,
  advance,
  type Announcement,
  announce,
  type Bit,
  close,
  commit,
  type Disclosure,
  disclose,
  invite,
  isEmbargoed,
  leaveEmbargo,
  POLICY,
  proposeEmbargo,
  rejectEmbargo,
  reopen,
} from './disclosure.ts'
export { found, type Genesis } from './genesis.ts'
export { attest, type Fact } from './mirror.ts'
export { checkArguments, invokeRule, type RuleArguments, type RuleName, RULES } from './inputs.ts'
