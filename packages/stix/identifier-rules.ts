/** What the UUID of an object says about it (section 2.9). */
import { contributingProperties, deterministicId, hasContributingProperty } from './deterministic-id.ts'
import { NOT_AN_IDENTIFIER, scanIdentifier } from './identifier.ts'
import { type Json, show, type Walk } from './walk.ts'

/** UUIDv4 for all but cyber-observables; they should have a UUIDv5 of what contributes, and v4 where nothing does. */
export function checkUuid(object: Json, type: string, isObservable: boolean, walk: Walk): void {
  const { id } = object
  if (typeof id !== 'string') return
  const version = scanIdentifier(id)
  if (version === NOT_AN_IDENTIFIER || version === 4) return
  if (!isObservable) {
    walk.reportAt('id', 'uuid_version', '2.9', `UUID version ${version}, expected 4`)
    return
  }
  if (contributingProperties.has(type) && !hasContributingProperty(object, type)) {
    const message = `UUID version ${version}: without any of the properties that contribute to the id it must be 4`
    walk.reportAt('id', 'random_id', type === 'process' ? '6.13.1' : '2.9', message)
  } else if (version !== 5) {
    walk.reportAt('id', 'uuid_version', '2.9', `UUID version ${version}, expected 5 or 4`)
  } else if (walk.tells('deterministic_id')) {
    const expected = deterministicId(object)
    if (expected === undefined || expected === id.toLowerCase()) return
    const message = `${show(id)} is of another namespace or of other content: the properties that contribute give ${expected}`
    walk.reportAt('id', 'deterministic_id', '2.9', message)
  }
}
