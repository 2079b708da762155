/** Names that other registries give: CPE, CVE, CAPEC, media types. Scanners: one pass, no regular expressions. */

const isDigit = (code: number): boolean => code >= 48 && code <= 57
const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122 && code >= 65

/** Whether all of `text` from `start` on is digits, `min` to `max` of them. */
function hasDigits(text: string, start: number, end: number, min: number, max: number): boolean {
  if (end - start < min || end - start > max) return false
  for (let at = start; at < end; at++) if (!isDigit(text.charCodeAt(at))) return false
  return true
}

/** A CVE identifier: `CVE-`, a year, and a number of four digits or more, with zeros in front only up to four. */
export function isCve(text: string): boolean {
  return (
    text.startsWith('CVE-') &&
    hasDigits(text, 4, 8, 4, 4) &&
    text.charCodeAt(8) === 45 &&
    hasDigits(text, 9, text.length, 4, 19) &&
    (text.length === 13 || text.charCodeAt(9) !== 48)
  )
}

/** A CAPEC identifier: `CAPEC-` and a number (section 4.1.1). */
export const isCapec = (text: string): boolean => text.startsWith('CAPEC-') && hasDigits(text, 6, text.length, 1, 19)

/** The end of a component of a CPE name that begins at `start`, or -1: `*`, `-`, or text with wildcards at its ends. */
function componentEnd(text: string, start: number): number {
  let at = start
  while (text.charCodeAt(at) === 63) at++
  if (at === start && text.charCodeAt(at) === 42) at++
  const body = at
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 92) {
      // A backslash quotes one printable ASCII character that is no letter, digit or underscore.
      const next = text.charCodeAt(++at)
      if (!(next > 32 && next < 127) || isLetter(next) || isDigit(next)) return -1
    } else if (!isLetter(code) && !isDigit(code) && code !== 45 && code !== 46 && code !== 95) break
  }
  const end = at
  while (text.charCodeAt(at) === 63) at++
  if (at === end && end > body && text.charCodeAt(at) === 42) at++
  return at === start ? -1 : at
}

/** A CPE 2.3 name as a formatted string (NISTIR 7695 section 6.2; section 6.14.1): `cpe:2.3:`, a part and ten more. */
export function isCpe(text: string): boolean {
  if (!text.startsWith('cpe:2.3:') || text.length > 1_000 || !'aho*-'.includes(text.charAt(8)) || text.length < 10) {
    return false
  }
  let at = 9
  for (let component = 0; component < 10; component++) {
    if (text.charCodeAt(at) !== 58) return false
    at = componentEnd(text, at + 1)
    if (at < 0) return false
  }
  return at === text.length
}

const TOP_LEVEL: ReadonlySet<string> = new Set(
  'application audio example font haptics image message model multipart text video'.split(' '),
)

/** `type/subtype` with a top-level type of the IANA registry and a subtype of the form of RFC 6838 section 4.2. */
export function isMediaType(text: string): boolean {
  const slash = text.indexOf('/')
  if (slash < 0 || !TOP_LEVEL.has(text.slice(0, slash).toLowerCase())) return false
  const length = text.length - slash - 1
  if (length < 1 || length > 127) return false
  for (let at = slash + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (isLetter(code) || isDigit(code)) continue
    if (at === slash + 1 || !'!#$&-^_.+'.includes(text.charAt(at))) return false
  }
  return true
}
