import { existsSync } from 'node:fs'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { Refusal, type RefusalCode, ROWS, type RuleArguments, type RuleName } from '@entente/rules'
import { CliError, EXIT } from '../errors.ts'
import { print } from '../print.ts'
import { isSet, textOf } from '../values.ts'
import { keyFileOf, type OpenChain, readSigner } from './chains.ts'
import type { ChainConfig } from './config.ts'
import { connectChain } from './connect.ts'
import { type ChainName, EU, formatChainName, parseChainName, pathsOf } from './layout.ts'
import { type Names, openNames } from './names.ts'

type Values = Record<string, unknown>

/** `--dir`, else ENTENTE_FEDERATION, else `./federation`. */
export const federationDir = (values: Values): string =>
  textOf(values, 'dir') ?? process.env['ENTENTE_FEDERATION'] ?? 'federation'

/** @throws CliError `usage` */
export function chainOf(text: string): ChainName {
  const name = parseChainName(text)
  if (name) return name
  throw new CliError(
    'usage',
    `"${text.slice(0, 80)}" is no chain: EU, or such as FR/artifact, FR/certification, FR/vulnerability`,
  )
}

/** Whose key signs: a file, or COUNTRY/NAME for DIR/COUNTRY/keys/NAME.key (on Fabric keys/fabric/NAME.key). @throws CliError `usage` */
function signerFile(values: Values, config: ChainConfig): string {
  const given = textOf(values, 'as')
  if (given === undefined)
    throw new CliError('usage', 'who signs? Give --as KEYFILE, or such as --as FR/ncca for a key of the folder')
  const [country = '', name, rest] = given.split('/')
  if (!/^[A-Z]{2}$/.test(country) || name === undefined || rest !== undefined) return given
  const inFolder = keyFileOf(config, pathsOf(federationDir(values), country), name)
  return existsSync(inFolder) || !existsSync(given) ? inFolder : given
}

/** Of `--as`, as the chain takes it. @throws CliError `usage` */
export const signerOf = (values: Values, { config }: OpenChain): string =>
  readSigner(config, signerFile(values, config))

/** `--country`, or that of `--as FR/…`. @throws CliError `usage` */
export function countryOf(values: Values): string {
  const country = textOf(values, 'country') ?? textOf(values, 'as')?.split('/')[0] ?? ''
  if (/^[A-Z]{2}$/.test(country) && country !== EU) return country
  throw new CliError('usage', 'on whose chain? Give --country FR')
}

/** Opens a chain for as long as `use` takes. */
export async function withChain<T>(values: Values, name: ChainName, use: (chain: OpenChain) => Promise<T>): Promise<T> {
  const chain = await connectChain(federationDir(values), name)
  try {
    return await use(chain)
  } finally {
    await chain.close()
  }
}

/** Reads a chain. */
export const reading = <T>(values: Values, name: ChainName, use: (chain: RuleChain) => Promise<T>): Promise<T> =>
  withChain(values, name, async chain => use(await chain.reader()))

/**
 * Runs a rule on a chain of the country, signed by `--as`; with `--preview` it only says whether it would be taken.
 *
 * @param more for the answer, beside what every call has
 * @throws CliError `no` that names the row by which it is refused, and what would have to be done
 */
export async function perform<N extends RuleName>(
  values: Values,
  name: ChainName,
  rule: N,
  args: RuleArguments<N>,
  { names, json = {}, lines = [] }: { names?: Names; json?: object; lines?: string[] } = {},
): Promise<number> {
  const isPreview = isSet(values, 'preview')
  const shown = formatChainName(name)
  const receipt = await withChain(values, name, async chain => {
    const signing = await chain.as(signerOf(values, chain))
    try {
      if (!isPreview) return await signing.run(rule, ...args)
      await signing.preview(rule, ...args)
      return undefined
    } catch (error) {
      throw error instanceof Refusal ? explain(error, names ?? openNames(federationDir(values))) : error
    }
  })
  if (receipt !== undefined) names?.keep()
  const at = receipt && { transaction: receipt.transaction, block: receipt.block, time: receipt.time }
  print(
    isSet(values, 'json'),
    { chain: shown, rule, done: !isPreview, ...json, ...at, ...(receipt ? { events: receipt.events } : {}) },
    () =>
      receipt === undefined
        ? [`${shown} would take ${rule}: nothing was sent`]
        : [`${shown}: ${receipt.events.map(e => e.name).join(', ') || rule} in block ${receipt.block}`, ...lines],
  )
  return EXIT.yes
}

/** What would have to be done where a rule says no: shorter than the table, which says the rest (docs/rules.md). */
const WAYS: Partial<Record<RefusalCode, string>> = {
  UnknownKey:
    'the key is of nobody on this chain: register its party (rows 6, 13), wait until the facts of the other chain are copied, or sign with another key',
  RevokedKey: 'sign with a key that was not revoked',
  KeyTaken: 'make a new key: one is of one party, for ever',
  NotActive: 'the party was removed',
  WrongRole: 'sign as one of the parties that the row names',
  WrongCountry: "do this on the chains of the party's own country",
  NotYours: 'ask whoever it belongs to',
  Unknown: 'it is not on this chain: register it first, or wait until the facts of the other chain are copied',
  Exists: 'it is there already: choose another id',
  Missing: 'say what is left out',
  WrongChain: 'this belongs on a chain of another kind',
  OutOfBounds: 'choose a time or a number within the bound; bounds are data of the scheme',
  NotAccredited: 'the accreditation body accredits it first: entente certificate accredit',
  NotAuthorised: 'the NCCA authorises it first: entente certificate authorise',
  NotNotified: 'the NCCA notifies the body first: entente certificate notify',
  NotDelegated:
    'the NCCA delegates (entente certificate delegate) or approves this certificate (entente certificate approve)',
  NotApproved: 'the NCCA approves this certificate first: entente certificate approve',
  OutOfScope: 'the scheme or the scope of the body has no such level, category or evaluation',
  SchemeEnded: 'issue under a scheme that is in force',
  NoSupport: 'the manufacturer says its Article 55 data before it registers the version: entente artifact support',
  Withdrawn: 'a withdrawal is final: issue another certificate',
  Sealed: 'labels wait until the case is disclosed',
  Embargoed: 'wait until the embargo ends, or leave it: entente vulnerability embargo leave',
  Mismatch: 'give exactly what was committed to',
  TooMany: 'wait: announcements of one party in a time are bounded',
  VotedAlready: 'this party has agreed already',
}

/** A refusal for people: by which row, what disagrees, and the way out. */
export function explain({ code, row, details }: Refusal, names: Names): CliError {
  const by = row === 0 ? 'before any row' : `by row ${row} (${ROWS[row]?.action})`
  const values = Object.entries(details)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? names.show(value) : JSON.stringify(value)}`)
  const way = WAYS[code]
  return new CliError(
    'no',
    `refused ${by}: ${code}${values.length > 0 ? ` (${values.join(', ')})` : ''}${way === undefined ? '' : `; ${way}`}. docs/rules.md has the table`,
    { details: { refusal: code, row, ...(row === 0 ? {} : { action: ROWS[row]?.action }), details } },
  )
}
