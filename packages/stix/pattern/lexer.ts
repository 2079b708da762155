/** The tokens of a pattern, one at a time, in one pass and without regular expressions. */
import { isBase64, isHex } from '../encoding.ts'
import { scanTimestamp } from '../timestamp.ts'
import type { Spelling } from './ast.ts'
import { PatternError, type PatternErrorCode } from './error.ts'

/** Words that are no names; in a path they stand in apostrophes. */
export const KEYWORDS = [
  'AND',
  'OR',
  'NOT',
  'FOLLOWEDBY',
  'LIKE',
  'MATCHES',
  'ISSUPERSET',
  'ISSUBSET',
  'EXISTS',
  'IN',
  'START',
  'STOP',
  'SECONDS',
  'WITHIN',
  'REPEATS',
  'TIMES',
  'true',
  'false',
] as const

export type TokenKind =
  | (typeof KEYWORDS)[number]
  | '['
  | ']'
  | '('
  | ')'
  | ':'
  | '.'
  | ','
  | '*'
  | '='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  | 'name'
  /** A name with a hyphen in it: an object type; a property is one only in apostrophes (section 9.7). */
  | 'hyphenated name'
  | 'integer'
  | 'float'
  | 'string'
  | 'hex'
  | 'binary'
  | 'timestamp'
  | 'end'

const keywords: ReadonlyMap<string, TokenKind> = new Map(KEYWORDS.map(word => [word, word]))
const PUNCTUATION = '[]():.,*'

/** Code points with the property White_Space (section 9.4). */
const isWhitespace = (code: number): boolean =>
  code === 32 ||
  (code >= 9 && code <= 13) ||
  (code > 127 &&
    (code === 0x85 ||
      code === 0xa0 ||
      code === 0x1680 ||
      (code >= 0x2000 && code <= 0x200a) ||
      code === 0x2028 ||
      code === 0x2029 ||
      code === 0x202f ||
      code === 0x205f ||
      code === 0x3000))

