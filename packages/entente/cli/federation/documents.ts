import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  commitDocument,
  type StixObject,
  type VerifiedDocument,
  verifyDocument,
  withSalt,
} from '#product/commitment.ts'
import { ProductError } from '#product/error.ts'
import { hashFile } from '#product/ids.ts'
import { parseStrict } from '@entente/verify/json'
import { writeWhole } from '../whole-file.ts'
import { pathsOf } from './layout.ts'

/**
 * What chains have only the hash of, in files called by that hash: SBOMs, MUD files and reports as they came, STIX documents with their salt.
 * Nothing that is read here is believed: it is held against the hash that the chain has.
 */
export type Documents = {
  /** Keeps a file as it is. @returns its hash */
  keepFile(bytes: Uint8Array): string
  /** Puts a salt into a document, and keeps it. @returns its commitment */
  keep(document: StixObject): string
  /** Keeps a document that has its salt. @returns its commitment */
  put(document: StixObject): string
  /** Undefined where it is not here. @throws ProductError `commitment` where it is another file */
  readFile(hash: string): Buffer | undefined
  /** What is written there where it is here and one line, such as a URL; else the hash. @throws ProductError `commitment` */
  text(hash: string): string
  /** Undefined where it is not here. @throws ProductError `commitment` where it is another document */
  read(commitment: string): VerifiedDocument | undefined
}

const MAX_LINE = 500
const ONE_LINE = /^[^\p{Cc}\uFFFD]+$/u

export function openDocuments(dir: string, country: string): Documents {
  const folder = pathsOf(dir, country).documents
  const at = (hash: string) => join(folder, hash.slice(2))
  const write = (hash: string, bytes: string | Uint8Array): string => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!existsSync(at(hash))) writeWhole(at(hash), bytes)
    return hash
  }
  const stored = (hash: string): Buffer | undefined =>
    /^0x[0-9a-f]{64}$/.test(hash) && existsSync(at(hash)) ? readFileSync(at(hash)) : undefined
  const put = (document: StixObject): string => write(commitDocument(document), `${JSON.stringify(document)}\n`)
  function readFile(hash: string): Buffer | undefined {
    const bytes = stored(hash)
    if (bytes === undefined) return undefined
    const found = hashFile(bytes)
    if (found === hash) return bytes
    throw new ProductError('commitment', `${at(hash)} has the hash ${found}: it is not what the chain has; restore it`)
  }
  return {
    keepFile: bytes => write(hashFile(bytes), bytes),
    keep: document => put(withSalt(document, randomBytes(32))),
    put,
    readFile,
    text(hash) {
      const bytes = readFile(hash)
      return bytes !== undefined && bytes.length <= MAX_LINE && ONE_LINE.test(bytes.toString())
        ? bytes.toString()
        : hash
    },
    read(commitment) {
      const bytes = stored(commitment)
      return bytes && verifyDocument(parseStrict(bytes), commitment)
    },
  }
}
