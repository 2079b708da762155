/** What is wrong with a pattern, and where. */

/** A place in a pattern. */
export interface Position {
  /** From 0, in UTF-16 code units: an index into the string. */
  readonly offset: number
  /** From 1; a line ends with LF, CR or CR LF. */
  readonly line: number
  /** From 1, in characters (code points) of the line. */
  readonly column: number
}

/**
 * `length`, `depth`: a bound was exceeded. `character`: no token begins with it. `constant`: a constant that is none (section
 * 9.2). `syntax`: another token was due (9.4 to 9.7). `qualifier`: two of one type, or no positive number (9.5.1).
 */
export type PatternErrorCode = 'length' | 'depth' | 'character' | 'constant' | 'syntax' | 'qualifier'

/** A text is no STIX pattern. The message names line and column. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  readonly code: PatternErrorCode
  readonly position: Position
  /** What is wrong, without the place. */
  readonly reason: string
  /** The section of STIX 2.1 that says so. */
  readonly section: string

  constructor(code: PatternErrorCode, text: string, offset: number, section: string, reason: string) {
    const position = positionAt(text, offset)
    super(`line ${position.line}, column ${position.column}: ${reason}`)
    this.code = code
    this.position = position
    this.reason = reason
    this.section = section
  }
}

const START: Position = { offset: 0, line: 1, column: 1 }

/** Line and column of an offset. Linear in the way from `from`, a position of the same text that is not behind it. */
export function positionAt(text: string, offset: number, from: Position = START): Position {
  let { line, column } = from
  for (let at = from.offset; at < offset && at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 10 || (code === 13 && text.charCodeAt(at + 1) !== 10)) {
      line++
      column = 1
    } else if (code !== 13 && (code < 0xdc00 || code > 0xdfff)) column++
  }
  return { offset, line, column }
}
