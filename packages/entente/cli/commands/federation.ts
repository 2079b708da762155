import { type Kind, type RuleName, RULES } from '@entente/rules'
import type { Args } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { chainOf, federationDir, perform, reading, signerOf, withChain } from '../federation/act.ts'
import { chainsOf } from '../federation/chains.ts'
import { listCountries, loadCountry } from '../federation/config.ts'
import { initFederation } from '../federation/init.ts'
import { formatTime, readInput } from '../federation/input.ts'
import { EU } from '../federation/layout.ts'
import { openNames } from '../federation/names.ts'
import { registerParty } from '../federation/party.ts'
import { readStatus } from '../federation/status.ts'
import { boundHeap } from '../heap.ts'
import { createLogger } from '../logger.ts'
import { counted, note, print, table } from '../print.ts'
import { createProgress } from '../progress.ts'
import { untilAsked } from '../signals.ts'
import { integerOf, isSet, listOf, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>
const USAGE = 'federation init | up | status | party | key | call | get | history'
const DEFAULT_PORT = 6200

/** The chains of a federation on this machine, and every rule of them. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  const actions: Record<string, (values: Values, rest: string[]) => number | Promise<number>> = {
    init,
    up,
    status,
    party,
    key,
    call,
    get,
    history,
  }
  const chosen = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (!chosen) throw new CliError('usage', `"${action}" is nothing to do with a federation\nUsage: entente ${USAGE}`)
  return chosen(values, rest)
}

function init(values: Values, rest: string[]): number {
  positionals(rest, [], 'federation init --members FR,DE,…')
  const dir = federationDir(values)
  const countries = make(values, dir)
  print(isSet(values, 'json'), { dir, countries }, () => [
    `${dir} has the folders of ${countries.join(', ')}: keys, what each chain begins with, and federation.yaml`,
    `"entente federation up COUNTRY --dir ${dir}" runs one; "entente federation up --demo --dir ${dir}" all in one process`,
  ])
  return EXIT.yes
}

function make(values: Values, dir: string): string[] {
  return initFederation({
    dir,
    members: listOf(values, 'members') ?? [],
    port: integerOf(values, 'port', 0, 65_000) ?? DEFAULT_PORT,
    testSeed: textOf(values, 'test-seed'),
  })
}

/** Runs until SIGINT or SIGTERM. */
async function up(values: Values, rest: string[]): Promise<number> {
  const { requireEverybody, startFederation } = await import('../federation/up.ts') // a server's parts: no other command loads them
  boundHeap()
  const dir = federationDir(values)
  const demo = isSet(values, 'demo')
  if (demo && listCountries(dir).length === 0) make(values, dir)
  const members = listOf(values, 'members')
  const chosen = demo ? [EU, ...(members ?? listCountries(dir).filter(country => country !== EU))] : rest
  if (chosen.length === 0)
    throw new CliError(
      'usage',
      `which country? Such as "entente federation up FR", or --demo for all of ${dir} in one process`,
    )
  const countries = chosen.map(country => loadCountry(dir, country))
  if (demo) requireEverybody(countries)
  const started = performance.now()
  // Whoever tries a demo reads a terminal; whoever runs a country keeps its log.
  const isQuiet = isSet(values, 'quiet') || (demo && !isSet(values, 'verbose'))
  const log = createLogger(process.stderr, isQuiet ? 'warn' : 'info')
  const isJson = isSet(values, 'json')
  const count = countries.reduce((sum, country) => sum + chainsOf(country).length, 0)
  if (!isJson) note(`starting ${counted(count, 'chain')} of ${chosen.join(', ')}`)
  const progress = createProgress(isJson)
  const federation = await startFederation(dir, countries, {
    demo,
    log,
    now: Date.now,
    progress: progress.update,
  }).finally(progress.end)
  const asked = untilAsked()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  print(
    isSet(values, 'json'),
    {
      ready: true,
      ...federation.about,
      chains: federation.chains.length,
      seconds: Number(seconds),
      urls: Object.fromEntries(federation.urls),
    },
    () => [
      `${counted(federation.chains.length, 'chain')} of ${federation.about.countries.join(', ')} ready in ${seconds} s`,
      ...[...federation.urls].map(([country, url]) => `  ${country}  ${url}/`),
      ...(demo
        ? [
            '  DEMO: everything is in one process, under one operator who has every key: it shows how a federation works, and is none.',
          ]
        : []),
      ...(federation.about.testKeys ? ['  TEST KEYS: they derive from a known text.'] : []),
    ],
  )
  await asked
  await federation.close()
  return EXIT.yes
}

async function status(values: Values, rest: string[]): Promise<number> {
  positionals(rest, [], 'federation status')
  const dir = federationDir(values)
  const countries = listCountries(dir)
  if (countries.length === 0)
    throw new CliError(
      'usage',
      `${dir} has no federation: --dir names another folder, "entente federation init" makes one`,
    )
  const chains = await readStatus(dir, countries)
  const isDemo = chains.some(chain => chain.runBy?.demo === true)
  print(isSet(values, 'json'), { dir, demo: isDemo, chains }, () => [
    ...table([
      ['CHAIN', 'LEDGER', 'BLOCK', 'TIME', 'VALIDATORS', 'RUN BY', 'HAS'],
      ...chains.map(chain => [
        chain.name,
        chain.ledger,
        chain.head === undefined ? '-' : String(chain.head.block),
        chain.head === undefined ? '-' : formatTime(chain.head.time),
        chain.validators === undefined ? '-' : String(chain.validators.length),
        chain.runBy === undefined ? '-' : `process ${chain.runBy.pid}`,
        chain.problem ??
          (Object.entries(chain.entities)
            .map(([name, count]) => `${count} ${count === 1 ? singularOf(name) : name}`)
            .join(', ') ||
            'nothing yet'),
      ]),
    ]),
    ...(isDemo ? ['', 'DEMO: everything is in one process, under one operator who has every key.'] : []),
  ])
  return chains.some(chain => chain.problem !== undefined) ? EXIT.unreachable : EXIT.yes
}

/** Of what status counts. */
const singularOf = (nouns: string): string => nouns.replace(/ies$/, 'y').replace(/s$/, '')

async function party(values: Values, rest: string[]): Promise<number> {
  const [chain = '', kind = '', name = ''] = positionals(
    rest,
    ['CHAIN', 'KIND', 'NAME'],
    'federation party CHAIN KIND NAME --as KEY',
  )
  return registerParty(values, chainOf(chain), kind, name)
}

/** What a chain's rules call a key: for genesis files, and for whoever is to be registered by somebody else. */
async function key(values: Values, rest: string[]): Promise<number> {
  const [chain = ''] = positionals(rest, ['CHAIN'], 'federation key CHAIN --as KEY')
  const account = await withChain(values, chainOf(chain), open => open.accountOf(signerOf(values, open)))
  print(isSet(values, 'json'), { chain, key: account }, () => [account])
  return EXIT.yes
}

/** Any rule, by its name: what has no command of its own, or for programs. */
async function call(values: Values, rest: string[]): Promise<number> {
  const [chain = '', rule = '', given = ''] = positionals(
    rest,
    ['CHAIN', 'RULE', 'JSON'],
    'federation call CHAIN RULE JSON|@FILE|- --as KEY',
  )
  if (!Object.hasOwn(RULES, rule))
    throw new CliError('usage', `"${rule}" is no rule; these are: ${Object.keys(RULES).join(', ')}`)
  const text =
    given === '-' ? readInput('-').toString() : given.startsWith('@') ? readInput(given.slice(1)).toString() : given
  let args: unknown
  try {
    args = JSON.parse(text)
  } catch (cause) {
    throw new CliError('usage', `the arguments are no JSON: ${(cause as Error).message}`, { cause })
  }
  if (!Array.isArray(args)) throw new CliError('usage', 'the arguments are a JSON list, in the order of the rule')
  return perform(values, chainOf(chain), rule as RuleName, args as never)
}

async function get(values: Values, rest: string[]): Promise<number> {
  const [chain = '', kind = '', id = ''] = positionals(rest, ['CHAIN', 'KIND', 'ID'], 'federation get CHAIN KIND ID')
  const name = chainOf(chain)
  const found = await reading(values, name, async open => open.get(kind as Kind, id, integerOf(values, 'block', 0)))
  print(isSet(values, 'json'), found, () => [
    found.value === undefined ? `${chain} has no ${kind} ${id}` : JSON.stringify(found.value, undefined, 2),
    `${found.level} at block ${found.block} (${formatTime(found.time)})`,
  ])
  return found.value === undefined ? EXIT.no : EXIT.yes
}

async function history(values: Values, rest: string[]): Promise<number> {
  const [chain = ''] = positionals(rest, ['CHAIN'], 'federation history CHAIN [--subject ID] [--about ID]')
  const names = openNames(federationDir(values))
  const [subject, about] = [textOf(values, 'subject'), textOf(values, 'about')]
  const events = await reading(values, chainOf(chain), open =>
    open.history({ ...(subject === undefined ? {} : { subject }), ...(about === undefined ? {} : { about }) }),
  )
  print(isSet(values, 'json'), { chain, events }, () =>
    table(
      events.map(e => [
        String(e.block),
        formatTime(e.time),
        e.name,
        names.show(e.subject),
        e.status === undefined ? '' : names.show(e.status),
        `by ${names.show(e.by)}`,
      ]),
    ),
  )
  return EXIT.yes
}
