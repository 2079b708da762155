export { decodeBase64, encodeBase64 } from './base64.ts'
export {
  type Checkpoint,
  type CheckpointPolicy,
  formatCheckpoint,
  parseCheckpoint,
  readCheckpoint,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from './checkpoint.ts'
export { cosignedMessage, createCosigner } from './cosignature.ts'
export { TreeEdge } from './edge.ts'
export { decodeEntryBundle, encodeEntryBundle, MAX_ENTRY_SIZE } from './entries.ts'
export { TlogError, type TlogErrorCode } from './error.ts'
export { EMPTY_ROOT, equalHashes, HASH_SIZE, hashChildren, hashLeaf, hashLeafInto } from './hash.ts'
export {
  formatNote,
  formatSignatureLine,
  MAX_NOTE_LENGTH,
  MAX_SIGNATURES,
  type NoteSignature,
  type NoteSigner,
  parseNote,
  parseSignatureLine,
  signNote,
  type UnverifiedNote,
  type VerifiedNote,
  type VerifiedSignature,
  verifyNote,
} from './note.ts'
export { isWitnessedBy, parseWitnessPolicy, type WitnessGroup, type WitnessPolicy } from './policy.ts'
export {
  consistencyProof,
  type HashReader,
  inclusionProof,
  rootFromInclusion,
  rootsFromConsistency,
  type Size,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from './proof.ts'
export { runOnTiles, type TileFetcher, tileHashReader, type TileReader, verifiedTileReader } from './reader.ts'
export {
  formatTilePath,
  subtreeRootInto,
  parseTilePath,
  TILE_HEIGHT,
  TILE_WIDTH,
  type Tile,
  type TilePath,
  tileWidth,
} from './tile.ts'
export { formatTlogProof, parseTlogProof, type TlogProof } from './tlogproof.ts'
export {
  COSIGNATURE_V1,
  createVerifierKey,
  ED25519,
  formatVkey,
  isKeyName,
  type NoteAlgorithm,
  noteKeyId,
  parseVkey,
  type VerifierKey,
} from './vkey.ts'
export {
  type AddCheckpoint,
  type Cosignature,
  formatAddCheckpoint,
  parseAddCheckpoint,
  readCosignature,
} from './witness.ts'
