import { ProofError, type ProofErrorCode } from './error.ts'

/** Members of a JSON object: each of `required` there, `optional` allowed, and no other. */
export function readMembers(
  value: unknown,
  what: string,
  required: readonly string[],
  optional: readonly string[] = [],
  code: ProofErrorCode = 'malformed',
): Record<string, unknown> {
  const members = readObject(value, what, code)
  for (const name of required) {
    if (!Object.hasOwn(members, name)) throw new ProofError(code, `${what} has no member "${name}"`)
  }
  for (const name of Object.keys(members)) {
    if (!required.includes(name) && !optional.includes(name)) {
      throw new ProofError(
        code,
        `${what} has a member that its format does not know: ${JSON.stringify(name.slice(0, 80))}`,
      )
    }
  }
  return members
}

/** A JSON object, whatever its members. */
export function readObject(value: unknown, what: string, code: ProofErrorCode = 'malformed'): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProofError(code, `${what} is no JSON object`)
  }
  return value as Record<string, unknown>
}

/** A string, that matches where a form is given. */
export function readText(value: unknown, what: string, form?: RegExp, code: ProofErrorCode = 'malformed'): string {
  if (typeof value !== 'string' || (form !== undefined && !form.test(value))) {
    const shown = JSON.stringify(value)?.slice(0, 80)
    throw new ProofError(code, `${what} is ${shown}, expected ${form === undefined ? 'a string' : String(form)}`)
  }
  return value
}

/** An integer from 0 to 2^53 - 1. */
export function readCount(value: unknown, what: string, code: ProofErrorCode = 'malformed'): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new ProofError(code, `${what} is ${JSON.stringify(value)?.slice(0, 80)}, expected a number from 0`)
  }
  return value as number
}

/** An array of at most `most` elements. */
export function readList(value: unknown, what: string, most: number): unknown[] {
  if (!Array.isArray(value)) throw new ProofError('malformed', `${what} is no list`)
  if (value.length > most)
    throw new ProofError('malformed', `${what} has ${value.length} elements, at most ${most} are taken`)
  return value
}
