/** Versions of objects (section 3.6) and of the specification that they follow (section 3.2). */
import { objectTypes } from './table.ts'
import type { Json } from './walk.ts'

/**
 * The version of an object as TAXII 2.1 (section 3.4.1) counts it: `modified`, else `created`, as written; `undefined`
 * where it has neither (every cyber-observable), and the server's own date takes their place.
 */
export function objectVersion(object: Json): string | undefined {
  if (typeof object.modified === 'string') return object.modified
  return typeof object.created === 'string' ? object.created : undefined
}

/**
 * The version of STIX that an object follows: its `spec_version`; without one, `2.1` for a cyber-observable and a bundle
 * and `2.0` for every other type, which had no `spec_version` in STIX 2.0. A type that we do not know is taken for a
 * cyber-observable if it has neither `created` nor `modified`.
 */
export function specVersion(object: Json): string {
  if (typeof object.spec_version === 'string') return object.spec_version
  const objectClass = typeof object.type === 'string' ? objectTypes.get(object.type)?.class : undefined
  if (objectClass === undefined) return objectVersion(object) === undefined ? '2.1' : '2.0'
  return objectClass === 'sco' || objectClass === 'bundle' ? '2.1' : '2.0'
}
