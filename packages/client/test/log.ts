import {
  createVerifierKey,
  ED25519,
  encodeEntryBundle,
  formatCheckpoint,
  formatVkey,
  hashLeaf,
  type NoteSigner,
  parseVkey,
  signNote,
  TILE_WIDTH,
  TreeEdge,
} from '@entente/verify/tlog'
import { testNoteKey, testSeed } from '../../verify/test/sample.ts'
import type { LogSource } from '../watch.ts'

/** A TEST KEY. */
export const KEY = testNoteKey('watched.example/log', ED25519)
/** Another key of the same name: a TEST KEY as well. */
export const OTHER_KEY = createOtherKey()

function createOtherKey(): { vkey: string; signer: NoteSigner } {
  const { vkey, signer } = testNoteKey('other.example/log', ED25519)
  const key = createVerifierKey(KEY.signer.name, ED25519, parseVkey(vkey).publicKey)
  return { vkey: formatVkey(key), signer: { ...signer, name: key.name, keyId: key.keyId } }
}

/** A log in memory, the same in every run; from entry `forkAt` on it is another one. */
export function createLog(size: number, forkAt: number = size) {
  const entries = Array.from({ length: size }, (_, i) => testSeed(`${i < forkAt ? 'entry' : 'fork'} ${i}`))
  const tree = TreeEdge.empty()
  const tiles = new Map<string, Uint8Array>()
  const roots = [tree.root()]
  for (const entry of entries) {
    for (const { level, index, data } of tree.append(hashLeaf(entry))) tiles.set(`${level}/${index}`, data.slice())
    roots.push(tree.root())
  }
  const checkpoint = (at = size) => ({ origin: KEY.signer.name, size: at, root: roots[at]!, extensions: [] })
  const note = (at = size, signer = KEY.signer) => signNote(formatCheckpoint(checkpoint(at)), signer)
  const source: LogSource = {
    name: 'https://watched.example/',
    checkpoint: async () => note(),
    key: async () => KEY.vkey,
    tile: async ({ level, index, width }) => {
      if (level !== 'entries') return (tiles.get(`${level}/${index}`) as Uint8Array).subarray(0, width * 32)
      return encodeEntryBundle(entries.slice(index * TILE_WIDTH, index * TILE_WIDTH + width))
    },
  }
  return { entries, note, checkpoint, source }
}
