/**
 * Names (sections 3.1, 7.3.2, 11), scanned by hand in one pass: the patterns published for them in JSON schemas nest
 * repetitions and take exponential time on 30 letters.
 */

/** Names of types, properties and terms have at most so many characters (section 3.1). */
export const MAX_NAME = 250

const lowerLetter = (code: number): boolean => code >= 97 && code <= 122
const numeral = (code: number): boolean => code >= 48 && code <= 57

/** A type name: 3 to 250 of a-z, 0-9 and hyphen, a letter first, no two hyphens in a row. Looks at `text` before `end`. */
export function isTypeName(text: string, end: number = text.length): boolean {
  if (end < 3 || end > MAX_NAME || !lowerLetter(text.charCodeAt(0))) return false
  for (let at = 1; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === 45 ? text.charCodeAt(at - 1) === 45 : !lowerLetter(code) && !numeral(code)) return false
  }
  return true
}

/** A property name: 3 to 250 of a-z, 0-9 and underscore, a letter first. (`id` is the specification's own exception.) */
export function isPropertyName(text: string): boolean {
  if (text.length < 3 || text.length > MAX_NAME || !lowerLetter(text.charCodeAt(0))) return false
  for (let at = 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (!lowerLetter(code) && !numeral(code) && code !== 95) return false
  }
  return true
}

/** A key of a dictionary (section 2.3) or, with `min` 3, of hashes (2.7): a-z, A-Z, 0-9, hyphen, underscore; at most 250. */
export function isDictionaryKey(text: string, min = 1): boolean {
  if (text.length < min || text.length > MAX_NAME) return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (!lowerLetter(code | 32) && !numeral(code) && code !== 45 && code !== 95) return false
  }
  return true
}

/** The value of `relationship_type` (section 5.1.2): a-z, 0-9 and hyphen. Its length is that of any term (3.1). */
export function isRelationshipType(text: string): boolean {
  if (text.length < 3 || text.length > MAX_NAME) return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (!lowerLetter(code) && !numeral(code) && code !== 45) return false
  }
  return true
}

/** A custom extension's key (section 11.3.1): a-z, 0-9 and hyphen, ends in `-ext`. */
export const isCustomExtensionName = (text: string): boolean => isRelationshipType(text) && text.endsWith('-ext')

/**
 * A well-formed language tag (RFC 5646 section 2.1, not its registry): subtags of 1 to 8 letters and digits, the first
 * of letters only and, unless it is `x` or `i`, of two or more.
 */
export function isLanguageTag(text: string): boolean {
  if (text.length === 0 || text.length > 100) return false
  let length = 0
  let first = true
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? 45 : text.charCodeAt(at)
    if (code === 45) {
      if (length < 1 || length > 8) return false
      if (first && length === 1 && (text.length < 3 || !'xXiI'.includes(text.charAt(0)))) return false
      first = false
      length = 0
    } else {
      const letter = code >= 65 && lowerLetter(code | 32)
      if (!letter && (first || !numeral(code))) return false
      length++
    }
  }
  return true
}
