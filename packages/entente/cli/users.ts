import { closeSync, openSync, rmSync } from 'node:fs'
import { readUsers, ROLES, type Users, writeUsers } from '#taxii/auth/local.ts'
import type { Config } from './config.ts'
import { CliError } from './errors.ts'

const LOCK_WAIT_MS = 3000

/**
 * Changes the file of users: one command at a time, or one of two changes would be lost. A running server sees it within a second.
 *
 * @throws CliError `no` where another command holds the lock
 */
export async function changeUsers<T>(file: string, change: (users: Users) => Promise<T> | T): Promise<T> {
  const lock = `${file}.lock`
  await takeLock(lock)
  try {
    const users = readUsers(file)
    const result = await change(users)
    writeUsers(file, users)
    return result
  } finally {
    rmSync(lock, { force: true })
  }
}

async function takeLock(lock: string): Promise<void> {
  const until = performance.now() + LOCK_WAIT_MS
  for (;;) {
    try {
      closeSync(openSync(lock, 'wx', 0o600))
      return
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new CliError('no', `${lock}: ${(cause as Error).message}`, { cause })
      if (performance.now() > until)
        throw new CliError('no', `another command is changing the users; if none is, remove ${lock}`, { cause })
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** RFC 7617 section 2: no colon and no control character; bounded. */
export function checkName(name: string): string {
  if (/^[^:\p{Cc}]{1,128}$/u.test(name) && name.trim() === name) return name
  throw new CliError('usage', `"${name}" is no name of a user: 1 to 128 characters, no colon, no spaces around it`)
}

const MIN_PASSWORD = 8
/** NIST SP 800-63B section 5.1.1.1: at least 8 characters. */
export function checkPassword(password: string): string {
  if (password.length < MIN_PASSWORD)
    throw new CliError('usage', `the password has ${password.length} characters: at least ${MIN_PASSWORD} are wanted`)
  return password
}

/** Roles that mean something here: the built-in ones, and those that a collection names. */
export function checkRoles(roles: string[], config: Config): string[] {
  const named = config.apiRoots.flatMap(r => r.collections.flatMap(c => [...c.read, ...c.write]))
  const known = new Set<string>([...ROLES, ...named])
  const strange = roles.find(r => !known.has(r))
  if (strange === undefined) return [...new Set(roles)]
  throw new CliError('usage', `no collection knows the role "${strange}": there are ${[...known].join(', ')}`)
}
