export {
  coseKeyThumbprint,
  formatCoseReceipt,
  type InclusionReceipt,
  type VerifiedCoseReceipt,
  verifyCoseReceipt,
} from './receipt.ts'
