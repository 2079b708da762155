import { CliError } from './errors.ts'

type Values = Record<string, unknown>

/** Readers of parsed options. Each names the option that is wrong. */
export const textOf = (values: Values, name: string): string | undefined => values[name] as string | undefined
export const isSet = (values: Values, name: string): boolean => values[name] === true

/** An option that may be repeated or hold several values with commas between; undefined where it is not given. */
export function listOf(values: Values, name: string): string[] | undefined {
  const given = values[name]
  if (given === undefined) return undefined
  const list = (Array.isArray(given) ? (given as string[]) : [given as string]).flatMap(text => text.split(','))
  if (list.some(text => text === '')) throw new CliError('usage', `--${name} has an empty value`)
  return list
}

export function integerOf(
  values: Values,
  name: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const text = textOf(values, name)
  if (text === undefined) return undefined
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(number >= least && number <= most))
    throw new CliError('usage', `--${name} is "${text}": a whole number of at least ${least} is wanted`)
  return number
}

/** Exactly these positional arguments. */
export function positionals(given: string[], names: string[], usage: string): string[] {
  if (given.length === names.length) return given
  const what =
    given.length < names.length ? `${names[given.length]} is missing` : `"${given[names.length]}" is too much`
  throw new CliError('usage', `${what}\nUsage: entente ${usage}`)
}
