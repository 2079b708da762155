/** Addresses and names of the Internet, as section 6 demands them. Scanners: one pass, no regular expressions. */

const isDigit = (code: number): boolean => code >= 48 && code <= 57
const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122 && code >= 65
const isHexDigit = (code: number): boolean => isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 102 && code >= 65)

/** A decimal number without leading zeros in `text` from `start` to `end`, or -1 if it is none or more than `max`. */
function decimalBetween(text: string, start: number, end: number, max: number): number {
  if (end <= start || end - start > 3 || (end - start > 1 && text.charCodeAt(start) === 48)) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (!isDigit(code)) return -1
    value = value * 10 + code - 48
  }
  return value <= max ? value : -1
}

/** Four octets from `start` to `end`. */
function isDotted(text: string, start: number, end: number): boolean {
  let octets = 0
  for (let from = start, at = start; at <= end; at++) {
    if (at < end && text.charCodeAt(at) !== 46) continue
    if (++octets > 4 || decimalBetween(text, from, at, 255) < 0) return false
    from = at + 1
  }
  return octets === 4
}

/** Where the address ends and its prefix length begins, or -1 if that is no number up to `max`. */
function addressEnd(text: string, max: number): number {
  const slash = text.indexOf('/')
  if (slash < 0) return text.length
  return decimalBetween(text, slash + 1, text.length, max) < 0 ? -1 : slash
}

/** An IPv4 address, or several in CIDR notation (section 6.8.1). */
export function isIpv4(text: string): boolean {
  const end = text.length <= 18 ? addressEnd(text, 32) : -1
  return end >= 0 && isDotted(text, 0, end)
}

/** An IPv6 address (RFC 4291 section 2.2), or several in CIDR notation (section 6.9.1). */
export function isIpv6(text: string): boolean {
  const end = text.length <= 49 ? addressEnd(text, 128) : -1
  if (end < 2) return false
  let groups = 0
  let gap = text.startsWith('::')
  for (let at = gap ? 2 : 0; at < end; ) {
    const start = at
    while (isHexDigit(text.charCodeAt(at))) at++
    if (text.charCodeAt(at) === 46) {
      if (!isDotted(text, start, end)) return false
      groups += 2
      break
    }
    if (at === start || at - start > 4) return false
    groups++
    if (at === end) break
    if (text.charCodeAt(at) !== 58 || at + 1 === end) return false
    at++
    if (text.charCodeAt(at) !== 58) continue
    if (gap) return false
    gap = true
    at++
  }
  return gap ? groups < 8 : groups === 8
}

/** A MAC-48 address in lower case: six octets with leading zeros between colons (section 6.10.1). */
export function isMac(text: string): boolean {
  if (text.length !== 17) return false
  for (let at = 0; at < 17; at++) {
    const code = text.charCodeAt(at)
    if (at % 3 === 2 ? code !== 58 : !isDigit(code) && !(code >= 97 && code <= 102)) return false
  }
  return true
}

/**
 * A domain name (RFC 1034 section 3.1, RFC 5890): labels of 1 to 63 octets of letters, digits and inner hyphens, 253 in
 * all. Underscores are let through, as in the names of services (RFC 8552), and so are characters beyond ASCII (U-labels).
 */
export function isDomainName(text: string): boolean {
  const end = text.endsWith('.') ? text.length - 1 : text.length
  if (end < 1 || end > 253) return false
  let start = 0
  for (let at = 0; at <= end; at++) {
    const code = at === end ? 46 : text.charCodeAt(at)
    if (code === 46) {
      if (at === start || at - start > 63 || text.charCodeAt(start) === 45 || text.charCodeAt(at - 1) === 45)
        return false
      start = at + 1
    } else if (!isLetter(code) && !isDigit(code) && code !== 45 && code !== 95 && code < 0xa1) return false
  }
  return true
}

const ATOM = "!#$%&'*+-/=?^_`{|}~"

/** The `addr-spec` of RFC 5322 section 3.4.1 (section 6.5.1): no display name, no comments. */
export function isEmailAddress(text: string): boolean {
  const sign = text.lastIndexOf('@')
  if (sign < 1 || text.length > 320) return false
  const domain = text.slice(sign + 1)
  if (!isDomainName(domain) && !(domain.startsWith('[') && domain.endsWith(']'))) return false
  if (text.startsWith('"')) {
    for (let at = 1; at < sign - 1; at++) {
      if (text.charCodeAt(at) === 92) at++
      else if (text.charCodeAt(at) === 34) return false
    }
    return sign > 2 && text.charCodeAt(sign - 1) === 34
  }
  for (let at = 0; at < sign; at++) {
    const code = text.charCodeAt(at)
    if (code === 46) {
      if (at === 0 || at === sign - 1 || text.charCodeAt(at - 1) === 46) return false
    } else if (!isLetter(code) && !isDigit(code) && code < 0xa1 && !ATOM.includes(text.charAt(at))) return false
  }
  return true
}

/** Characters of RFC 3986 section 2: 1 unreserved and sub-delims, `:`, `@`, `/`, `?`; 2 the brackets of an IPv6 host. */
const URI = new Uint8Array(128)
for (const character of "-._~!$&'()*+,;=:@/?") URI[character.charCodeAt(0)] = 1
for (let code = 48; code < 123; code++) if (isDigit(code) || isLetter(code)) URI[code] = 1
URI[91] = 2
URI[93] = 2

/** A URI with its scheme (RFC 3986 section 3): something after the scheme, one fragment, brackets only in the host. */
export function isUri(text: string): boolean {
  const colon = text.indexOf(':')
  if (colon < 1 || colon === text.length - 1 || !isLetter(text.charCodeAt(0))) return false
  for (let at = 1; at < colon; at++) {
    const code = text.charCodeAt(at)
    if (!isLetter(code) && !isDigit(code) && code !== 43 && code !== 45 && code !== 46) return false
  }
  let hostEnd = colon
  if (text.startsWith('//', colon + 1)) {
    hostEnd = colon + 3
    while (hostEnd < text.length && !'/?#'.includes(text.charAt(hostEnd))) hostEnd++
  }
  let fragment = false
  for (let at = colon + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const kind = code < 128 ? URI[code] : 0
    if (kind === 1) continue
    if (kind === 2 && at < hostEnd) continue
    if (code === 37 && isHexDigit(text.charCodeAt(at + 1)) && isHexDigit(text.charCodeAt(at + 2))) continue
    if (code !== 35 || fragment) return false
    fragment = true
  }
  return true
}
