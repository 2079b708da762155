import { ProductError } from './error.ts'

/** Attributes of a CPE name in the order of the formatted string (NISTIR 7695, 6.2). */
const ATTRIBUTES = [
  'part',
  'vendor',
  'product',
  'version',
  'update',
  'edition',
  'language',
  'swEdition',
  'targetSw',
  'targetHw',
  'other',
] as const
type Attribute = (typeof ATTRIBUTES)[number]

/** Values as the formatted string has them, in lower case: `*` any, `-` not applicable, else with backslashes before what is no letter, digit or `_`. */
export type Cpe = Readonly<Record<Attribute, string>>

const MAX_LENGTH = 1_024
const ANY = '*'

/**
 * A CPE 2.3 name as a formatted string, or a CPE 2.2 URI (NISTIR 7695, 6.1 and 6.2).
 *
 * @throws ProductError `syntax`
 */
export function parseCpe(text: string): Cpe {
  if (text.length > MAX_LENGTH) throw notThat(text)
  const lower = text.toLowerCase()
  const values = lower.startsWith('cpe:2.3:')
    ? splitEscaped(lower.slice(8))
    : lower.startsWith('cpe:/')
      ? fromUri(lower.slice(5), text)
      : []
  const [part = ''] = values
  if (values.length !== ATTRIBUTES.length || !['a', 'o', 'h', ANY, '-'].includes(part)) throw notThat(text)
  if (values.some(value => value === '' || !isValue(value))) throw notThat(text)
  return Object.fromEntries(ATTRIBUTES.map((name, i) => [name, values[i] ?? ANY])) as Cpe
}

/** The formatted string. */
export const formatCpe = (cpe: Cpe): string => `cpe:2.3:${ATTRIBUTES.map(name => cpe[name]).join(':')}`

/** A value without its backslashes: a version as others write it. */
export const plain = (value: string): string => value.replaceAll(/\\(.)/g, '$1')

/**
 * Whether a name is among those that the pattern names (NISTIR 7696, 6: each attribute of the pattern a superset of the name's, or equal), its version
 * left out: a pattern's version is one of a name, and what versions are affected is said otherwise.
 */
export function isProduct(pattern: Cpe, cpe: Cpe): boolean {
  return ATTRIBUTES.every(name => name === 'version' || name === 'update' || covers(pattern[name], cpe[name]))
}

/** A name that leaves an attribute open is not one that a pattern with a value there is about. */
function covers(pattern: string, value: string): boolean {
  if (pattern === ANY || pattern === value) return true
  if (pattern === '-' || value === '-' || value === ANY) return false
  return matchesEnds(pattern, value)
}

/** Unquoted `*` and `?` stand at the beginning and the end only (NISTIR 7695, 5.3.2). */
function matchesEnds(pattern: string, value: string): boolean {
  let from = 0
  while (pattern[from] === '*' || pattern[from] === '?') from++
  let to = pattern.length
  while (to > from && (pattern[to - 1] === '*' || pattern[to - 1] === '?') && pattern[to - 2] !== '\\') to--
  if (from === 0 && to === pattern.length) return false
  const [before, middle, after] = [pattern.slice(0, from), pattern.slice(from, to), pattern.slice(to)]
  for (let at = value.indexOf(middle); at >= 0; at = value.indexOf(middle, at + 1)) {
    if (fits(before, plain(value.slice(0, at)).length) && fits(after, plain(value.slice(at + middle.length)).length)) {
      return true
    }
  }
  return false
}

/** `*` any number of characters, each `?` none or one. */
const fits = (wildcards: string, length: number): boolean => wildcards.includes('*') || length <= wildcards.length

function splitEscaped(text: string): string[] {
  const values: string[] = []
  let value = ''
  for (let at = 0; at < text.length; at++) {
    if (text[at] === ':') {
      values.push(value)
      value = ''
    } else if (text[at] === '\\') value += text.slice(at, ++at + 1)
    else value += text[at]
  }
  return [...values, value]
}

/** Every character but letters, digits, `_` stands behind a backslash; `*` and `?` may stand alone at the ends. */
function isValue(value: string): boolean {
  if (value === ANY || value === '-') return true
  for (let at = 0; at < value.length; at++) {
    if (value[at] === '\\') {
      if (++at >= value.length) return false
    } else if (!/[a-z0-9_*?.\-~\u0080-\uffff]/.test(value[at] ?? '')) return false
  }
  return true
}

/** The URI binding: seven parts, percent-encoded; `~` packs five attributes into the edition. */
function fromUri(text: string, whole: string): string[] {
  const parts = text.split(':')
  if (parts.length > 7) throw notThat(whole)
  const [part = '', vendor = '', product = '', version = '', update = '', edition = '', language = ''] = parts
  const packed = edition.startsWith('~') ? edition.slice(1).split('~') : [edition]
  const [own = '', swEdition = '', targetSw = '', targetHw = '', other = ''] = packed
  return [part, vendor, product, version, update, own, language, swEdition, targetSw, targetHw, other].map(value =>
    bindUri(value, whole),
  )
}

function bindUri(value: string, whole: string): string {
  if (value === '') return ANY
  if (value === '-') return value
  let text: string
  try {
    // %01 and %02 are unquoted `?` and `*` (NISTIR 7695, 6.1.2).
    text = decodeURIComponent(value)
  } catch (cause) {
    throw new ProductError('syntax', notThat(whole).message, { cause })
  }
  let bound = ''
  for (const character of text) {
    if (character === '\u0001') bound += '?'
    else if (character === '\u0002') bound += '*'
    else bound += /[a-z0-9_\u0080-\u{10ffff}]/u.test(character) ? character : `\\${character}`
  }
  return bound
}

const notThat = (text: string): ProductError =>
  new ProductError(
    'syntax',
    `${JSON.stringify(text.slice(0, 200))} is no CPE name: cpe:2.3: and eleven parts, or cpe:/`,
  )
