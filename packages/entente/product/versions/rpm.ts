import { compareDigits, digitsAt, splitEpoch } from './deb.ts'

/** Versions of RPM packages: `[epoch:]version[-release]`, in the order of rpm-version(7). */
export function compareRpm(a: string, b: string): number {
  const [x, y] = [splitRpm(a), splitRpm(b)]
  const order = x.epoch - y.epoch || compareSegments(x.upstream, y.upstream)
  // A version without a release is about all releases of it.
  return order || (x.revision === '' || y.revision === '' ? 0 : compareSegments(x.revision, y.revision))
}

const splitRpm = (text: string) => splitEpoch(text, rest => rest.indexOf('-'))

const isAlphanumeric = (character: string | undefined): boolean =>
  character !== undefined && /[A-Za-z0-9]/.test(character)
const isSeparator = (character: string | undefined): boolean =>
  character !== undefined && character !== '~' && character !== '^' && !isAlphanumeric(character)

function lettersAt(text: string, start: number): string {
  let at = start
  while (/[A-Za-z]/.test(text[at] ?? '')) at++
  return text.slice(start, at)
}

/** Segment by segment: `~` before the end, the end before `^`, letters before digits. */
function compareSegments(a: string, b: string): number {
  let [i, j] = [0, 0]
  for (;;) {
    while (isSeparator(a[i])) i++
    while (isSeparator(b[j])) j++
    if (a[i] === '~' || b[j] === '~') {
      if (a[i] !== '~') return 1
      if (b[j] !== '~') return -1
      i++
      j++
      continue
    }
    if (a[i] === '^' || b[j] === '^') {
      if (i >= a.length) return -1
      if (j >= b.length) return 1
      if (a[i] !== '^') return 1
      if (b[j] !== '^') return -1
      i++
      j++
      continue
    }
    if (i >= a.length || j >= b.length) return (i < a.length ? 1 : 0) - (j < b.length ? 1 : 0)
    const digits = digitsAt(a, i)
    if (digits !== '') {
      const others = digitsAt(b, j)
      if (others === '') return 1
      const order = compareDigits(digits, others)
      if (order !== 0) return order
      i += digits.length
      j += others.length
      continue
    }
    const letters = lettersAt(a, i)
    const others = lettersAt(b, j)
    if (others === '') return -1
    if (letters !== others) return letters < others ? -1 : 1
    i += letters.length
    j += others.length
  }
}
