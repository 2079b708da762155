import { rmSync } from 'node:fs'
import { createPassword, createUser, readUsers } from '#taxii/auth/local.ts'
import type { Args } from '../commands.ts'
import type { Config, Paths } from '../config.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { print, table } from '../print.ts'
import { readPassword } from '../secrets.ts'
import { changeUsers, checkName, checkPassword, checkRoles } from '../users.ts'
import { isSet, listOf, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
type Site = { config: Config; paths: Paths }

const USAGE = 'user add|list|remove|password|roles [NAME]'
/** What a user may do who is added without --roles: everything but what is the operator's. */
const DEFAULT_ROLES = ['taxii-read', 'taxii-write']

/** Local users in the data folder. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  const actions: Record<string, (site: Site, names: string[], values: Values) => Promise<void>> = {
    add,
    list,
    remove,
    password,
    roles,
  }
  const chosen = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (!chosen) throw new CliError('usage', `"${action}" is nothing to do with users\nUsage: entente ${USAGE}`)
  await chosen(openData(values), rest, values)
  return EXIT.yes
}

async function add({ config, paths }: Site, names: string[], values: Values): Promise<void> {
  const name = checkName(positionals(names, ['NAME'], 'user add NAME')[0] as string)
  const userRoles = checkRoles(listOf(values, 'roles') ?? DEFAULT_ROLES, config)
  if (readUsers(paths.users).users.some(u => u.name === name)) throw exists(name)
  const { secret, isGenerated } = await newPassword(name, values)
  const user = await createUser(name, secret, userRoles)
  await changeUsers(paths.users, users => {
    if (users.users.some(u => u.name === name)) throw exists(name)
    users.users.push(user)
  })
  print(isSet(values, 'json'), { user: name, roles: userRoles, ...(isGenerated ? { password: secret } : {}) }, () => [
    `added ${name} (${userRoles.join(', ')})`,
    ...(isGenerated ? [`password, shown this once: ${secret}`] : []),
  ])
}

async function list({ paths }: Site, names: string[], values: Values): Promise<void> {
  positionals(names, [], 'user list')
  const { users, tokens } = readUsers(paths.users)
  const rows = users.map(u => ({ name: u.name, roles: u.roles, tokens: tokens.filter(t => t.user === u.name).length }))
  print(isSet(values, 'json'), { users: rows }, () =>
    table([['NAME', 'ROLES', 'TOKENS'], ...rows.map(r => [r.name, r.roles.join(','), String(r.tokens)])]),
  )
}

async function remove({ paths }: Site, names: string[], values: Values): Promise<void> {
  const name = positionals(names, ['NAME'], 'user remove NAME')[0] as string
  const gone = await changeUsers(paths.users, users => {
    find(users.users, name)
    const before = users.tokens.length
    users.users = users.users.filter(u => u.name !== name)
    users.tokens = users.tokens.filter(t => t.user !== name)
    return before - users.tokens.length
  })
  print(isSet(values, 'json'), { removed: name, tokens: gone }, () => [
    `removed ${name}${gone > 0 ? ` and ${gone} API token${gone === 1 ? '' : 's'}` : ''}`,
  ])
}

async function password({ paths }: Site, names: string[], values: Values): Promise<void> {
  const name = positionals(names, ['NAME'], 'user password NAME')[0] as string
  find(readUsers(paths.users).users, name)
  const { secret, isGenerated } = await newPassword(name, values)
  await changeUsers(paths.users, async users => {
    const user = find(users.users, name)
    Object.assign(user, await createUser(name, secret, user.roles))
  })
  // The file would name a password that is no longer one.
  if (name === 'admin') rmSync(paths.adminPassword, { force: true })
  print(isSet(values, 'json'), { user: name, ...(isGenerated ? { password: secret } : {}) }, () => [
    `changed the password of ${name}${name === 'admin' ? `; ${paths.adminPassword} is removed` : ''}`,
    ...(isGenerated ? [`password, shown this once: ${secret}`] : []),
  ])
}

async function roles({ config, paths }: Site, names: string[], values: Values): Promise<void> {
  const name = positionals(names, ['NAME'], 'user roles NAME --roles R,…')[0] as string
  const wanted = listOf(values, 'roles')
  if (!wanted) throw new CliError('usage', '--roles is missing: the roles that the user has from now on')
  const checked = checkRoles(wanted, config)
  await changeUsers(paths.users, users => {
    find(users.users, name).roles = checked
  })
  print(isSet(values, 'json'), { user: name, roles: checked }, () => [`${name} has the roles ${checked.join(', ')}`])
}

const exists = (name: string) =>
  new CliError('no', `there is a user ${name}: "entente user password ${name}" changes the password`)

function find<T extends { name: string }>(users: T[], name: string): T {
  const user = users.find(u => u.name === name)
  if (user) return user
  throw new CliError('no', `there is no user ${name}: there are ${users.map(u => u.name).join(', ') || 'none'}`)
}

/** Given, asked for on a terminal (an empty answer asks for a random one), or random. */
async function newPassword(name: string, values: Values): Promise<{ secret: string; isGenerated: boolean }> {
  const given = isSet(values, 'generate')
    ? undefined
    : await readPassword(textOf(values, 'password'), `New password of ${name} (empty: a random one): `)
  if (given === undefined || given === '') return { secret: createPassword(), isGenerated: true }
  return { secret: checkPassword(given), isGenerated: false }
}
