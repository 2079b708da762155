/** Versions of Debian packages: `[epoch:]upstream[-revision]`, in the order of deb-version(7). */
export function compareDeb(a: string, b: string): number {
  const [x, y] = [splitDeb(a), splitDeb(b)]
  return x.epoch - y.epoch || compareParts(x.upstream, y.upstream) || compareParts(x.revision, y.revision)
}

const splitDeb = (text: string) => splitEpoch(text, rest => rest.lastIndexOf('-'))

/** `[epoch:]upstream[-revision]`. @param dash where the revision's is; negative: there is none */
export function splitEpoch(
  text: string,
  dash: (rest: string) => number,
): { epoch: number; upstream: string; revision: string } {
  const colon = text.indexOf(':')
  const rest = text.slice(colon + 1)
  const at = dash(rest)
  return {
    epoch: colon < 0 ? 0 : Number(text.slice(0, colon)),
    upstream: at < 0 ? rest : rest.slice(0, at),
    revision: at < 0 ? '' : rest.slice(at + 1),
  }
}

const isDigit = (character: string | undefined): boolean =>
  character !== undefined && character >= '0' && character <= '9'

/** `~` before the end, the end before letters, letters before all others. */
function weight(character: string | undefined): number {
  if (character === '~') return -1
  if (character === undefined || isDigit(character)) return 0
  const isLetter = (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z')
  return character.charCodeAt(0) + (isLetter ? 0 : 256)
}

/** What is no digit, then digits as a number, by turns. */
function compareParts(a: string, b: string): number {
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a[i])) || (j < b.length && !isDigit(b[j]))) {
      const order = weight(a[i]) - weight(b[j])
      if (order !== 0) return order
      i++
      j++
    }
    const [n, m] = [digitsAt(a, i), digitsAt(b, j)]
    const order = compareDigits(n, m)
    if (order !== 0) return order
    i += n.length
    j += m.length
  }
  return 0
}

export function digitsAt(text: string, start: number): string {
  let at = start
  while (isDigit(text[at])) at++
  return text.slice(start, at)
}

/** Numbers of any length, written in digits. */
export function compareDigits(a: string, b: string): number {
  const [x, y] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  return x.length - y.length || (x < y ? -1 : x > y ? 1 : 0)
}
