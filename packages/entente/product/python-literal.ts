import { ProductError } from './error.ts'

/**
 * The texts of a Python set, list or tuple of strings, as `repr` writes it and data sets have it in CSV: `{'a', "b'c"}`, `['a']`, `set()`.
 *
 * @throws ProductError `syntax`
 */
export function parseTexts(literal: string): string[] {
  if (literal === '' || literal === 'set()') return []
  const texts: string[] = []
  let at = 1
  if (!'{[('.includes(literal[0] ?? ' ')) throw notThat(literal)
  while (at < literal.length - 1) {
    const quote = literal[at]
    if (quote !== "'" && quote !== '"') throw notThat(literal)
    let text = ''
    for (at++; literal[at] !== quote; at++) {
      if (at >= literal.length - 1) throw notThat(literal)
      if (literal[at] === '\\') at++
      text += literal[at]
    }
    texts.push(text)
    at++
    if (literal[at] === ',') at += literal[at + 1] === ' ' ? 2 : 1
    else if (at !== literal.length - 1) throw notThat(literal)
  }
  return texts
}

const notThat = (literal: string): ProductError =>
  new ProductError('syntax', `not a Python collection of texts: ${JSON.stringify(literal.slice(0, 80))}`)
