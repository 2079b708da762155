/** In both names. The search looks for the first letter first, and a k is rare: a third less time than with the whole word. */
const NEEDLE = Buffer.from('king_r')
const OF_OBJECT = Buffer.from('"object_marking_refs":')
const OF_PART = Buffer.from('"marking_ref":')
const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE] = [0x22, 0x5c, 0x2c, 0x5b, 0x5d]
const NONE: readonly string[] = []

/**
 * The ids of all marking definitions that an object is marked with: `object_marking_refs`, and each `marking_ref` of `granular_markings`, which
 * counts for the whole object (STIX 2.1 sections 7.2.2 and 7.2.3). Of custom content deeper inside the same properties are taken as well: too many
 * markings hold an object back, too few give it away. As they are written, in no order, perhaps repeated.
 *
 * The bytes are searched and nothing is parsed: in canonical JSON (RFC 8785) a name is written in one way only, and what looks like one inside a
 * string has its quotes escaped. Parsing each object would cost four times as much (docs/decisions/0027-markings.md).
 *
 * @param object canonical JSON of a verified object
 */
export function objectMarkings(object: Buffer): readonly string[] {
  let at = object.indexOf(NEEDLE)
  if (at < 0) return NONE
  const found: string[] = []
  for (; at >= 0; at = object.indexOf(NEEDLE, at + NEEDLE.length)) {
    const value = valueAfter(object, at - 11, OF_OBJECT) ?? valueAfter(object, at - 4, OF_PART)
    if (value !== undefined && !readStrings(object, value, found)) return readParsed(object)
  }
  return found
}

/** Where the value begins, if this name stands at `at`. */
function valueAfter(object: Buffer, at: number, name: Buffer): number | undefined {
  if (at < 0) return undefined
  // A call into the runtime costs more than a few bytes do.
  for (let i = 0; i < name.length; i++) if (object[at + i] !== name[i]) return undefined
  return at + name.length
}

/** @returns false where something else stands here than a string, or a list of strings, without escapes */
function readStrings(object: Buffer, from: number, found: string[]): boolean {
  const isList = object[from] === OPEN
  let at = isList ? from + 1 : from
  if (isList && object[at] === CLOSE) return true
  for (;;) {
    if (object[at] !== QUOTE) return false
    let end = at + 1
    for (; object[end] !== QUOTE; end++) if (object[end] === BACKSLASH || end >= object.length) return false
    found.push(object.toString('latin1', at + 1, end))
    at = end + 1
    if (!isList || object[at] === CLOSE) return true
    if (object[at++] !== COMMA) return false
  }
}

/** Under `permissive` these properties can hold anything: every string in them is a marking. */
function readParsed(object: Buffer): string[] {
  const found: string[] = []
  const all = (value: unknown): void => {
    if (typeof value === 'string') found.push(value)
    else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) all(part)
  }
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [name, part] of Object.entries(value)) {
      if (name === 'object_marking_refs' || name === 'marking_ref') all(part)
      walk(part)
    }
  }
  walk(JSON.parse(object.toString()))
  return found
}
