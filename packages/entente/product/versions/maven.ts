import { compareDigits } from './deb.ts'

/**
 * Versions of Maven artifacts, in the order of the POM reference ("Version Order Specification"): tokens between dots, hyphens and changes from digits to letters, trailing null
 * tokens before each hyphen left out, qualifiers in their own order.
 */
export function compareMaven(a: string, b: string): number {
  const [x, y] = [tokens(a), tokens(b)]
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const [one, other] = [x[i], y[i]]
    const order = compareTokens(one ?? padding(other), other ?? padding(one))
    if (order !== 0) return order
  }
  return 0
}

type Token = { separator: '.' | '-'; text: string }

/** Shorter versions are padded with what stands for nothing after the same separator. */
const padding = (like: Token | undefined): Token => ({
  separator: like?.separator ?? '.',
  text: like !== undefined && isNumber(like.text) ? '0' : '',
})

const isNumber = (text: string): boolean => /^[0-9]+$/.test(text)
const NULLS = new Set(['', '0', 'final', 'ga', 'release'])
/** Before the release, which is the empty qualifier; behind it `sp`, then others by their letters. */
const QUALIFIERS = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp']
const ALIASES: Readonly<Record<string, string>> = { cr: 'rc', final: '', ga: '', release: '' }
const SHORT: Readonly<Record<string, string>> = { a: 'alpha', b: 'beta', m: 'milestone' }

function tokens(version: string): Token[] {
  const found: Token[] = []
  let separator: Token['separator'] = '.'
  let text = ''
  const push = (isBeforeDigit: boolean): void => {
    const trimmed = isNumber(text) ? text.replace(/^0+/, '') || '0' : text
    found.push({ separator, text: isBeforeDigit ? (SHORT[trimmed] ?? trimmed) : trimmed })
    text = ''
  }
  for (const character of version.toLowerCase()) {
    if (character === '.' || character === '-' || character === '_') {
      push(false)
      separator = character === '.' ? '.' : '-'
    } else if (text !== '' && isNumber(character) !== isNumber(text.at(-1) ?? '')) {
      push(isNumber(character))
      separator = '-'
      text = character
    } else text += character
  }
  push(false)
  return trim(found)
}

/** Nulls at the end, and before each hyphen, go. */
function trim(found: Token[]): Token[] {
  const kept: Token[] = []
  for (let i = found.length - 1; i >= 0; i--) {
    const token = found[i]
    if (token === undefined) continue
    const follower = kept[0]
    const isLast = follower === undefined || follower.separator === '-'
    if (i > 0 && isLast && NULLS.has(token.text)) {
      // What follows a hyphen keeps it when a null before it goes.
      continue
    }
    kept.unshift(token)
  }
  return kept
}

/** Qualifiers after a dot < after a hyphen < numbers after a hyphen < numbers after a dot. */
function compareTokens(a: Token, b: Token): number {
  const [x, y] = [kind(a), kind(b)]
  if (isNumber(a.text) && isNumber(b.text)) return x - y || compareDigits(a.text, b.text)
  if (isNumber(a.text) !== isNumber(b.text)) return isNumber(a.text) ? 1 : -1
  return compareQualifiers(a.text, b.text)
}

const kind = ({ separator }: Token): number => (separator === '.' ? 1 : 0)

function compareQualifiers(a: string, b: string): number {
  const [x, y] = [ALIASES[a] ?? a, ALIASES[b] ?? b]
  const rank = (text: string): number => (QUALIFIERS.includes(text) ? QUALIFIERS.indexOf(text) : QUALIFIERS.length)
  return rank(x) - rank(y) || (x < y ? -1 : x > y ? 1 : 0)
}
