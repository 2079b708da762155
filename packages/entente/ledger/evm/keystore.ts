// Web3 Secret Storage, version 3: the encrypted key files of geth, Besu, GoQuorum and ethers.
import { createDecipheriv, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { keccak256 } from 'viem/utils'
import { LedgerError } from '../error.ts'
import { type SigningAccount, accountFromKey } from './account.ts'

const deriveScrypt = promisify<string, Uint8Array, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(
  scrypt,
)
const derivePbkdf2 = promisify(pbkdf2)

/** Four times what geth writes (N 2^18, r 8, p 1: 256 MiB): a file that asks for more is not a key file but an attack. */
const MAX_SCRYPT_BYTES = 1024 * 1024 * 1024
const MAX_ROUNDS = 10_000_000
const MAX_PARALLEL = 64

/**
 * The account of an encrypted key file.
 * @param text content of the file: `ciphertext` by aes-128-ctr under a key of scrypt or PBKDF2-HMAC-SHA-256, checked by `mac`
 * Throws LedgerError `invalid` for another file, and for another password.
 */
export async function accountFromKeystore(text: string, password: string): Promise<SigningAccount> {
  const { crypto, address } = readKeystore(text)
  const derived = await derive(crypto, password)
  const ciphertext = hex(crypto['ciphertext'], 'ciphertext', 32)
  const mac = Buffer.from(keccak256(Buffer.concat([derived.subarray(16, 32), ciphertext])).slice(2), 'hex')
  if (!timingSafeEqual(mac, hex(crypto['mac'], 'mac', 32)))
    throw new LedgerError('invalid', 'the password does not open the key file')
  const iv = hex(member(crypto, 'cipherparams')['iv'], 'iv', 16)
  const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const key = Buffer.concat([decipher.update(ciphertext), decipher.final()])
  const account = accountFromKey(`0x${key.toString('hex')}`)
  if (address !== undefined && account.address !== address)
    throw new LedgerError('invalid', `the key file says address ${address}, its key has ${account.address}`)
  return account
}

type Members = Record<string, unknown>

function readKeystore(text: string): { crypto: Members; address: string | undefined } {
  let file: Members
  try {
    file = JSON.parse(text) as Members
  } catch (cause) {
    throw new LedgerError('invalid', 'the key file is no JSON: a Web3 Secret Storage file of version 3 is wanted', {
      cause,
    })
  }
  if (typeof file !== 'object' || file === null || file['version'] !== 3)
    throw new LedgerError(
      'invalid',
      `a key file of Web3 Secret Storage version 3 is wanted, this is ${String(file?.['version'])}`,
    )
  // Some programs write the members in other cases.
  const crypto = member(file, 'crypto' in file ? 'crypto' : 'Crypto')
  if (crypto['cipher'] !== 'aes-128-ctr')
    throw new LedgerError('invalid', `the key file is encrypted by ${String(crypto['cipher'])}, aes-128-ctr is known`)
  const address = file['address']
  return { crypto, address: typeof address === 'string' ? `0x${address.toLowerCase().replace(/^0x/, '')}` : undefined }
}

function derive(crypto: Members, password: string): Promise<Buffer> {
  const params = member(crypto, 'kdfparams')
  const salt = hex(params['salt'], 'salt')
  const length = count(params['dklen'], 'dklen', 32, 64)
  if (crypto['kdf'] === 'pbkdf2') {
    if (params['prf'] !== 'hmac-sha256')
      throw new LedgerError('invalid', `PBKDF2 with ${String(params['prf'])}, hmac-sha256 is known`)
    return derivePbkdf2(password, salt, count(params['c'], 'c', 1, MAX_ROUNDS), length, 'sha256')
  }
  if (crypto['kdf'] !== 'scrypt')
    throw new LedgerError('invalid', `the key is derived by ${String(crypto['kdf'])}, scrypt and pbkdf2 are known`)
  const N = count(params['n'], 'n', 2, 2 ** 24)
  const r = count(params['r'], 'r', 1, 64)
  const p = count(params['p'], 'p', 1, MAX_PARALLEL)
  // RFC 7914, section 2: N is less than 2^(128 * r / 8), and no library takes more.
  if ((N & (N - 1)) !== 0 || Math.log2(N) >= 16 * r || 128 * N * r > MAX_SCRYPT_BYTES)
    throw new LedgerError(
      'invalid',
      `scrypt with N ${N} and r ${r}: N has to be a power of two, below 2^(16 r), and N r at most ${MAX_SCRYPT_BYTES / 128}`,
    )
  return deriveScrypt(password, salt, length, { N, r, p, maxmem: 2 * MAX_SCRYPT_BYTES })
}

function member(of: Members, name: string): Members {
  const value = of[name]
  if (typeof value !== 'object' || value === null) throw new LedgerError('invalid', `the key file has no ${name}`)
  return value as Members
}

function hex(value: unknown, name: string, length?: number): Buffer {
  if (
    typeof value !== 'string' ||
    !/^(?:[0-9a-fA-F]{2}){1,256}$/.test(value) ||
    (length !== undefined && value.length !== 2 * length)
  )
    throw new LedgerError('invalid', `${name} of the key file is not ${length ?? 'some'} bytes in hexadecimal`)
  return Buffer.from(value, 'hex')
}

function count(value: unknown, name: string, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
    throw new LedgerError('invalid', `${name} of the key file is ${String(value)}: from ${least} to ${most} is known`)
  return value as number
}
