/** STIX identifiers (section 2.9): `object-type--UUID`. */
import { isTypeName } from './names.ts'

/** Length of a UUID as text, and of the `--` before it. */
const UUID = 36
const TAIL = UUID + 2

/** What `scanIdentifier` returns for text that is no identifier. */
export const NOT_AN_IDENTIFIER = -1

const hexDigit = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70)

/**
 * The version of the UUID (RFC 4122 section 4.1.3) in an identifier, 1 to 8, or `NOT_AN_IDENTIFIER`. The UUID must have
 * the variant of RFC 4122 (4.1.1); digits may be upper case (section 3). Versions 6 to 8 came with RFC 9562. The type
 * part is checked for its syntax only. Allocates nothing.
 */
export function scanIdentifier(text: string): number {
  const start = text.length - UUID
  if (start < 5 || text.charCodeAt(start - 1) !== 45 || text.charCodeAt(start - 2) !== 45) return NOT_AN_IDENTIFIER
  for (let at = 0; at < UUID; at++) {
    const code = text.charCodeAt(start + at)
    if (at === 8 || at === 13 || at === 18 || at === 23 ? code !== 45 : !hexDigit(code)) return NOT_AN_IDENTIFIER
  }
  const version = text.charCodeAt(start + 14) - 48
  if (version < 1 || version > 8) return NOT_AN_IDENTIFIER
  const variant = text.charCodeAt(start + 19)
  if (variant !== 56 && variant !== 57 && (variant | 32) !== 97 && (variant | 32) !== 98) return NOT_AN_IDENTIFIER
  return isTypeName(text, start - 2) ? version : NOT_AN_IDENTIFIER
}

/** Whether the type part of an identifier is `type`. */
export const isIdentifierOf = (identifier: string, type: string): boolean =>
  identifier.length === type.length + TAIL && identifier.startsWith(type)

/** The type part of an identifier; `undefined` if `text` is no identifier. */
export const identifierType = (text: string): string | undefined =>
  scanIdentifier(text) === NOT_AN_IDENTIFIER ? undefined : text.slice(0, text.length - TAIL)
