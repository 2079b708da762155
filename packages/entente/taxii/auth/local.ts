import { hash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs'
import { createTurns } from '../turns.ts'
import type { Authenticate, Principal } from './auth.ts'
import { type Checked, createRemembered, parseBasic, parseCredentials } from './credentials.ts'

/** scrypt (RFC 7914) with about 16 MiB and 40 ms a call; stored with each hash so that it can be raised. */
const COST = { N: 16384, r: 8, p: 1 }
/** How long a checked password is remembered. */
const REMEMBER_MS = 60_000
/** Passwords derived at a time: each takes 16 MiB and one of the four threads that files and others need too. */
const DERIVING = 2
/** Passwords that wait for it: beyond that is more than a second. */
const MAX_WAITING = 50
/** How often the file is looked at for changes. */
const RELOAD_MS = 500

export type LocalUser = { name: string; roles: string[]; salt: string; password: string; cost: typeof COST }
export type LocalToken = {
  id: string
  user: string
  roles: string[]
  hash: string
  created: string
  expires: string | null
  note: string
}
export type Users = { version: 1; users: LocalUser[]; tokens: LocalToken[] }

/** Scopes a user may have: read and write of collections, and everything that is the operator's. */
export const ROLES = ['taxii-read', 'taxii-write', 'admin'] as const

/** Users and tokens of a server without an identity provider: a file of its own, mode 0600, written whole. */
export function readUsers(file: string): Users {
  if (!existsSync(file)) return { version: 1, users: [], tokens: [] }
  const users = JSON.parse(readFileSync(file, 'utf8')) as Users
  if (users?.version !== 1 || !Array.isArray(users.users) || !Array.isArray(users.tokens))
    throw new Error(`${file}: not a file of users`)
  return users
}

export function writeUsers(file: string, users: Users): void {
  const temporary = `${file}.${process.pid}.new`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeSync(fd, `${JSON.stringify(users, null, 2)}\n`)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, file)
}

export async function createUser(name: string, password: string, roles: string[]): Promise<LocalUser> {
  const salt = randomBytes(16)
  return {
    name,
    roles,
    salt: salt.toString('base64url'),
    password: (await derive(password, salt, COST)).toString('base64url'),
    cost: COST,
  }
}

/** 144 bits, in digits that a command line takes for no option and a URL as they are. */
export const createPassword = (): string => randomBytes(18).toString('hex')

/** @returns the token, shown once, and what is kept of it */
export function createToken(
  user: string,
  roles: string[],
  options: { now: Date; days?: number | undefined; note?: string },
): { token: string; stored: LocalToken } {
  const id = randomBytes(6).toString('hex') // nothing that could be taken for an option of "token revoke"
  const token = `ent_${id}_${randomBytes(32).toString('base64url')}`
  const expires =
    options.days === undefined ? null : new Date(options.now.getTime() + options.days * 86_400_000).toISOString()
  return {
    token,
    stored: {
      id,
      user,
      roles,
      hash: hash('sha256', token),
      created: options.now.toISOString(),
      expires,
      note: options.note ?? '',
    },
  }
}

/**
 * Checks Basic credentials and API tokens (`Bearer` or `Token`; scheme names in any case) against the file of users, which is read
 * again when it changes. While it can't be read, what was read last holds.
 *
 * @param report told once of each change of the file that can't be read
 */
export function localAuthenticate(
  file: string,
  now: () => number = Date.now,
  report: (error: Error) => void = () => {},
): Authenticate {
  const key = randomBytes(32)
  /** One password is derived for all requests that come with the same credentials at the same moment; they are one attempt. */
  const remembered = createRemembered<Principal>(now)
  const inTurn = createTurns(DERIVING, MAX_WAITING, 'too many are logging in')
  let users = readUsers(file)
  let stamp = stampOf(file)
  let looked = now()

  function current(): Users {
    if (now() - looked >= RELOAD_MS) {
      looked = now()
      const next = stampOf(file)
      if (next !== stamp) {
        stamp = next
        remembered.forget()
        try {
          users = readUsers(file)
        } catch (error) {
          report(error as Error)
        }
      }
    }
    return users
  }

  async function basic(encoded: string, attempt: (name: string) => void): Promise<Checked<Principal>> {
    const given = parseBasic(encoded)
    if (!given) return undefined
    const { name, password } = given
    attempt(name)
    const user = current().users.find(u => u.name === name)
    // An unknown user costs the same time.
    const salt = user ? Buffer.from(user.salt, 'base64url') : key
    const derived = await inTurn(() => derive(password, salt, user?.cost ?? COST))
    if (!user || !timingSafeEqual(derived, Buffer.from(user.password, 'base64url'))) return undefined
    return { value: { name: user.name, roles: user.roles }, holdsMs: REMEMBER_MS }
  }

  function bearer(token: string): Principal | undefined {
    const digest = hash('sha256', token)
    const found = current().tokens.find(t => timingSafeEqual(Buffer.from(t.hash), Buffer.from(digest)))
    if (!found || (found.expires !== null && Date.parse(found.expires) <= now())) return undefined
    const user = users.users.find(u => u.name === found.user)
    if (!user) return undefined
    // A token never has more than its user has now.
    return { name: user.name, roles: found.roles.filter(r => user.roles.includes(r)) }
  }

  return async (authorization, attempt = () => {}) => {
    const credentials = parseCredentials(authorization)
    if (!credentials) return undefined
    if (credentials.scheme === 'bearer') return bearer(credentials.value)
    current()
    return remembered.get(credentials.value, () => basic(credentials.value, attempt))
  }
}

function derive(password: string, salt: Buffer, cost: typeof COST): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    scrypt(password.normalize('NFC'), salt, 32, cost, (error, key) => (error ? reject(error) : resolve(key))),
  )
}

function stampOf(file: string): string {
  if (!existsSync(file)) return ''
  const { mtimeMs, size, ino } = statSync(file)
  return `${mtimeMs} ${size} ${ino}`
}