const isDigit = (code: number): boolean => code >= 48 && code <= 57
const isLetter = (code: number): boolean => (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95

export class Lexer {
  readonly text: string
  /** The current token: its kind, where it begins, and what it says. */
  kind: TokenKind = 'end'
  start = 0
  value = ''
  number = 0
  spellings: Spelling[] | undefined = undefined
  #at = 0

  constructor(text: string) {
    this.text = text
    this.next()
  }

  fail(code: PatternErrorCode, section: string, reason: string, offset: number = this.start): never {
    throw new PatternError(code, this.text, offset, section, reason)
  }

  /** The current token for a message. */
  shown(): string {
    if (this.kind === 'end') return 'the end'
    const text = this.text.slice(this.start, this.#at)
    return text.length > 40 ? `${text.slice(0, 40)}…` : text
  }

  next(): void {
    this.#skip()
    const { text } = this
    this.start = this.#at
    if (this.#at >= text.length) {
      this.kind = 'end'
      return
    }
    const code = text.charCodeAt(this.#at)
    if (isLetter(code)) return this.#word(code)
    if (code === 39) return this.#string()
    const after = text.charCodeAt(this.#at + 1)
    if (isDigit(code) || ((code === 45 || code === 46) && isDigit(after))) return this.#number(code)
    if (code === 45 && after === 46 && isDigit(text.charCodeAt(this.#at + 2))) return this.#number(code)
    if (code === 43) this.fail('constant', '9.2', 'a positive number has no plus sign')
    const character = text.charAt(this.#at)
    if (PUNCTUATION.includes(character)) return this.#take(character as TokenKind, 1)
    if (character === '=') {
      if (after === 61) this.#odd('the operator is =, not ==')
      return this.#take('=', after === 61 ? 2 : 1)
    }
    if (character === '!' && after === 61) return this.#take('!=', 2)
    if (character === '<' && after === 62) {
      this.#odd('the operator is !=, not <>')
      return this.#take('!=', 2)
    }
    if (character === '<' || character === '>') {
      return after === 61 ? this.#take(`${character}=`, 2) : this.#take(character, 1)
    }
    const shown = JSON.stringify(String.fromCodePoint(text.codePointAt(this.#at) ?? code))
    this.fail('character', '9.4', `${shown} begins no part of a pattern`)
  }

  #take(kind: TokenKind, length: number): void {
    this.kind = kind
    this.#at += length
  }

  #odd(message: string): void {
    this.spellings ??= []
    // As many as there are tokens; more than these tell nothing new.
    if (this.spellings.length < 100) this.spellings.push({ at: this.#at, message })
  }

  /** White space and, with a notice, the comments of the OASIS grammar. */
  #skip(): void {
    const { text } = this
    for (;;) {
      while (this.#at < text.length && isWhitespace(text.charCodeAt(this.#at))) this.#at++
      if (text.charCodeAt(this.#at) !== 47) return
      const after = text.charCodeAt(this.#at + 1)
      if (after !== 42 && after !== 47) return
      this.#odd('the pattern language has no comments')
      if (after === 42) {
        const end = text.indexOf('*/', this.#at + 2)
        if (end < 0) this.fail('syntax', '9.4', 'a comment without an end', this.#at)
        this.#at = end + 2
      } else {
        while (this.#at < text.length && text.charCodeAt(this.#at) !== 10 && text.charCodeAt(this.#at) !== 13)
          this.#at++
      }
    }
  }

  #word(first: number): void {
    const { text } = this
    if (text.charCodeAt(this.#at + 1) === 39) {
      if (first === 104) return this.#octets('hex')
      if (first === 98) return this.#octets('binary')
      if (first === 116) return this.#timestamp()
    }
    let hyphen = false
    let at = this.#at + 1
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === 45) hyphen = true
      else if (!isLetter(code) && !isDigit(code)) break
    }
    this.value = text.slice(this.#at, at)
    this.#at = at
    this.kind = hyphen ? 'hyphenated name' : (keywords.get(this.value) ?? 'name')
  }

  /** `'…'`: only the apostrophe and the backslash may follow a backslash (section 9.2). */
  #string(): void {
    const { text } = this
    let escaped = false
    let at = this.#at + 1
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === 39) break
      if (code !== 92) continue
      escaped = true
      at++
      const after = text.charCodeAt(at)
      if (after !== 39 && after !== 92 && at < text.length) {
        this.fail('constant', '9.2', 'after a backslash comes an apostrophe or a backslash: write \\\\ for one', at - 1)
      }
    }
    if (at >= text.length) this.fail('constant', '9.2', 'a string without its closing apostrophe')
    const raw = text.slice(this.#at + 1, at)
    this.value = escaped ? unescape(raw) : raw
    this.#at = at + 1
    this.kind = 'string'
  }

  /** From `x'` to the next apostrophe: constants with a prefix have no escapes. */
  #quoted(what: string): string {
    const end = this.text.indexOf("'", this.#at + 2)
    if (end < 0) this.fail('constant', '9.2', `a ${what} constant without its closing apostrophe`)
    const content = this.text.slice(this.#at + 2, end)
    this.#at = end + 1
    return content
  }

  #octets(kind: 'hex' | 'binary'): void {
    const content = this.#quoted(kind)
    this.kind = kind
    this.value = kind === 'binary' ? content.replaceAll('\n', '').replaceAll('\r', '') : content
    if (this.value.length === 0) return
    if (kind === 'hex' && !isHex(content)) {
      this.fail('constant', '9.2', 'a hex constant is an even number of 0-9 and a-f')
    }
    if (kind === 'binary' && !isBase64(this.value)) {
      this.fail('constant', '9.2', 'a binary constant is base64 with padding (RFC 4648)')
    }
  }

  #timestamp(): void {
    this.value = this.#quoted('timestamp')
    this.kind = 'timestamp'
    if (scanTimestamp(this.value) >= 0) return
    this.fail('constant', '9.2', 'no date and time YYYY-MM-DDTHH:MM:SS[.s+]Z of the calendar')
  }

  #number(first: number): void {
    const { text } = this
    let at = first === 45 ? this.#at + 1 : this.#at
    const digits = at
    while (isDigit(text.charCodeAt(at))) at++
    const whole = text.charCodeAt(at) !== 46
    if (at - digits > 1 && text.charCodeAt(digits) === 48) {
      this.fail('constant', '9.2', 'a number has no leading zeros')
    }
    if (!whole) {
      at++
      const fraction = at
      while (isDigit(text.charCodeAt(at))) at++
      if (at === fraction) this.fail('constant', '9.2', 'a number needs digits after the point')
    }
    if (isLetter(text.charCodeAt(at))) {
      this.fail('constant', '9.2', 'a number ends in a letter: numbers have no exponent, and texts need apostrophes')
    }
    const value = Number(text.slice(this.#at, at))
    if (whole ? !Number.isSafeInteger(value) : !Number.isFinite(value)) {
      this.fail('constant', whole ? '2.10' : '2.6', `a number beyond ${whole ? '±(2^53-1)' : 'the range of a float'}`)
    }
    // Negative zero is zero.
    this.number = value === 0 ? 0 : value
    this.kind = whole ? 'integer' : 'float'
    this.#at = at
  }
}

/** Leave out the backslash of each pair. */
function unescape(raw: string): string {
  let result = ''
  let from = 0
  for (let at = raw.indexOf('\\'); at >= 0; at = raw.indexOf('\\', at + 2)) {
    result += raw.slice(from, at)
    from = at + 1
  }
  return result + raw.slice(from)
}
