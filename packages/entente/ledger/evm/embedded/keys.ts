import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { bytesToHex } from 'viem/utils'
import { privateKeyToAddress } from 'viem/accounts'
import { LedgerError } from '../../error.ts'

export interface Key {
  readonly privateKey: Hex
  /** 0x and lower case. */
  readonly address: Hex
}

/**
 * Reads `NAME.key` (64 hexadecimal digits and a line break); writes a new one, for its owner's eyes only, where none is and `random` is
 * given. A crash leaves a whole key or none. Throws LedgerError `corrupt` when it is missing or no key.
 */
export function loadKey(folder: string, name: string, random?: (length: number) => Uint8Array): Key {
  const path = join(folder, `${name}.key`)
  if (!existsSync(path)) {
    if (random === undefined)
      throw new LedgerError('corrupt', `${path} is missing: restore it from a backup, or use another folder`)
    const temporary = `${path}.new`
    const file = openSync(temporary, 'w', 0o600)
    try {
      writeSync(file, `${Buffer.from(random(32)).toString('hex')}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
    syncFolder(folder)
  }
  const text = readFileSync(path, 'latin1').trim()
  if (!/^[0-9a-f]{64}$/.test(text)) throw new LedgerError('corrupt', `${path} holds no key of 64 hexadecimal digits`)
  const privateKey: Hex = `0x${text}`
  try {
    return { privateKey, address: privateKeyToAddress(privateKey).toLowerCase() as Hex }
  } catch (cause) {
    throw new LedgerError('corrupt', `${path} holds no private key of secp256k1`, { cause })
  }
}

/** Puts the folder's entries on disk (not possible, and not needed, on Windows). */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** A key from given bytes, for tests. */
export const keyFromBytes = (bytes: Uint8Array): Key => {
  const privateKey = bytesToHex(bytes)
  return { privateKey, address: privateKeyToAddress(privateKey).toLowerCase() as Hex }
}
