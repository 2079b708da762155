import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { readUsers, ROLES } from '#taxii/auth/local.ts'
import type { Config, Paths } from '../config.ts'
import { isLoopback } from '../connect.ts'
import { type Check, ok, problem, type Seen, warning } from './check.ts'
import { namedFiles } from './files.ts'

export const configurationChecks = (config: Config): Check[] => [
  { name: 'files', group: 'configuration', run: async ({ paths }) => files(config, paths) },
  { name: 'names', group: 'configuration', run: async () => names(config) },
  ...(config.auth.kind === 'local'
    ? [{ name: 'roles', group: 'configuration', run: async ({ paths }) => roles(config, paths) } satisfies Check]
    : []),
]

/** Files that are named are there, and secrets are nobody else's. */
function files(config: Config, paths: Paths): Seen[] {
  const found: Seen[] = []
  let fine = 0
  for (const { what, path, isSecret, isMade } of namedFiles(config, paths)) {
    try {
      accessSync(path, constants.R_OK)
      const reaches = isSecret ? readers(path) : 0
      const mend = `chmod 600 ${path}, and take the secret as known to whoever could read it.`
      if (reaches & OTHERS) found.push(problem(what, `everybody on this machine can read ${path}`, mend))
      else if (reaches & GROUP) found.push(warning(what, `its group can read ${path}`, mend))
      else fine++
    } catch (error) {
      if (isMade && (error as NodeJS.ErrnoException).code === 'ENOENT') continue
      found.push(
        problem(
          what,
          `${path} can't be read: ${(error as Error).message}`,
          'Name the right file, or give the user that the server runs as the right to read it.',
        ),
      )
    }
  }
  return [...found, ok('files', `${fine} that are named or made can be read, and by nobody else where they are secret`)]
}

const [GROUP, OTHERS] = [0o040, 0o004]

/** Bits of who besides its owner gets at a file: its own, as far as the folders on the way let them through. */
function readers(path: string): number {
  let bits = statSync(path).mode & (GROUP | OTHERS)
  for (let folder = dirname(path); dirname(folder) !== folder; folder = dirname(folder))
    bits &= (statSync(folder).mode & 0o011) << 2
  return bits
}

function names({ server, log }: Config): Seen[] {
  const { publicUrl, host, tls } = server
  const found: Seen[] = []
  if (log.origin === undefined)
    found.push(
      warning(
        'log.origin',
        'it is left out, and the log is named after its key',
        'Set it before the first start of a server that others rely on: it is the name under which they pin your key, for ever.',
      ),
    )
  else found.push(ok('log.origin', log.origin))
  const isOpen = !isLoopback(host.includes(':') ? `[${host}]` : host)
  if (publicUrl === undefined) {
    if (isOpen)
      found.push(
        warning(
          'server.publicUrl',
          `it is left out, and ${host} is reached from elsewhere: events name proofs by their path alone`,
          'Set it to the URL under which clients reach this server.',
        ),
      )
    return found
  }
  const { protocol, hostname } = new URL(publicUrl)
  if (protocol === 'http:' && !isLoopback(hostname))
    found.push(
      problem(
        'server.publicUrl',
        `${publicUrl} is not HTTPS: passwords and tokens travel as they are`,
        'Set server.tls, or have a proxy in front end TLS, and write https:// here.',
      ),
    )
  else if (protocol === 'https:' && !tls && !server.allowPlainHttp && isOpen)
    found.push(
      warning(
        'server.publicUrl',
        `${publicUrl} is HTTPS and nothing here ends TLS`,
        'Say what does: server.tls, or server.allowPlainHttp behind a proxy.',
      ),
    )
  else found.push(ok('server.publicUrl', publicUrl))
  return found
}

/** A role that nobody can have is a typing error more often than not. */
function roles(config: Config, paths: Paths): Seen[] {
  const { users, tokens } = readUsers(paths.users)
  const clients = config.server.tls?.clients ?? []
  const known = new Set<string>([...ROLES, ...[...users, ...tokens, ...clients].flatMap(u => u.roles)])
  const asked = config.apiRoots.flatMap(root =>
    root.collections.flatMap(c => [
      ...c.read.map(role => ({ role, where: `read of the collection "${c.title}"` })),
      ...c.write.map(role => ({ role, where: `write of the collection "${c.title}"` })),
    ]),
  )
  const channels = config.channels.names.flatMap(c => (typeof c === 'string' ? [] : (c.audience ?? [])))
  for (const role of [...config.channels.audience, ...channels]) asked.push({ role, where: 'the audience of channels' })
  const unknown = asked.filter(({ role }) => !known.has(role))
  if (unknown.length === 0) return [ok('roles', `${known.size} are known, and no other is asked for`)]
  return unknown.map(({ role, where }) =>
    warning(
      'roles',
      `${where} asks for "${role}", which no user, token or certificate has`,
      `Write it as it is meant, or give it to somebody: "entente user roles NAME --roles ${role}".`,
    ),
  )
}
