import { createToken, readUsers } from '#taxii/auth/local.ts'
import type { Args } from '../commands.ts'
import type { Paths } from '../config.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { print, table } from '../print.ts'
import { changeUsers } from '../users.ts'
import { integerOf, isSet, listOf, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
const USAGE = 'token create USER | list | revoke ID'

/** API tokens of local users: of each only a hash is kept. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  const actions: Record<string, (paths: Paths, names: string[], values: Values) => Promise<void>> = {
    create,
    list,
    revoke,
  }
  const chosen = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (!chosen) throw new CliError('usage', `"${action}" is nothing to do with tokens\nUsage: entente ${USAGE}`)
  await chosen(openData(values).paths, rest, values)
  return EXIT.yes
}

async function create(paths: Paths, names: string[], values: Values): Promise<void> {
  const name = positionals(names, ['USER'], 'token create USER')[0] as string
  const days = integerOf(values, 'days', 1, 36_500)
  const note = textOf(values, 'note') ?? ''
  const { token, stored } = await changeUsers(paths.users, users => {
    const user = users.users.find(u => u.name === name)
    if (!user) throw new CliError('no', `there is no user ${name}`)
    const roles = listOf(values, 'roles') ?? user.roles
    const more = roles.find(r => !user.roles.includes(r))
    if (more !== undefined)
      throw new CliError('usage', `${name} has no role "${more}", so a token can't: it has ${user.roles.join(', ')}`)
    const made = createToken(name, roles, { now: new Date(), days, note })
    users.tokens.push(made.stored)
    return made
  })
  const { id, roles, expires } = stored
  print(isSet(values, 'json'), { token, id, user: name, roles, expires, note }, () => [
    `token ${id} for ${name} (${roles.join(', ')}), ${expires === null ? 'without an end' : `until ${expires}`}`,
    `shown this once: ${token}`,
  ])
}

async function list(paths: Paths, names: string[], values: Values): Promise<void> {
  positionals(names, [], 'token list')
  const now = new Date().toISOString()
  const tokens = readUsers(paths.users).tokens.map(({ id, user, roles, created, expires, note }) => {
    const expired = expires !== null && expires <= now
    return { id, user, roles, created, expires, note, expired }
  })
  print(isSet(values, 'json'), { tokens }, () =>
    table([
      ['ID', 'USER', 'ROLES', 'CREATED', 'EXPIRES', 'NOTE'],
      ...tokens.map(t => [
        t.id,
        t.user,
        t.roles.join(','),
        t.created,
        t.expires === null ? 'never' : `${t.expires}${t.expired ? ' (expired)' : ''}`,
        t.note,
      ]),
    ]),
  )
}

async function revoke(paths: Paths, names: string[], values: Values): Promise<void> {
  const id = positionals(names, ['ID'], 'token revoke ID')[0] as string
  const token = await changeUsers(paths.users, users => {
    const at = users.tokens.findIndex(t => t.id === id)
    if (at < 0) throw new CliError('no', `there is no token ${id}: "entente token list" shows them`)
    return users.tokens.splice(at, 1)[0]
  })
  print(isSet(values, 'json'), { revoked: id, user: token?.user }, () => [`revoked token ${id} of ${token?.user}`])
}
